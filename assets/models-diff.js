/* The tab Compare: two models' sizes, configurations and chat templates; only what differs. */
(() => {
  const app = window.chatapp;
  const { models, el } = { models: app.models, el: app.el };
  const { files } = models;
  const label = (name) => models.local(name)?.label || name;

  function table(title, rows, one, other) {
    if (!rows.length) return null;
    const head = el("tr", {}, ...["", label(one), label(other)].map((words) => el("th", { scope: "col" }, words)));
    const row = ({ key, one: a, other: b, words }) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, key, words ? el("small", {}, words) : null),
        el("td", {}, el("code", {}, a || "—")),
        el("td", {}, el("code", {}, b || "—")),
      );
    const all = el("table", { class: "f-lines f-two" }, el("thead", {}, head), el("tbody", {}, ...rows.map(row)));
    return el("section", { class: "f-part" }, el("h4", {}, title), el("div", { class: "f-scroll" }, all));
  }

  const NAMES = { "+": "added", "-": "removed", " ": null };
  function template(rows) {
    if (!rows.length) return null;
    const line = ({ sign, text }) => el("span", { class: NAMES[sign] }, `${sign} ${text}\n`);
    return el("section", { class: "f-part" }, el("h4", {}, "Chat template"), el("pre", { class: "f-diff" }, ...rows.map(line)));
  }

  function difference(found, one, other) {
    const parts = [
      ...found.problems.map((words) => el("p", { class: "refusal" }, words)),
      found.note ? el("p", { class: "remark" }, found.note) : null,
      table("Sizes", found.sizes, one, other),
      table("Configuration", found.keys, one, other),
      template(found.template),
    ].filter(Boolean);
    return parts.length ? parts : [el("p", {}, "Sizes, configuration and chat template are alike.")];
  }

  models.tab({
    name: "compare",
    label: "Compare",
    shows: (name) => files.here(name) && models.now.here.length > 1,
    draw(name, body) {
      const others = models.now.here.filter((row) => row.name !== name);
      const choice = el("select", {}, ...others.map((row) => el("option", { value: row.name }, row.label)));
      const place = el("div", { "aria-live": "polite" });
      const run = async () => {
        place.replaceChildren(el("p", { class: "remark" }, "Reading …"));
        try {
          place.replaceChildren(...difference(await app.post("model-diff", { name, other: choice.value }), name, choice.value));
        } catch (error) {
          place.replaceChildren(el("p", { class: "refusal", role: "alert" }, error.message));
        }
      };
      choice.addEventListener("change", run);
      body.append(el("label", { class: "f-with" }, "With ", choice), place);
      run();
    },
  });
})();
