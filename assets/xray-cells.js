/* Tokens as text: cells of whole characters, the heat of a surprise, a table of every token. */
(() => {
  const app = window.chatapp;
  const { xray, el } = { xray: app.xray, el: app.el };
  const MOST = 1500;
  /* Full heat is a surprise of 8 bits, 1 in 256. */
  const HOTTEST = 8;

  /* A cell is a run of whole graphemes; one that is split over several tokens is one cell with parts. */
  function cell({ rows }, indexes, text, paint) {
    const kind = paint.kind(rows[indexes[0]]);
    const node = el("span", { class: `x-cell ${kind}`, role: paint.click ? "button" : null, tabindex: paint.click ? -1 : null });
    node.dataset.at = indexes[0];
    if (paint.click && !text.trim()) node.setAttribute("aria-label", xray.visible(text));
    const style = paint.style?.(indexes);
    if (style) node.setAttribute("style", style);
    const breaks = text
      .split("\n")
      .slice(1)
      .map(() => el("br"));
    if (breaks.length) node.append(el("span", { class: "x-break" }, xray.visible(text)), ...breaks);
    else node.append(text || "∅");
    if (indexes.length > 1) node.append(el("sup", {}, String(indexes.length)));
    return node;
  }

  function list(box, view, paint) {
    let shown = 0;
    const more = el("button", { type: "button", class: "x-do" });
    const add = () => {
      const upTo = shown + MOST;
      const cells = view.cells.slice(shown, upTo).map((indexes, n) => cell(view, indexes, view.words[shown + n], paint));
      shown += cells.length;
      more.before(...cells);
      more.hidden = shown >= view.cells.length;
      more.textContent = `Show ${Math.min(MOST, view.cells.length - shown)} more of ${view.cells.length}`;
    };
    more.addEventListener("click", add);
    box.append(more);
    add();
  }

  const TITLES = ["#", "{id|token id}", "{token}", "{bytes|byte}", "characters", "from", "{mask|attention mask}"];
  const values = (row, n) => [
    n,
    row.id,
    row.token,
    row.bytes,
    xray.visible(row.text) + (row.partial ? " (part)" : ""),
    row.kind === "content" ? row.role || "" : row.kind,
    row.mask,
  ];
  function table(rows) {
    const line = (row, n) =>
      el("tr", { class: row.kind === "special" ? "special" : null }, ...values(row, n).map((v) => el("td", {}, String(v))));
    const note = rows.length > MOST ? el("caption", {}, `The first ${MOST} of ${rows.length} tokens`) : null;
    const head = el("tr", {}, ...TITLES.map((title) => el("th", { scope: "col" }, ...xray.say(title))));
    const made = el("table", { class: "x-table" }, note, el("thead", {}, head), el("tbody", {}, ...rows.slice(0, MOST).map(line)));
    return el("div", { class: "x-scroll", tabindex: 0, role: "region", "aria-label": "Token table" }, made);
  }

  /* What is known of one cell's tokens without the model. */
  const spelling = ({ rows, cells }, at) =>
    el(
      "p",
      { class: "x-facts" },
      ...cells
        .find((indexes) => indexes[0] === at)
        .flatMap((i) => [
          el("code", {}, xray.visible(rows[i].text)),
          xray.fact("{token id}", rows[i].id),
          xray.fact("spelling in the {vocabulary}", rows[i].token),
          xray.fact("{bytes|byte}", rows[i].bytes),
        ]),
    );

  const heat = (p) => `--heat:${Math.min(1, (-Math.log2(Math.max(p, 1e-9)) / HOTTEST) ** 0.75).toFixed(3)}`;
  const facts = (all) => {
    const rows = all.filter(Boolean);
    if (!rows.length) return [];
    const mean = rows.reduce((sum, row) => sum - row.logprob / Math.LN2, 0) / rows.length;
    const likeliest = Math.round((100 * rows.filter((row) => row.rank === 1).length) / rows.length);
    return [
      xray.fact("tokens", rows.length),
      xray.fact("{perplexity}", (2 ** mean).toFixed(2)),
      xray.fact("{bits per token}", mean.toFixed(2)),
      xray.fact("were {the likeliest|greedy} token", `${likeliest} %`),
    ];
  };
  const scale = () => el("p", { class: "x-legend" }, "certain", el("span", { class: "x-scale" }), "surprised: 1 in 256 or less");
  const numbers = (row) => [
    xray.fact("{probability}", xray.percent(row.p)),
    xray.fact("{log-probability}", row.logprob.toFixed(2)),
    xray.fact("{rank}", row.rank),
    xray.fact("bits of {entropy}", row.entropy.toFixed(2)),
  ];

  function map(view, rows, label, click) {
    const box = el("div", { class: "x-cells", role: "group", "aria-label": label });
    const hottest = (indexes) => Math.min(...indexes.map((i) => rows[i]?.p ?? 1));
    list(box, view, { click: true, kind: () => "heat", style: (indexes) => heat(hottest(indexes)) });
    xray.pickable(box, ".x-cell", (node) => click(Number(node.dataset.at)));
    return box;
  }
  xray.heat = { map, facts, scale, numbers };
  xray.cells = { list, table, spelling };
})();
