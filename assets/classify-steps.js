/* The page Classify: from the text to the label, number by number; the temperature is a what-if, computed here. */
(() => {
  const app = window.chatapp;
  const { el } = app;
  const classify = { models: [] };
  app.classify = classify;
  classify.SHOWN = 12;
  const TOKENS = 200;
  const BYTES = "As the tokenizer names them: Ġ is the space before a word, Ċ a new line, and other letters than English ones are bytes.";

  classify.percent = (share) => {
    const digits = share > 0.9995 || (share > 0 && share < 0.001) ? 4 : 2;
    return `${(100 * share).toFixed(digits)} %`;
  };
  classify.signed = (value, digits = 2) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
  classify.section = (title, about, ...inside) =>
    el("section", { class: "k-section" }, el("h2", {}, title), about ? el("p", { class: "hint" }, about) : null, ...inside);

  /* A number, e to it, and the share of all: as the server computes it, for any temperature. */
  classify.softmax = (logits, temperature, several) => {
    const scaled = logits.map((logit) => logit / temperature);
    if (several) return scaled.map((x) => ({ scaled: x, power: Math.exp(-x), share: 1 / (1 + Math.exp(-x)) }));
    const most = Math.max(...scaled);
    const powers = scaled.map((x) => Math.exp(x - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    return scaled.map((x, n) => ({ scaled: x, power: powers[n], share: powers[n] / sum }));
  };

  function tokens({ tokens: cut, ids, cut: words }) {
    const chip = (token, n) => el("span", { class: "k-token" }, el("b", {}, token), el("small", {}, String(ids[n])));
    const more = cut.length > TOKENS ? el("p", { class: "hint" }, `… and ${cut.length - TOKENS} more.`) : null;
    return classify.section(
      "1 · Tokens and their ids",
      "",
      words ? el("p", { class: "k-note" }, words) : null,
      cut.some((token) => /^[ĠĊ]/.test(token)) ? el("p", { class: "hint" }, BYTES) : null,
      el("div", { class: "k-tokens" }, ...cut.slice(0, TOKENS).map(chip)),
      more,
    );
  }

  /* Around a middle line: to the right for what is above zero. */
  function bar(value, most, kind = "") {
    const width = most ? (50 * Math.abs(value)) / most : 0;
    const at = value < 0 ? 50 - width : 50;
    return el(
      "span",
      { class: `k-track middle ${kind}` },
      el("i", { class: value < 0 ? "below" : "", style: `left:${at}%;width:${width}%` }),
    );
  }
  const share = (value) => el("span", { class: "k-track" }, el("i", { style: `width:${100 * value}%` }));
  const cell = (number, drawn = null) => el("td", {}, el("span", { class: "k-number" }, number), drawn);

  classify.shareCell = (value) => cell(classify.percent(value), share(value));
  const fixed = (value) => value.toFixed(4).replace("-", "−");

  function numbers(data, temperature) {
    const logits = data.rows.map(({ logit }) => logit);
    const found = classify.softmax(logits, temperature, data.several);
    const order = logits.map((_, n) => n).sort((a, b) => logits[b] - logits[a]);
    const most = Math.max(...logits.map(Math.abs));
    const row = (n) =>
      el(
        "tr",
        { class: n === data.decided ? "decided" : null },
        el("th", { scope: "row" }, data.rows[n].label, el("small", {}, ` ${n}`)),
        ...Object.values(data.beside[n] || {}).map((value) => cell(fixed(value))),
        cell(fixed(logits[n]), bar(logits[n], most)),
        cell(fixed(found[n].scaled)),
        cell(found[n].power.toPrecision(4)),
        classify.shareCell(found[n].share),
      );
    return { rows: order.slice(0, classify.SHOWN).map(row), found };
  }

  const heads = ({ several, beside }) => [
    ["Label", "its number is behind it"],
    ...Object.keys(beside[0] || {}).map((name) => [name, "a part of the logit"]),
    ["Logit", "from which the shares are made"],
    ["÷ T", "the logit divided by the temperature"],
    several ? ["e⁻ˣ", "the sigmoid is 1 / (1 + e⁻ˣ)"] : ["eˣ⁻ᵐ", "e to it, less the largest m, so that no number overflows"],
    several ? ["Sigmoid", "each label for itself"] : ["Softmax", "each divided by the sum of all"],
  ];

  function slider(changed) {
    const said = el("output", {}, "T = 1: as the model says");
    const range = el("input", { type: "range", min: 0.1, max: 5, step: 0.1, value: 1, "aria-label": "Temperature" });
    range.addEventListener("input", () => {
      const t = Number(range.value);
      said.textContent = t === 1 ? "T = 1: as the model says" : `T = ${t}: what if it were ${t < 1 ? "surer" : "less sure"} of it`;
      changed(t);
    });
    return el("div", { class: "k-slider" }, el("span", {}, "Temperature"), range, said);
  }

  classify.drawSteps = (data) => {
    const body = el("tbody");
    const label = el("p", { class: "k-label", "aria-live": "polite" });
    const draw = (temperature) => {
      const { rows, found } = numbers(data, temperature);
      body.replaceChildren(...rows);
      const best = data.rows[data.decided].label;
      label.replaceChildren(el("b", {}, best), ` ${classify.percent(found[data.decided].share)}`);
    };
    draw(1);
    const head = el("tr", {}, ...heads(data).map(([name, title]) => el("th", { scope: "col", title }, name)));
    const wide = el(
      "div",
      { class: "k-wide", tabindex: 0, role: "region", "aria-label": "From logits to probabilities" },
      el("table", { class: "k-steps" }, el("thead", {}, head), body),
    );
    const more = data.rows.length > classify.SHOWN ? `The ${classify.SHOWN} labels with the largest logits of ${data.rows.length}. ` : "";
    const about = `${more}${data.method} A temperature moves the shares together or apart; their order stays.`;
    const said = data.several ? "3 · The surest label" : "3 · The label";
    return [
      tokens(data),
      classify.section(data.several ? "2 · Logits → sigmoid" : "2 · Logits → softmax", about, slider(draw), wide),
      classify.section(said, "", label),
    ];
  };

  classify.drawFacts = ({ model, facts }) => {
    const list = facts.flatMap(([name, words]) => [el("dt", {}, name), el("dd", {}, words)]);
    return el("details", { class: "k-facts" }, el("summary", {}, `What ${model} is`), el("dl", { class: "facts" }, ...list));
  };
})();
