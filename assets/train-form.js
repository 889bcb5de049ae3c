/* The page Train: the form of a recipe. Its fields and the recipe.yaml beside them are the same: each is made of the other,
   by the server. */
(() => {
  const app = window.chatapp;
  const { train, el } = app;
  const FILES = ".txt,.jsonl,.csv";
  const OWN = "own";
  const FIRST = { preset: "two-minutes", corpus: "sotu" };

  let place = "";
  let form = { recipe: {}, text: "", named: false };
  let wrong = "";
  let turn = Promise.resolve();
  let read = { of: "", words: "", refused: "" };
  const keep = () => app.store.set(place, { text: form.text, named: form.named });

  /* What was typed before, where it still can be read; else the first preset. */
  train.recall = async (login) => {
    place = login ? `${login}.train` : "train";
    const kept = app.store.get(place);
    form.named = Boolean(kept?.named);
    try {
      await ask(kept?.text ? { text: kept.text } : { recipe: FIRST });
    } catch (error) {
      if (!kept?.text) throw error;
      await ask({ recipe: FIRST });
    }
  };

  async function ask(asked) {
    const { recipe, text } = await app.post("train-recipe", asked);
    Object.assign(form, { recipe, text });
    keep();
  }

  const refuse = (words) => app.refuse(app.$("#r-error"), words);

  /* The server is asked, one change after the other, and the answer is drawn. What is refused stays as it was typed, and nothing begins. */
  function changed(asked) {
    turn = turn.then(async () => {
      try {
        await ask(asked());
        wrong = "";
        redraw();
      } catch (error) {
        wrong = error.message;
      }
      refuse(wrong);
    });
    return turn;
  }

  const area = () => app.$(".r-yaml");
  const untold = (input) => input.value !== input.defaultValue;
  /* What was typed is kept with what was refused before it. A file that was refused is repaired first. */
  const edit = (more) => changed(() => (untold(area()) ? { text: area().value } : recipeWith(more())));
  /* A name that was made of corpus and preset is made anew with them. */
  function recipeWith(more) {
    form.recipe = { ...form.recipe, ...more };
    const { name, ...rest } = form.recipe;
    return { recipe: form.named ? { name, ...rest } : rest };
  }
  const set = (name, value) => edit(() => ({ [name]: value }));
  const setShape = (name, value) => edit(() => ({ model: { ...form.recipe.model, [name]: value } }));

  const { field, card } = train;
  const typed = (value, heard, more = {}) => {
    const input = el("input", { type: "text", value: value ?? "", autocomplete: "off", spellcheck: "false", ...more });
    input.addEventListener("change", () => {
      input.defaultValue = input.value;
      heard(input.value.trim());
    });
    return input;
  };
  /* What is no number is handed on as it was typed, for the server to refuse. */
  const number = (words) => (words !== "" && Number.isFinite(Number(words)) ? Number(words) : words);
  const numeric = (name) => typed(form.recipe[name], (words) => set(name, number(words)), { inputmode: "decimal" });
  const shape = (name) => typed(form.recipe.model[name], (words) => setShape(name, number(words)), { inputmode: "numeric" });

  function choice(options, value, heard) {
    const select = el("select", {}, ...options.map(([name, words]) => el("option", { value: name, selected: name === value }, words)));
    select.addEventListener("change", () => heard(select.value));
    return select;
  }

  const PRESETS = { "two-minutes": "two minutes", tutorial: "the tutorial's", overnight: "overnight" };
  const CORPORA = { sotu: "State of the Union speeches", "wikitext-2": "WikiText-2 (Hub)" };
  const named = (corpus) => (train.offered.corpora.includes(corpus) ? corpus : OWN);

  async function upload(file) {
    if (!file) return;
    refuse("");
    try {
      await set("corpus", (await train.upload(file)).path);
    } catch (error) {
      refuse(error.message);
    }
  }

  function corpus() {
    const now = form.recipe.corpus;
    const options = [...train.offered.corpora.map((name) => [name, CORPORA[name] ?? name]), [OWN, "my own file"]];
    const path = typed(named(now) === OWN ? [now].flat().join(", ") : "", (words) => words && set("corpus", paths(words)), {
      placeholder: "/home/me/speeches.txt",
    });
    const rows = named(now) === OWN && ![now].flat().every((one) => one.endsWith(".txt"));
    const column = rows
      ? field(
          "Column with the text",
          typed(form.recipe.column, (words) => set("column", words)),
        )
      : "";
    const said = el("p", { class: "r-hint r-read", role: "status" });
    const parts = [field("Its path on this machine", path), ...chooser(), column, said];
    const own = el("div", { class: "r-own", hidden: named(now) !== OWN }, ...parts);
    const select = choice(options, named(now), (name) => {
      own.hidden = name !== OWN;
      if (name === OWN) path.focus();
      else set("corpus", name);
    });
    return [field("Corpus", select), own];
  }

  /* What the files hold, or why they cannot be trained on: said as soon as they are named. */
  async function look() {
    const { corpus: files, column } = form.recipe;
    const of = JSON.stringify([files, column]);
    if (named(files) === OWN && read.of !== of) {
      read = { of, words: "Reading it …", refused: "" };
      const done = await app.post("train-corpus", { text: form.text }).catch((error) => ({ refused: error.message }));
      if (read.of === of) read = { of, words: "", refused: "", ...done };
    }
    const box = app.$(".r-read");
    if (!box) return;
    box.className = read.refused ? "refusal r-read" : "r-hint r-read";
    box.textContent = read.of === of ? read.refused || read.words : "";
  }

  const paths = (words) => {
    const found = words
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean);
    return found.length > 1 ? found : found[0];
  };

  function chooser() {
    const input = el("input", { type: "file", accept: FILES, hidden: true, "aria-label": "A file to train on" });
    input.addEventListener("change", () => upload(input.files[0]));
    return [input, el("button", { type: "button", class: "act", on: { click: () => input.click() } }, "Upload .txt, .jsonl, .csv")];
  }

  function tokenizer() {
    const now = form.recipe.tokenizer;
    const own = typeof now === "object";
    const options = [
      ["train", "trained on the corpus"],
      ["gpt2", "GPT-2's"],
      ["auto", "GPT-2's where it can be had"],
    ];
    if (!own && !["gpt2", "auto"].includes(now)) options.push([now, now]);
    const select = choice(options, own ? "train" : now, (name) => set("tokenizer", name === "train" ? { train: 2048 } : name));
    const entries = typed(now.train, (words) => set("tokenizer", { train: number(words) }), { inputmode: "numeric" });
    const megabytes = field("Megabytes, 0 for all", numeric("megabytes"));
    return [field("Tokenizer", select), megabytes, own ? field("Its entries", entries) : null];
  }

  function lengths() {
    const steps = form.recipe.max_steps > 0;
    const one = steps ? "max_steps" : "num_train_epochs";
    const select = choice(
      [
        ["num_train_epochs", "epochs"],
        ["max_steps", "steps"],
      ],
      one,
      (name) => set("max_steps", name === "max_steps" ? 200 : -1),
    );
    return [
      field("How long, in", select),
      field(steps ? "Steps" : "Epochs", numeric(one)),
      field("Minutes, 0 for no end", numeric("max_minutes")),
    ];
  }

  function fields() {
    const presets = train.offered.presets.map((name) => [name, PRESETS[name] ?? name]);
    const preset = choice(presets, form.recipe.preset, (name) =>
      changed(() => {
        const { corpus: files, column, name: called } = form.recipe;
        return { recipe: { preset: name, corpus: files, column, ...(form.named ? { name: called } : {}) } };
      }),
    );
    const name = typed(form.recipe.name, (words) => {
      form.named = words !== "";
      set("name", words);
    });
    const rows = choice(
      [
        ["true", "packed blocks"],
        ["false", "padded rows, as in the tutorial"],
      ],
      String(form.recipe.packed),
      (value) => set("packed", value === "true"),
    );
    const batch = field("Batch", numeric("per_device_train_batch_size"));
    return [
      card("What it reads", field("Preset", preset), field("Name", name), corpus(), tokenizer()),
      card("The model", field("Layers", shape("n_layer")), field("Heads", shape("n_head")), field("Width", shape("n_embd"))),
      card("How it learns", lengths(), batch, field("Learning rate", numeric("learning_rate")), field("Rows", rows)),
    ];
  }

  function recipeBox() {
    const box = el("textarea", { rows: 12, spellcheck: "false", "aria-label": "recipe.yaml", class: "r-yaml" });
    box.addEventListener("change", () => {
      form.named = true;
      changed(() => ({ text: box.value }));
    });
    const about = "Everything else: this recipe.yaml is the same recipe, and takes every TrainingArgument by its name.";
    return el("details", { class: "r-recipe" }, el("summary", {}, "recipe.yaml"), el("p", { class: "r-hint" }, about), box);
  }

  /* What is still on its way is read first; what was refused begins nothing. */
  async function begin(event) {
    event.preventDefault();
    const start = app.$("button[type=submit]", event.target);
    start.disabled = true;
    await turn;
    try {
      if (wrong) throw new Error(wrong);
      const { id } = await app.post("train-begin", { text: form.text });
      app.tell("look");
      location.hash = id;
    } catch (error) {
      refuse(error.message);
    }
    start.disabled = false;
  }

  async function plan() {
    await turn;
    if (wrong) refuse(wrong);
    else train.plan("train-plan", { text: form.text }, train.planDrawn, refuse);
  }

  train.edit = ({ recipe, text }) => {
    form = { recipe, text, named: false };
    keep();
    train.choose("train");
    location.hash = "";
  };

  /* A field that is being typed in is left alone: it tells of itself when it is left. */
  function redraw() {
    const now = document.activeElement;
    const cards = app.$(".r-cards");
    if (!cards) return;
    if (!(cards.contains(now) && now.matches("input[type=text]") && untold(now))) {
      cards.replaceChildren(...fields());
      if (now.id) document.getElementById(now.id)?.focus();
    }
    if (now !== area() || !untold(now)) area().value = form.text;
    area().defaultValue = form.text;
    look();
  }

  train.drawForm = () => {
    const error = el("p", { id: "r-error", class: "refusal", role: "alert", hidden: true });
    const look = el("button", { type: "button", class: "act", on: { click: plan } }, "Look and plan");
    const start = el("button", { type: "submit", class: "act primary" }, "Start");
    const about = el("span", { class: "r-hint" }, "The plan says what it takes before anything begins.");
    const parts = [el("div", { class: "r-cards" }), recipeBox(), error];
    const row = el("div", { class: "r-row" }, look, start, about);
    app.$("#r-new").replaceChildren(el("form", { id: "r-form", on: { submit: begin } }, ...parts, row, el("section", { id: "r-plan" })));
    wrong = "";
    redraw();
  };
})();
