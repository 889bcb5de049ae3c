/* The tab Architecture: the modules of a model, built without its weights, and what a block does. */
(() => {
  const app = window.chatapp;
  const { models, el } = { models: app.models, el: app.el };
  const { files } = models;

  function facts({ summary: s }) {
    const rows = [
      ["Class", s.kind],
      ["Blocks", files.number(s.layers)],
      ["Width", files.number(s.hidden)],
      ["Heads", s.kv_heads === s.heads ? `${s.heads} of ${s.head_dim}` : `${s.heads} of ${s.head_dim}, ${s.kv_heads} for keys and values`],
      ["Feed-forward", `${files.number(s.hidden)} → ${files.number(s.feed_forward)} → ${files.number(s.hidden)}`],
      ["Vocabulary", files.number(s.vocabulary)],
      ["Context", s.context ? `${files.number(s.context)} tokens` : "not named"],
      ["Parameters", files.number(s.parameters)],
      ["Weights", `${files.bytes(s.memory)} as ${s.dtype}`],
    ];
    return el("dl", { class: "facts" }, ...rows.flatMap(([name, words]) => [el("dt", {}, name), el("dd", {}, words)]));
  }

  const does = ({ name, words }) => el("li", {}, name ? el("code", {}, name) : null, name ? " " : null, words);

  function branch(node, open) {
    const many = node.times || 1;
    const own = Object.entries(node.own).map(([name, { shape }]) => `${name} ${shape.join(" × ")}`);
    const label = [
      el("b", {}, many > 1 ? `${node.name}–${node.last}` : node.name || "model"),
      ` ${node.kind}${many > 1 ? ` × ${many}` : ""} `,
      el("small", {}, `${files.number(node.parameters * many)} parameters`),
      own.length ? el("code", {}, ` ${own.join("  ")}`) : null,
    ];
    if (!node.children.length) return el("div", { class: "f-leaf" }, ...label);
    const below = node.children.map((child) => branch(child, open - 1));
    return el("details", { open: open > 0 }, el("summary", {}, ...label), ...below);
  }

  models.tab({
    name: "architecture",
    label: "Architecture",
    shows: files.here,
    async draw(name, body) {
      const found = await app.post("model-architecture", { name });
      const printed = el("pre", { tabindex: "0", role: "region", "aria-label": "print(model)" }, found.printed);
      body.append(
        el("p", { class: "remark" }, `Built without its weights, from its configuration alone. ${found.note}`),
        facts(found),
        el("h3", {}, "What a block does"),
        el("ul", { class: "f-does" }, ...found.block.map(does)),
        el("h3", {}, "Modules"),
        el("div", { class: "f-tree" }, branch(found.tree, 3)),
        el("details", { class: "f-content" }, el("summary", {}, "As print(model) shows it"), printed),
      );
    },
  });
})();
