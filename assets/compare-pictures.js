/* The page Compare: the pictures of a run, which the server draws. A dot is a reply: its words under the pointer and at the keyboard, its
   cell at a click. Each picture is one stop of the keyboard; arrows go from dot to dot. */
(() => {
  const app = window.chatapp;
  const { compare, el } = app;
  const MOST = 240;
  const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

  /* "#reply-0-2-1" → the reply that it leads to. */
  compare.replyAt = (run, leads) => {
    const [prompt, column, replica] = leads.split("-").slice(1).map(Number);
    return run.cells.get(compare.key({ prompt, column: run.head.columns[column]?.label, replica }));
  };

  const dotAt = (event) => event.target.closest?.(".plot a");
  const dotsOf = (dot) => [...dot.closest("svg").querySelectorAll("a")];
  const leads = (dot) => dot.getAttribute("href");

  function words(run, dot) {
    const cell = compare.replyAt(run, leads(dot));
    const text = compare.textOf(cell).replace(/\s+/g, " ").trim();
    const prompt = run.head.prompts[cell.prompt].replace(/\s+/g, " ");
    return { value: dot.dataset.value, prompt, text: text.length > MOST ? `${text.slice(0, MOST)}…` : text };
  }

  /* Beside the dot, and inside of the window. */
  function place(tip, dot) {
    const at = dot.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = tip;
    const left = Math.max(8, Math.min(at.left + at.width / 2 - width / 2, innerWidth - width - 8));
    const top = at.top - height - 6 > 4 ? at.top - height - 6 : at.bottom + 6;
    tip.style.translate = `${left}px ${top}px`;
  }

  function show(run, dot) {
    const { value, prompt, text } = words(run, dot);
    run.tip.replaceChildren(el("b", {}, value), el("p", { class: "c-hint" }, prompt), el("p", {}, text || "An empty reply."));
    dot.setAttribute("aria-label", `${value}. ${prompt}. ${text}`);
    run.tip.hidden = false;
    place(run.tip, dot);
  }

  function stop(dot) {
    for (const other of dotsOf(dot)) other.setAttribute("tabindex", other === dot ? "0" : "-1");
  }

  function pressed(run, event) {
    const dot = dotAt(event);
    if (event.key === "Escape" && !run.tip.hidden) {
      event.stopPropagation();
      run.tip.hidden = true;
    }
    if (!dot || !STEPS[event.key]) return;
    event.preventDefault();
    const all = dotsOf(dot);
    const next = all[(all.indexOf(dot) + STEPS[event.key] + all.length) % all.length];
    stop(next);
    next.focus();
  }

  compare.picturesOf = (run) => {
    run.tip = el("div", { class: "c-tip", role: "tooltip", hidden: true });
    const over = (event) => (dotAt(event) ? show(run, dotAt(event)) : null);
    const away = () => {
      run.tip.hidden = true;
    };
    const click = (event) => {
      const dot = dotAt(event);
      if (!dot) return;
      event.preventDefault();
      away();
      compare.toReply(run, compare.replyAt(run, leads(dot)));
    };
    const on = { pointerover: over, focusin: over, pointerout: away, focusout: away, click, keydown: (event) => pressed(run, event) };
    run.drawn = el("div", { on });
    app.$(".sheet").addEventListener("scroll", away, { signal: run.reading.signal });
    return el("section", { class: "c-pictures" }, run.drawn, run.tip);
  };

  /* The browser's own tooltip would come late, and not by the keyboard. */
  function dress(figure) {
    const box = el("div");
    box.innerHTML = figure;
    const dots = box.querySelectorAll("a");
    for (const dot of dots) {
      const title = app.$("title", dot);
      dot.dataset.value = title.textContent;
      dot.setAttribute("aria-label", title.textContent);
      title.remove();
    }
    dots[0].setAttribute("tabindex", "0");
    return box.firstChild;
  }

  function row({ title, figures }, going) {
    const look = { class: going ? "plots going" : "plots", role: "group", "aria-label": title };
    return [el("h2", {}, title), el("div", look, ...figures.map(dress))];
  }

  /* As before where somebody stands in them, or has scrolled. */
  compare.drawPictures = (run, pictures) => {
    const focused = run.drawn.contains(document.activeElement) ? document.activeElement : null;
    const at = focused && { picture: [...run.drawn.querySelectorAll("svg")].indexOf(focused.closest("svg")), href: leads(focused) };
    const scrolled = [...run.drawn.querySelectorAll(".plots")].map((box) => box.scrollLeft);
    run.tip.hidden = true;
    run.drawn.replaceChildren(...pictures.flatMap((one) => row(one, !run.result)));
    for (const [n, box] of run.drawn.querySelectorAll(".plots").entries()) box.scrollLeft = scrolled[n] || 0;
    const dot = at && run.drawn.querySelectorAll("svg")[at.picture]?.querySelector(`a[href="${at.href}"]`);
    if (!dot) return;
    stop(dot);
    dot.focus({ preventScroll: true });
  };
})();
