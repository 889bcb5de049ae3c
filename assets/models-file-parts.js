/* What only some files have: a sentence cut by a tokenizer, a chat template beside what its lines wrote. */
(() => {
  const app = window.chatapp;
  const { models, el } = { models: app.models, el: app.el };
  const { files } = models;
  const TINTS = 6;
  const SAMPLE = "Tokenizers cut unbelievable words, 3.14 and naïve café 😀 into pieces.";

  /* Tokens as they stand in the vocabulary: Ġ and ▁ are spaces, ## goes on with a word. */
  function tokens({ tokens: pieces, ids }) {
    const chip = (piece, n) =>
      el("span", { class: `f-token f-tint-${n % TINTS}`, title: `token ${n + 1}, id ${ids[n]}` }, piece, el("small", {}, ids[n]));
    return el("div", { class: "f-tokens" }, ...pieces.map(chip));
  }

  const counted = ({ tokens: pieces, text }) => `${pieces.length} tokens for ${[...text].length} characters`;

  function cut(shown) {
    if (shown.problem) return [el("p", { class: "refusal" }, shown.problem)];
    const back = shown.back !== undefined && shown.back !== shown.text;
    return [
      el("p", { class: "remark" }, `${counted(shown)}. Ġ or ▁ stands for a space, ## for the rest of a word.`),
      tokens(shown),
      back ? el("p", { class: "remark" }, `Read back from the ids it is “${shown.back}”: something was lost.`) : null,
    ].filter(Boolean);
  }

  files.sentence = (name, file) => {
    const first = file.more?.sentence || (file.kind === "GGUF" ? { text: SAMPLE } : null);
    if (!first || file.problem) return null;
    const place = el("div", {}, ...(first.tokens ? cut(first) : []));
    const text = el("textarea", { rows: "2", maxlength: "2000", "aria-label": "A text to cut" });
    text.value = first.text;
    const run = async () => {
      try {
        place.replaceChildren(...cut(await app.post("model-cut", { name, text: text.value })));
      } catch (error) {
        app.failed(error);
      }
    };
    const form = el("form", { class: "f-cut" }, text, el("button", { type: "submit", class: "act" }, "Cut this text"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run();
    });
    return el(
      "section",
      { class: "f-part" },
      el("h4", {}, file.more?.tokenizer ? `How it cuts: ${file.more.tokenizer}` : "How it cuts"),
      form,
      place,
    );
  };

  /* A line and what it wrote have one number; pointing at one of them marks both. */
  function linked(place) {
    const mark = (line) => {
      for (const node of place.querySelectorAll("[data-line]")) node.classList.toggle("marked", node.dataset.line === line);
    };
    place.addEventListener("pointerover", (event) => mark(event.target.closest("[data-line]")?.dataset.line ?? ""));
    place.addEventListener("focusin", (event) => mark(event.target.closest("[data-line]")?.dataset.line ?? ""));
    place.addEventListener("pointerleave", () => mark(""));
    return place;
  }

  function source({ source: text, parts }) {
    const wrote = new Set(parts.map(([line]) => line));
    const row = (words, n) =>
      el("li", { "data-line": n + 1, class: wrote.has(n + 1) ? "wrote" : null, tabindex: wrote.has(n + 1) ? "0" : null }, words || " ");
    return el("ol", { class: "f-source" }, ...text.split("\n").map(row));
  }

  function written({ parts, text }) {
    if (!parts.length) return el("pre", {}, text);
    const part = ([line, words]) => el("span", { "data-line": line, title: `line ${line}` }, el("sup", {}, line), words);
    return el("pre", {}, ...parts.map(part));
  }

  files.template = (file) => {
    const found = file.more?.template;
    if (!found?.text) return null;
    const side = (words, ...inside) => el("figure", {}, el("figcaption", {}, words), ...inside);
    const refused = found.refused ? `A longer chat is refused: ${found.refused} ` : "";
    const words = found.parts.length
      ? "Point at a line to see what it wrote; the numbers are those of the lines."
      : "Which line wrote what cannot be told apart here.";
    const sides = [side("The template", source(found)), side("What it made of a short chat", written(found))];
    const about = el("p", { class: "remark" }, refused + words);
    return el("section", { class: "f-part" }, el("h4", {}, "Line by line"), about, linked(el("div", { class: "f-template" }, ...sides)));
  };
})();
