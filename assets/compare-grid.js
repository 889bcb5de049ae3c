/* A grid as the form of the page Compare has it: texts in fields; and as the server reads it, the mapping of a grid.yaml. */
(() => {
  const app = window.chatapp;
  const compare = { MOST_COLUMNS: 6 };
  app.compare = compare;

  const BASIC = { temperature: "0.7", top_p: "0.95", top_k: "50", max_tokens: "120" };
  compare.column = (name, settings = {}) => ({
    name,
    model: "",
    system: "",
    settings: { ...BASIC, ...settings },
    seed: "",
    stop: "",
    sweep: { name: "", values: "" },
  });

  compare.example = () => ({
    prompts: ["What is the capital of France?", "Describe the sea in one sentence.", "Name three fruits that are red."].join("\n"),
    list: null,
    from: "",
    variables: null,
    columns: [compare.column("cold", { temperature: "0" }), compare.column("hot", { temperature: "1.3" })],
    replicas: "1",
    checks: [],
    judge: "",
  });

  /* A number where it is one; else the text, which the server refuses with the limits. */
  const number = (text) => (Number.isFinite(Number(text)) ? Number(text) : text);
  const lines = (text) => text.split("\n").filter((line) => line.trim());
  const filled = (text) => text.trim() !== "";

  const WORDS = ["model", "system"];
  const values = ({ name, values: text }) =>
    WORDS.includes(name)
      ? lines(text).map((line) => line.trim())
      : text
          .split(/[\s,;]+/)
          .filter(filled)
          .map(number);

  function columnOf({ sweep, settings, seed, stop, ...column }) {
    const made = { name: column.name };
    const free = (name, text) => filled(text) && sweep.name !== name;
    for (const name of WORDS) if (free(name, column[name])) made[name] = column[name];
    for (const [name, text] of Object.entries(settings)) if (free(name, text)) made[name] = number(text);
    return Object.assign(
      made,
      filled(seed) && { seed: number(seed) },
      filled(stop) && { stop: lines(stop) },
      sweep.name && { sweep: { [sweep.name]: values(sweep) } },
    );
  }

  /* "10-200", "-200" and "10-" are lengths. */
  function lengthOf(text) {
    const [least, most] = text.split("-").map((part) => part.trim());
    const limits = {};
    if (least) limits.min = number(least);
    if (most) limits.max = number(most);
    return limits;
  }
  function checkOf({ kind, value }) {
    if (kind === "json") return { json: true };
    return { [kind]: kind === "length" ? lengthOf(value) : value };
  }

  compare.toGrid = (form) => {
    const grid = { prompts: form.list || lines(form.prompts).map((line) => line.trim()) };
    if (form.variables) grid.variables = form.variables;
    grid.columns = form.columns.map(columnOf);
    grid.replicas = number(form.replicas);
    if (form.checks.length) grid.assert = form.checks.map(checkOf);
    if (form.judge) grid.judge = form.judge;
    return grid;
  };

  /* Prompts that are one line of text each can be typed; others, with variables or assertions of their own, stay a list. */
  compare.promptsOf = (prompts) => {
    const typed = prompts.map((one) => (typeof one === "string" ? one : plainText(one)));
    return typed.every((text) => text !== null && !text.includes("\n"))
      ? { prompts: typed.join("\n"), list: null }
      : { prompts: "", list: prompts };
  };
  const plainText = ({ prompt, assert, variables }) => (assert || Object.keys(variables || {}).length ? null : prompt);

  function columnFrom(column) {
    const { name, model = "", system = "", seed = "", stop = [], sweep = {}, ...settings } = column;
    const texts = Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, String(value)]));
    const [swept = "", all = []] = Object.entries(sweep)[0] || [];
    const joined = all.join(WORDS.includes(swept) ? "\n" : ", ");
    return { name, model, system, settings: texts, seed: String(seed), stop: stop.join("\n"), sweep: { name: swept, values: joined } };
  }

  function checkFrom(check) {
    const [kind, value] = Object.entries(check)[0];
    if (kind === "json") return { kind, value: "" };
    return { kind, value: kind === "length" ? `${value.min ?? ""}-${value.max ?? ""}` : value };
  }

  compare.fromGrid = (grid, from = "") => ({
    ...compare.promptsOf(grid.prompts),
    from,
    variables: grid.variables || null,
    columns: grid.columns.map(columnFrom),
    replicas: String(grid.replicas ?? 1),
    checks: (grid.assert || []).map(checkFrom),
    judge: grid.judge || "",
  });

  /* A name that no other column has: "hot" → "hot 2". */
  compare.freeName = (name, columns) => {
    const taken = new Set(columns.map((column) => column.name));
    const stem = name.replace(/ \d+$/, "") || "column";
    let count = 2;
    if (!taken.has(name) && name) return name;
    while (taken.has(`${stem} ${count}`)) count++;
    return `${stem} ${count}`;
  };

  /* The first word of a text that another has not in its place: [from, to]; null where it has ended, or where they are the same. Lists and
     paragraphs have spaces of their own, so that words are compared, not characters. */
  compare.leaves = (text, other) => {
    const theirs = other.match(/\S+/g) || [];
    const word = [...text.matchAll(/\S+/g)].find((mine, place) => mine[0] !== theirs[place]);
    return word ? [word.index, word.index + word[0].length] : null;
  };
})();
