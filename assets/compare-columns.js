/* The page Compare: the card of one column in the form. */
(() => {
  const app = window.chatapp;
  const { compare, el } = app;
  const STATES = { true: "", false: " (is loaded first)", null: " (not known here)" };
  let many = 0;

  /* A field with its label, kept in step with the form's values. `owner[key]` is a text. */
  compare.field = (label, input, owner, key, help = "") => {
    many += 1;
    input.id = `c-field-${many}`;
    input.value = owner[key] ?? "";
    input.addEventListener("input", () => {
      owner[key] = input.value;
      compare.changed();
    });
    return el("div", { class: "c-field", title: help || null }, el("label", { for: input.id }, label), input);
  };
  const text = (more = {}) => el("input", { type: "text", autocomplete: "off", ...more });
  const area = (more = {}) => el("textarea", { rows: 2, spellcheck: "false", ...more });

  function models(column) {
    const known = compare.models.some((model) => model.name === column.model);
    const other = known || !column.model ? [] : [{ name: column.model, label: column.model, loaded: null }];
    const options = [...compare.models, ...other].map(({ name, label, loaded }) =>
      el("option", { value: name }, app.brief(label) + STATES[loaded]),
    );
    return compare.field("Model", el("select", {}, ...options), column, "model");
  }

  /* A model is named in full: "" is none here, where a column's "" is the first one. */
  compare.judge = (form) => {
    const here = compare.models.map(({ name, label, loaded }) => ({ name: name || label, label, loaded }));
    const known = !form.judge || here.some((model) => model.name === form.judge);
    const other = known ? [] : [{ name: form.judge, label: form.judge, loaded: null }];
    const options = [...here, ...other].map(({ name, label, loaded }) => el("option", { value: name }, app.brief(label) + STATES[loaded]));
    const select = el("select", {}, el("option", { value: "" }, "none"), ...options);
    return compare.field("Judged by", select, form, "judge", "A model that reads every reply after it ended: perplexity and entropy");
  };

  const setting = (column) => (param) =>
    compare.field(
      param.label,
      text({ inputmode: "decimal", placeholder: String(param.default) }),
      column.settings,
      param.name,
      `${param.minimum} to ${param.maximum}. ${param.help}`,
    );

  function more(column) {
    const params = app.sampling.filter((param) => !param.basic);
    const used = params.some((param) => ![undefined, "", String(param.default)].includes(column.settings[param.name]));
    const seed = compare.field("Seed", text({ inputmode: "numeric", placeholder: "the prompt’s own" }), column, "seed");
    const stop = compare.field("Stop strings, one a line", area(), column, "stop");
    const fields = el("div", { class: "c-numbers" }, ...params.map(setting(column)), seed);
    return el("details", { open: used || !!column.seed || !!column.stop }, el("summary", {}, "More settings"), fields, stop);
  }

  function sweep(column) {
    const box = el("div", { class: "c-values" });
    const settings = app.sampling.map(({ name, label }) => el("option", { value: name }, label));
    const words = [el("option", { value: "model" }, "Model"), el("option", { value: "system" }, "System prompt")];
    const select = el("select", {}, el("option", { value: "" }, "nothing"), ...settings, ...words);
    const draw = () => {
      const { name } = column.sweep;
      const many = name === "model" || name === "system";
      const input = many ? area() : text({ placeholder: "0, 0.5, 1, 1.5" });
      box.replaceChildren(name ? compare.field(many ? "Values, one a line" : "Values", input, column.sweep, "values") : "");
    };
    const field = compare.field("Vary", select, column.sweep, "name", "A column for each value of one setting");
    select.addEventListener("change", draw);
    draw();
    return el("div", { class: "c-sweep" }, field, box);
  }

  /* `does` holds what its buttons do. */
  compare.card = (column, does, alone) => {
    const name = compare.field("Name", text({ maxlength: 60 }), column, "name");
    const copy = app.button(`Copy column ${column.name}`, "copy", does.copy);
    const away = app.button(`Remove column ${column.name}`, "trash", does.remove);
    away.disabled = alone;
    const basic = app.sampling.filter((param) => param.basic).map(setting(column));
    return el(
      "fieldset",
      { class: "c-card", "aria-label": `Column ${column.name}` },
      el("div", { class: "c-card-head" }, name, copy, away),
      models(column),
      compare.field("System prompt", area(), column, "system"),
      el("div", { class: "c-numbers" }, ...basic),
      sweep(column),
      more(column),
    );
  };
})();
