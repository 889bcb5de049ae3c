/* The tab By layer: what attention rests on in each layer, as a table and as one picture over the relative depth of the models. */
(() => {
  const app = window.chatapp;
  const { xray, text, el } = { xray: app.xray, text: app.text, el: app.el };
  const BOX = { width: 240, height: 130, left: 34, right: 8, top: 8, bottom: 20 };
  const MEASURES = {
    itself: "on {itself|attention}",
    previous: "on the previous token",
    first: "on the {first token|attention sink}",
    next: "on the next token",
    last: "on the last token",
    entropy: "{entropy}, bits",
  };
  /* Heads of the table's columns. */
  const SHORT = { itself: "itself", previous: "previous", first: "first", next: "next", last: "last", entropy: "bits" };
  const COLOURS = ["one", "other"];

  const has = (data, name) => data.models.some(({ layers }) => name in layers[0]);
  const shown = (name, value) => (name === "entropy" ? value.toFixed(2) : `${Math.round(100 * value)} %`);

  /* The first layer at 0, the last at 1: models of different depth lie over one another. */
  const place = (n, count) => (count > 1 ? n / (count - 1) : 0.5);
  const across = (share) => BOX.left + share * (BOX.width - BOX.left - BOX.right);
  const up = (value, most) => BOX.height - BOX.bottom - (value / most) * (BOX.height - BOX.top - BOX.bottom);

  function line({ layers }, name, most, colour) {
    if (!(name in layers[0])) return "";
    const points = layers.map((layer, n) => [across(place(n, layers.length)).toFixed(1), up(layer[name], most).toFixed(1)]);
    const dots = points.map(([x, y]) => `<circle class="t-${colour}" cx="${x}" cy="${y}" r="1.8"/>`).join("");
    return `<polyline class="t-${colour}" points="${points.map((point) => point.join()).join(" ")}"/>${dots}`;
  }

  function axes(name, most) {
    const floor = BOX.height - BOX.bottom;
    const end = BOX.width - BOX.right;
    const label = (value) => (name === "entropy" ? value.toFixed(1) : `${Math.round(100 * value)} %`);
    const mark = (x, y, anchor, words) => `<text x="${x}" y="${y}" text-anchor="${anchor}">${words}</text>`;
    const rule = `<path d="M${BOX.left} ${BOX.top}V${floor}H${end}"/>`;
    const marks = [
      mark(BOX.left - 4, BOX.top + 7, "end", label(most)),
      mark(BOX.left - 4, floor, "end", label(0)),
      mark(BOX.left, BOX.height - 6, "start", "first layer"),
      mark(end, BOX.height - 6, "end", "last"),
    ];
    return rule + marks.join("");
  }

  function panel(data, name) {
    const values = data.models.flatMap(({ layers }) => layers.map((layer) => layer[name] ?? 0));
    const most = Math.max(...values, name === "entropy" ? 1 : 0.05);
    const lines = data.models.map((model, n) => line(model, name, most, COLOURS[n])).join("");
    const said = data.models
      .filter(({ layers }) => name in layers[0])
      .map((model) => `${model.name} from ${shown(name, model.layers[0][name])} to ${shown(name, model.layers.at(-1)[name])}`);
    const figure = el("figure", { class: "t-panel" }, el("figcaption", {}, ...xray.say(MEASURES[name])));
    const drawn = el("div", { role: "img", "aria-label": `First to last layer: ${said.join("; ")}` });
    drawn.innerHTML = `<svg viewBox="0 0 ${BOX.width} ${BOX.height}" aria-hidden="true">${axes(name, most)}${lines}</svg>`;
    figure.append(drawn);
    return figure;
  }

  const legend = (data) =>
    el(
      "p",
      { class: "t-legend" },
      ...data.models.map((model, n) => el("span", { class: `t-${COLOURS[n]}` }, el("i", {}), model.name)),
      el("span", { class: "x-fact" }, "over ", xray.term("relative depth")),
    );

  function table(model, measures) {
    const head = el("tr", {}, ...["layer", ...measures.map((name) => SHORT[name])].map((words) => el("th", { scope: "col" }, words)));
    const row = (layer, n) => el("tr", {}, el("th", { scope: "row" }, n), ...measures.map((name) => cell(name, layer[name])));
    const body = el("tbody", {}, ...model.layers.map(row), mean(model, measures));
    return el("table", { class: "x-table t-table" }, el("thead", {}, head), body);
  }
  const cell = (name, value) => {
    const share = name === "entropy" ? 0 : value;
    return el("td", { style: `--heat:${Math.min(1, share).toFixed(3)}` }, shown(name, value));
  };
  function mean({ layers }, measures) {
    const of = (name) => layers.reduce((sum, layer) => sum + layer[name], 0) / layers.length;
    return el("tr", { class: "t-mean" }, el("th", { scope: "row" }, "mean"), ...measures.map((name) => cell(name, of(name))));
  }

  function column(model) {
    const measures = Object.keys(MEASURES).filter((name) => name in model.layers[0]);
    const facts = [
      xray.fact("{parameters}", xray.number(model.parameters)),
      xray.fact("{tokens|token}", model.length),
      model.encoder ? el("span", { class: "x-badge" }, xray.term("encoder", "sees both ways")) : "",
    ];
    const label = `${model.name} by layer`;
    const box = el("div", { class: "x-scroll", tabindex: 0, role: "region", "aria-label": label }, table(model, measures));
    return el("section", { class: "x-column" }, el("h3", {}, model.name), el("p", { class: "x-facts" }, ...facts), box);
  }

  text.tab({
    name: "depth",
    label: "By layer",
    about:
      "What {attention} rests on in each {layer}: means over all {heads|head}, and over the tokens from the third on. " +
      "Two models lie over one another by {relative depth}.",
    draw(data, body) {
      const measures = Object.keys(MEASURES).filter((name) => has(data, name));
      xray.fill(
        body,
        el("div", { class: "t-words" }, ...data.words.map((words) => el("p", {}, words))),
        legend(data),
        el("div", { class: "t-panels" }, ...measures.map((name) => panel(data, name))),
        el("div", { class: "x-columns" }, ...data.models.map(column)),
      );
    },
  });
})();
