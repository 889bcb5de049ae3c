/* The page Compare: the form in which a grid is made. What it holds is kept in the browser with every letter. */
(() => {
  const app = window.chatapp;
  const { compare, el } = app;
  const KINDS = ["contains", "regex", "json", "length", "equals"];
  const HINTS = { contains: "Paris", regex: "^[A-Z]", length: "10-400 characters", equals: "Paris." };
  const FILES = ".txt,.csv,.jsonl,.yaml,.yml";

  /* A browser may serve several logins: what one typed is not shown to the next. */
  let place = "";
  compare.recall = (login) => {
    place = login ? `${login}.compare` : "compare";
    compare.form = app.store.get(place) || compare.example();
  };
  compare.changed = () => app.store.set(place, compare.form);

  const heading = (words, about) => el("h2", {}, words, about ? el("small", {}, about) : null);
  const act = (words, click, kind = "act") => el("button", { type: "button", class: kind, on: { click } }, words);

  compare.fill = (form) => {
    compare.form = form;
    compare.changed();
    compare.drawForm();
  };

  compare.refuse = (words) => app.refuse(app.$("#c-error"), words);

  /* What a file holds takes the place of the prompts, or of the whole form. */
  async function open(file) {
    if (!file) return;
    compare.refuse("");
    const button = app.$("#c-run");
    button.disabled = true; // what is in the form is not what was chosen
    try {
      const { grid } = await app.post("compare-open", { name: file.name, text: await file.text() });
      if (grid.columns) compare.fill(compare.fromGrid(grid, file.name));
      else compare.fill({ ...compare.form, ...compare.promptsOf(grid.prompts), from: file.name });
      app.toast(`${file.name} is open.`);
    } catch (error) {
      compare.refuse(error.message);
    }
    button.disabled = false;
  }

  function chooser() {
    const input = el("input", { type: "file", accept: FILES, hidden: true, "aria-label": "A list of prompts or a grid" });
    input.addEventListener("change", () => open(input.files[0]));
    return [input, act("Open a file", () => input.click())];
  }

  function dropped(node) {
    const over = (on) => (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      node.classList.toggle("over", on);
      if (event.type === "drop") open(event.dataTransfer.files[0]);
    };
    for (const [name, on] of [
      ["dragover", true],
      ["dragleave", false],
      ["drop", false],
    ])
      node.addEventListener(name, over(on));
    return node;
  }

  /* Prompts with variables or assertions of their own are shown, and changed in their file. */
  function listed(form) {
    const rows = form.list.slice(0, 5).map((one) => el("li", {}, one.prompt ?? one));
    const rest = form.list.length - rows.length;
    const typed = act("Type prompts instead", () => compare.fill({ ...form, list: null, from: "" }));
    const words = `${form.list.length} prompts${form.from ? ` from ${form.from}` : ""}`;
    return el(
      "div",
      { class: "c-list" },
      el("p", {}, words),
      el("ol", {}, ...rows),
      rest > 0 ? el("p", {}, `and ${rest} more`) : null,
      typed,
    );
  }

  function prompts(form) {
    const area = el("textarea", { rows: 4, name: "prompts", placeholder: "What is the capital of France?" });
    const box = form.list ? listed(form) : compare.field("One prompt a line", area, form, "prompts");
    const hint = el(
      "p",
      { class: "c-hint" },
      "Or drop a .txt, .csv or .jsonl here: a line each, a column named prompt, others for {{variables}}. ",
    );
    const rows = form.variables?.length;
    const away = act("Remove", () => compare.fill({ ...form, variables: null }));
    const variables = rows
      ? el("p", { class: "c-hint" }, `${rows} rows of variables: ${Object.keys(form.variables[0]).join(", ")} `, away)
      : null;
    return dropped(
      el("section", { class: "c-prompts" }, heading("Prompts"), box, variables, el("div", { class: "c-row" }, ...chooser(), hint)),
    );
  }

  function columns(form) {
    const add = (column) => {
      form.columns.push({ ...column, name: compare.freeName(column.name, form.columns) });
      compare.fill(form);
      app.$(".c-card:last-of-type input")?.focus();
    };
    const card = (column) =>
      compare.card(
        column,
        {
          copy: () => (full ? null : add(structuredClone(column))),
          remove: () => compare.fill({ ...form, columns: form.columns.filter((other) => other !== column) }),
        },
        form.columns.length === 1,
      );
    const full = form.columns.length >= compare.MOST_COLUMNS;
    const more = act("Add a column", () => add(compare.column("column")));
    more.disabled = full;
    const about = "each answers every prompt, with the same random numbers";
    return el("section", {}, heading("Columns", about), el("div", { class: "c-cards" }, ...form.columns.map(card)), more);
  }

  function check(form, one) {
    const kind = el("select", { "aria-label": "Kind of check" }, ...KINDS.map((name) => el("option", { value: name }, name)));
    const value = el("input", { type: "text", "aria-label": "What is checked for", placeholder: HINTS[one.kind] || "" });
    kind.value = one.kind;
    value.value = one.value;
    value.hidden = one.kind === "json";
    kind.addEventListener("change", () => {
      one.kind = kind.value;
      compare.fill(form);
    });
    value.addEventListener("input", () => {
      one.value = value.value;
      compare.changed();
    });
    const away = app.button("Remove this check", "close", () =>
      compare.fill({ ...form, checks: form.checks.filter((other) => other !== one) }),
    );
    return el("div", { class: "c-check" }, kind, value, away);
  }

  function checks(form) {
    const add = () => compare.fill({ ...form, checks: [...form.checks, { kind: "contains", value: "" }] });
    const replicas = compare.field("Replies per cell", el("input", { type: "text", inputmode: "numeric" }), form, "replicas");
    const rows = form.checks.map((one) => check(form, one));
    const both = el("div", { class: "c-each" }, replicas, compare.judge(form));
    return el("section", {}, heading("Checks", "what every reply must pass"), ...rows, act("Add a check", add), both);
  }

  async function run(event) {
    event.preventDefault();
    compare.refuse("");
    const button = app.$("#c-run");
    button.disabled = true;
    try {
      const { id } = await app.post("compare-begin", { grid: compare.toGrid(compare.form) });
      location.hash = id;
    } catch (error) {
      compare.refuse(error.message);
    }
    button.disabled = false;
  }

  async function save() {
    try {
      const { yaml } = await app.post("compare-grid", { grid: compare.toGrid(compare.form) });
      const url = URL.createObjectURL(new Blob([yaml], { type: "application/yaml" }));
      el("a", { href: url, download: "grid.yaml" }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    } catch (error) {
      compare.refuse(error.message);
    }
  }

  compare.drawForm = () => {
    const { form } = compare;
    const made = el("form", { id: "c-form", on: { submit: run } });
    const fresh = () =>
      app.ask("Empty the form? What it holds is lost.", [{ text: "Empty it", run: () => compare.fill(compare.example()) }]);
    const buttons = [act("Save grid.yaml", save), act("Start over", fresh)];
    const error = el("p", { id: "c-error", class: "refusal", role: "alert", hidden: true });
    const foot = el("div", { class: "c-row" }, el("button", { type: "submit", id: "c-run", class: "act primary" }, "Run"), ...buttons);
    made.append(prompts(form), columns(form), checks(form), error, foot);
    app.$("#c-form")?.replaceWith(made);
    return made;
  };
})();
