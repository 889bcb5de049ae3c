/* The tensors of a model by block: parameters as bars, and each tensor's shape when a block is opened. */
(() => {
  const app = window.chatapp;
  const { models, el } = { models: app.models, el: app.el };
  const { files } = models;

  const named = ({ name, first, last, times }) => {
    if (first === null) return name;
    return times > 1 ? `${name} ${first}–${last} (${times} alike)` : `${name} ${first}`;
  };

  function group(one, all) {
    const total = one.parameters * one.times;
    const each = one.times > 1 ? `, ${files.number(one.parameters)} each` : "";
    const words = `${files.number(total)} parameters${each} · ${files.bytes(one.bytes * one.times)}`;
    const bar = el("meter", { min: "0", max: "1", value: total / all, "aria-label": `Share of all parameters: ${named(one)}` });
    const head = el("summary", {}, el("b", {}, named(one)), el("small", {}, words), bar);
    const row = ({ name, shape, dtype }) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, name),
        el("td", {}, shape.map(files.number).join(" × ") || "one number"),
        el("td", {}, dtype),
      );
    return el("details", {}, head, el("table", {}, el("tbody", {}, ...one.tensors.map(row))));
  }

  files.tensors = (table) => {
    const kinds = Object.entries(table.dtypes).map(([dtype, count]) => `${files.number(count)} ${dtype}`);
    const counts = `${files.number(table.count)} tensors, ${files.number(table.parameters)} parameters`;
    const words = `${counts} in ${files.bytes(table.bytes)}: ${kinds.join(", ")}.`;
    const groups = table.groups.map((one) => group(one, table.parameters || 1));
    return el("section", { class: "f-part" }, el("h4", {}, "Tensors of all files"), el("p", { class: "remark" }, words), ...groups);
  };
})();
