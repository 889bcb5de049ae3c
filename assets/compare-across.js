/* The page Compare: two replies side by side, each read by both columns: both distributions where they part, and how likely each reply is
   to the other column. It opens under the replies of its prompt, and is asked for then. */
(() => {
  const app = window.chatapp;
  const { compare, el } = app;
  const WITH = "Probability after this column’s temperature and filters; 0 % was cut, or is not the likeliest where that is always taken";

  /* Two digits after the point, so that they stand under each other. */
  compare.percent = (share) => {
    if (share > 0 && share < 0.00005) return "< 0.01 %";
    if (share < 1 && share > 0.99995) return "> 99.99 %";
    return share === 0 || share === 1 ? `${100 * share} %` : `${(100 * share).toFixed(2)} %`;
  };
  const whole = (number) => number.toLocaleString("en");

  function candidate(sides, side, other, one, same) {
    const share = (p) => el("td", { class: p ? "c-share" : "c-share none", style: `--share: ${p}` }, compare.percent(p));
    const taken = one.id === side.token ? "taken" : "";
    const theirs = same && one.id === other.token && !taken ? `${sides.columns[sides.indexOf(other)]} took it` : "";
    const mark = taken || theirs ? el("small", {}, taken || theirs) : null;
    const token = el("th", { scope: "row", title: `Token id ${one.id}` }, el("code", {}, app.visible(one.text)), mark);
    return el("tr", { class: taken || (theirs && "theirs") || null }, el("td", {}, whole(one.rank)), token, share(one.p), share(one.left));
  }

  /* What one column drew its token from; the likeliest to the model first, so that the lines of one model stand beside each other. */
  function distribution(sides, n, same) {
    const [side, other] = [sides[n], sides[1 - n]];
    const heads = [["Rank"], ["Token"], ["Probability", "The model’s own, before temperature and filters"], ["With settings", WITH]];
    const head = el("tr", {}, ...heads.map(([label, title]) => el("th", { scope: "col", title }, label)));
    const lines = side.candidates.map((one) => candidate(sides, side, other, one, same));
    const left = `${whole(side.kept)} of ${whole(side.of)} tokens left by its settings`;
    const caption = el("caption", {}, el("b", {}, sides.columns[n]), ` token ${whole(side.place)} · ${left}`);
    return el("table", { class: "c-candidates" }, caption, el("thead", {}, head), el("tbody", {}, ...lines));
  }

  const said = (words) => words.map((sentence) => el("p", { class: "c-said" }, sentence));

  function parting({ columns, parting: found, same_ids: same }) {
    if (!found) return [];
    const sides = Object.assign([...found.sides], { columns });
    const both = el("div", { class: "c-sides" }, distribution(sides, 0, same), distribution(sides, 1, same));
    return [el("h3", {}, "What each drew from where they part"), ...said(found.words), both];
  }

  /* One reply read by both columns: a number in each line, so that it fits a phone. `lines` are the table's two of that reply. */
  function readings(heads, lines) {
    const [[reply]] = lines;
    const readers = lines.map(([, reader]) => el("th", { scope: "col" }, el("small", {}, "read by "), reader));
    const line = ({ label, help }, n) =>
      el("tr", {}, el("th", { scope: "row", title: help }, label), ...lines.map((one) => el("td", {}, one[n + 2])));
    const head = el("tr", {}, el("td", {}), ...readers);
    const caption = el("caption", {}, "The reply of ", el("b", {}, reply));
    return el("table", { class: "c-likely" }, caption, el("thead", {}, head), el("tbody", {}, ...heads.slice(2).map(line)));
  }

  function likely(found, notes) {
    if (!found) return [];
    const { heads, table, words } = found;
    return [
      el("h3", {}, "How likely each reply is to both columns"),
      ...said(words),
      el("div", { class: "c-sides" }, readings(heads, table.slice(0, 2)), readings(heads, table.slice(2))),
      ...notes.map((note) => el("p", { class: "c-hint" }, note)),
    ];
  }

  function draw(open, data) {
    const same = data.parting ? [] : [el("p", { class: "c-said" }, "Both replies have the same tokens.")];
    open.body.replaceChildren(...(data.likely ? same : []), ...parting(data), ...likely(data.likely, data.notes));
  }

  function status(open, words, share) {
    const bar = words && share !== undefined ? el("progress", { max: 1, value: share, "aria-label": words }) : "";
    open.status.replaceChildren(words, bar);
    open.status.hidden = !words;
  }

  /* What was refused, and what can be done about it: `offer` is a model that can be loaded. */
  function refused(open, error, offer) {
    const again = (words, load, title) =>
      el("button", { type: "button", class: "act", title, on: { click: () => ask(open, load) } }, words);
    const cure = offer ? again(`Load ${app.brief(offer)}`, true, offer) : again("Try again", false);
    const words = error.lost ? "The server does not answer." : error.message;
    open.body.append(el("p", { class: "refusal", role: "alert" }, words), offer || error.lost ? cure : "");
  }

  async function ask(open, load) {
    const { signal } = open.asking;
    let offer = "";
    open.body.replaceChildren();
    if (!open.section.contains(document.activeElement)) open.section.focus({ preventScroll: true });
    status(open, "Asking the server");
    const heard = (line) => {
      if (signal.aborted) return;
      offer = line.offer || offer;
      if (line.words) status(open, line.words, line.share);
      if (line.data) draw(open, line.data);
    };
    try {
      await app.lines("compare-across", { ...open.asked, load }, heard, signal);
    } catch (error) {
      if (!signal.aborted) refused(open, error, offer);
    }
    if (signal.aborted) return;
    status(open, "");
    if (open.section.contains(document.activeElement)) open.section.scrollIntoView({ block: "nearest" });
  }

  function close(run, prompt, back) {
    const open = run.across.get(prompt);
    if (!open) return;
    open.asking.abort();
    run.across.delete(prompt);
    open.row.remove();
    for (const button of document.querySelectorAll(`[aria-controls="${open.section.id}"]`)) {
      button.setAttribute("aria-expanded", "false");
      if (back && open.from === button.dataset.key) button.focus();
    }
  }
  compare.leaveAcross = (run) => {
    for (const prompt of [...run.across.keys()]) close(run, prompt, false);
  };

  const idOf = (prompt) => `c-across-${prompt}`;
  const titleOf = ({ column, against, prompt }) => `${column} and ${against}, prompt ${prompt + 1}`;

  /* The reply of a column that stands beside those that are shown: of the same replica, else the only one. */
  function replyOf(run, prompt, column, replica) {
    const there = run.of(prompt, column).filter((cell) => !cell.problem);
    return there.find((cell) => cell.replica === replica) || there[0];
  }

  /* One of the two columns, to be changed for any that has a reply and is not the other one. */
  function chooser(run, open, name, other) {
    const { prompt } = open.asked;
    const columns = run.head.columns.filter(({ label }) => replyOf(run, prompt, label, 0));
    const select = el("select", { "aria-label": name === "column" ? "This reply" : "Beside the reply of" });
    const draw = () => {
      const options = columns.map(({ label }) => el("option", { value: label, disabled: label === open.asked[other] }, label));
      select.replaceChildren(...options);
      select.value = open.asked[name];
    };
    const change = () => {
      const replica = name === "column" ? "replica" : "against_replica";
      const cell = replyOf(run, prompt, select.value, open.asked.replica);
      open.asking.abort();
      open.asking = new AbortController();
      open.asked = { ...open.asked, [name]: cell.column, [replica]: cell.replica };
      for (const redraw of open.choices) redraw();
      open.section.setAttribute("aria-label", titleOf(open.asked));
      ask(open, false);
    };
    select.addEventListener("change", change);
    open.choices.push(draw);
    draw();
    return select;
  }

  /* Which two: a choice where there are more. */
  function pair(run, open) {
    if (run.head.columns.length < 3) return el("b", {}, titleOf(open.asked));
    const [one, two] = [chooser(run, open, "column", "against"), chooser(run, open, "against", "column")];
    return el("div", { class: "c-pair" }, one, "and", two, el("b", {}, `prompt ${open.asked.prompt + 1}`));
  }

  function show(run, one, button) {
    close(run, one.prompt, false);
    const { prompt, column, replica, against, against_replica } = one;
    const away = app.button("Close (Esc)", "close", () => close(run, prompt, true));
    const open = { asked: { id: run.id, prompt, column, replica, against, against_replica }, choices: [], from: compare.key(one) };
    open.asking = new AbortController();
    open.status = el("p", { class: "c-reading", role: "status" });
    open.body = el("div", {});
    const top = el("div", { class: "c-across-top" }, pair(run, open), away);
    const look = { id: idOf(prompt), class: "c-across", tabindex: -1, role: "region", "aria-label": titleOf(one) };
    open.section = el("section", look, top, open.status, open.body);
    open.section.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      close(run, prompt, true);
    });
    open.row = el("tr", {}, el("td", { class: "c-opened", colspan: run.head.columns.length }, open.section));
    const { box } = compare.spot(run, one);
    box.parentElement.after(open.row);
    open.section.style.scrollMarginTop = `${box.closest("table").tHead.offsetHeight + 8}px`; // what stays in sight above
    run.across.set(prompt, open);
    button.setAttribute("aria-expanded", "true");
    open.section.scrollIntoView({ block: "nearest" });
    ask(open, false);
  }

  /* Of the reply that `one`, a CompareParting, is about. */
  compare.acrossButton = (run, one) => {
    const key = compare.key(one);
    const label = `Side by side: ${titleOf(one)}`;
    const isOpen = () => run.across.get(one.prompt)?.from === key;
    const click = () => (isOpen() ? close(run, one.prompt, true) : show(run, one, button));
    const button = app.button(label, "columns", click, { text: "Side by side" });
    button.dataset.key = key;
    button.setAttribute("aria-expanded", String(isOpen()));
    button.setAttribute("aria-controls", idOf(one.prompt));
    button.title = "Both distributions where they part, and how likely each reply is to the other column";
    return button;
  };
})();
