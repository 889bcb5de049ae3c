/* What every view of X-ray draws with: numbers, facts, bars, buttons, tokens to choose from. */
(() => {
  const app = window.chatapp;
  const { xray, el } = { xray: app.xray, el: app.el };

  xray.percent = (p) => {
    if (p >= 0.1) return `${(100 * p).toFixed(1)} %`;
    if (p >= 0.001) return `${(100 * p).toFixed(2)} %`;
    return p > 0 ? `${(100 * p).toExponential(1)} %` : "0 %";
  };
  xray.visible = app.visible;
  xray.number = (n) => Number(n).toLocaleString("en").replaceAll(",", "\u202f");
  xray.bytes = (n) => {
    if (n >= 2 ** 30) return `${(n / 2 ** 30).toFixed(2)} GiB`;
    return n >= 2 ** 20 ? `${(n / 2 ** 20).toFixed(1)} MiB` : `${(n / 1024).toFixed(1)} KiB`;
  };
  xray.colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

  /* Words in which {term} or {shown|term} is a term that explains itself. */
  xray.say = (words) =>
    words.split(/\{([^}]*)\}/).map((part, n) => {
      if (n % 2 === 0) return part;
      const [shown, name = shown] = part.split("|");
      return app.terms[name] ? xray.term(name, shown) : `{${part}}`;
    });
  xray.fact = (name, value) => el("span", { class: "x-fact" }, el("b", {}, String(value)), " ", ...xray.say(name));
  xray.told = (words) => el("p", { class: "x-fact" }, ...xray.say(words));
  xray.note = (text) => {
    const known = Object.keys(app.terms).find((name) => text?.startsWith(name));
    return text ? el("span", { class: "x-badge" }, ...(known ? [xray.term(known), text.slice(known.length)] : [text])) : null;
  };
  xray.button = (label, run, extra = {}) => el("button", { type: "button", class: "x-do", on: { click: run }, ...extra }, label);
  xray.field = (label, value, extra = {}) => {
    const box = el("input", { type: "text", value, "aria-label": label, autocomplete: "off", spellcheck: "false", ...extra });
    return el("label", { class: "x-field" }, el("span", {}, label), box);
  };
  /* Where a further question says how far it is and why it was refused: beside the button that asked it. */
  xray.place = (question) => el("p", { class: "x-here", role: "status", "data-question": question });
  /* replaceChildren writes null as a word. */
  xray.fill = (place, ...nodes) => place.replaceChildren(...nodes.filter((node) => node !== null && node !== undefined && node !== ""));

  xray.bars = (entries, click, own) => {
    const row = ([id, p, text]) => {
      const bar = el(
        "span",
        { class: id === own ? "x-bar own" : "x-bar" },
        el("i", { style: `width:${Math.max(0.5, 100 * p)}%` }),
        el("span", { class: "x-word" }, xray.visible(text)),
        el("span", { class: "x-p" }, xray.percent(p)),
      );
      const act = { type: "button", title: `Token ${id}: go on from it`, on: { click: () => click(id, text) } };
      return el("li", {}, click ? el("button", act, bar) : bar);
    };
    return el("ol", { class: "x-bars" }, ...entries.map(row));
  };

  /* Choosing one of many by click, touch or arrow keys; one of them can be reached by Tab. `across` are the items in a row. */
  xray.pickable = (box, selector, choose, across = () => 1) => {
    const items = () => [...box.querySelectorAll(selector)];
    const take = (item) => {
      items().forEach((other) => {
        other.tabIndex = other === item ? 0 : -1;
        other.classList.toggle("chosen", other === item);
      });
      choose(item);
    };
    const step = (key) => ({ ArrowRight: 1, ArrowLeft: -1, ArrowDown: across(), ArrowUp: -across() })[key];
    const target = (event, item) => {
      const all = items();
      const ends = { Home: 0, End: all.length - 1, Enter: all.indexOf(item), " ": all.indexOf(item) };
      const at = ends[event.key] ?? all.indexOf(item) + step(event.key);
      return all[at];
    };
    box.addEventListener("click", (event) => {
      const item = event.target.closest(selector);
      if (item) take(item);
    });
    box.addEventListener("keydown", (event) => {
      const item = event.target.closest(selector);
      const next = item && target(event, item);
      if (!next) return;
      event.preventDefault();
      next.focus();
      take(next);
    });
    const first = items()[0];
    if (first && !box.querySelector(`${selector}[tabindex="0"]`)) first.tabIndex = 0;
  };
})();
