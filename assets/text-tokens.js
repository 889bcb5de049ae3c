/* The tab Tokens: a text as the tokenizers of one or two models cut it, and the two plain ways beside. */
(() => {
  const app = window.chatapp;
  const { xray, text, el } = { xray: app.xray, text: app.text, el: app.el };

  function read(data, cut) {
    const lost = cut.back !== data.text;
    const words = lost ? `Read back it is “${cut.back}”: something was lost.` : "Read back it is the same text.";
    return el("p", { class: "x-small" }, words);
  }

  function around({ around: marks }) {
    if (!marks.length) return null;
    const codes = marks.flatMap((mark) => [" ", el("code", {}, mark)]);
    return el("p", { class: "x-small" }, "For its model it also puts ", xray.term("special token", "special tokens"), " around:", ...codes);
  }

  function cells(cut) {
    const told = el("div", { class: "x-small", "aria-live": "polite" });
    const box = el("div", { class: "x-cells", role: "group", "aria-label": `The text as ${cut.name} cuts it` });
    xray.cells.list(box, cut, { kind: () => "striped", click: true });
    xray.pickable(box, ".x-cell", (node) => xray.fill(told, xray.cells.spelling(cut, Number(node.dataset.at))));
    return [box, told];
  }

  const per = (characters, count) => (characters / Math.max(1, count)).toFixed(2);

  function column(data, cut) {
    const head = [el("h3", {}, cut.name)];
    if (cut.problem) return el("section", { class: "x-column" }, ...head, el("p", { class: "x-why", role: "alert" }, cut.problem));
    const length = [...data.text].length;
    const facts = [xray.fact("{tokens|token}", cut.ids.length), xray.fact("characters per token", per(length, cut.ids.length))];
    const [kind, about = ""] = cut.kind ? cut.about.split(/(?<=^[^:]*):/) : ["A tokenizer of a kind that this app does not know"];
    const every = el("details", {}, el("summary", {}, "Every token: id, spelling, bytes, characters"), xray.cells.table(cut.rows));
    return el(
      "section",
      { class: "x-column" },
      ...head,
      el("p", { class: "x-small" }, el("b", {}, kind), about && `:${about}`),
      el("p", { class: "x-facts" }, ...facts),
      ...cells(cut),
      read(data, cut),
      around(cut) ?? "",
      every,
    );
  }

  const plain = (cut) => {
    const opened = xray.plainCut(cut);
    opened.open = true;
    return el("section", { class: "x-column" }, opened);
  };

  text.tab({
    name: "tokens",
    label: "Tokens",
    about:
      "How a {tokenizer} cuts the text into {tokens|token}, read from its file: " +
      "no model is loaded for this. Choose one for its {token id}.",
    post: "text-tokens",
    draw: (data, body) => {
      const columns = (...nodes) => el("div", { class: "x-columns" }, ...nodes);
      const beside = el("h3", {}, "The two plain ways beside");
      xray.fill(body, columns(...data.models.map((cut) => column(data, cut))), beside, columns(...data.plain.map(plain)));
    },
  });
})();
