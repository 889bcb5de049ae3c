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
  const keep = () => app.store.set(place, { text: form.text, named: form.named });

  /* What was typed before, where it still can be read; else the first preset. */
  train.recall = async (login) => {
    place = login ? `${login}.train` : "train";
    const kept = app.store.get(place);
    form.named = Boolean(kept?.named);
    try {
      await read(kept?.text ? { text: kept.text } : { recipe: FIRST });
    } catch (error) {
      if (!kept?.text) throw error;
      await read({ recipe: FIRST });
    }
  };

  async function read(asked) {
    const { recipe, text } = await app.post("train-recipe", asked);
    Object.assign(form, { recipe, text });
    keep();
  }

  const refuse = (words) => {
    const box = app.$("#r-error");
    box.textContent = words;
    box.hidden = !words;
    if (words) box.scrollIntoView({ block: "nearest" });
  };

  /* Ask the server what comes of it, and draw all of it anew; what is refused stays as it was typed. */
  async function changed(asked) {
    refuse("");
    try {
      await read(asked);
      train.drawForm();
    } catch (error) {
      refuse(error.message);
    }
  }

  /* A name that was made of corpus and preset is made anew with them. */
  const recipeWith = (more) => {
    const { name, ...rest } = { ...form.recipe, ...more };
    return { recipe: form.named || "name" in more ? { name, ...rest } : rest };
  };
  const set = (name, value) => changed(recipeWith({ [name]: value }));
  const setShape = (name, value) => set("model", { ...form.recipe.model, [name]: value });

  const field = (words, input, hint) => {
    const id = `r-field-${words.replaceAll(/\W+/g, "-")}`;
    input.id = id;
    return el("div", { class: "r-field" }, el("label", { for: id }, words), input, hint ? el("small", {}, hint) : null);
  };
  const typed = (value, heard, more = {}) => {
    const input = el("input", { type: "text", value: value ?? "", autocomplete: "off", spellcheck: "false", ...more });
    input.addEventListener("change", () => heard(input.value.trim()));
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
      const asked = new URLSearchParams({ name: file.name, session: app.session });
      const answer = await fetch(`ui/train-upload?${asked}`, { method: "POST", body: file });
      const said = await answer.json();
      if (!answer.ok) throw new Error(said.error?.message ?? "The file was not taken.");
      await changed(recipeWith({ corpus: said.path }));
      app.toast(`${file.name} is there.`);
    } catch (error) {
      refuse(error.message);
    }
  }

  function corpus() {
    const now = form.recipe.corpus;
    const options = [...train.offered.corpora.map((name) => [name, CORPORA[name] ?? name]), [OWN, "my own file"]];
    const path = typed(named(now) === OWN ? [now].flat().join(", ") : "", (words) => words && set("corpus", paths(words)), {
      placeholder: "/home/me/speeches.txt",
      class: "wide",
    });
    const own = el("div", { class: "r-own", hidden: named(now) !== OWN }, field("its path on this machine", path), ...chooser());
    const select = choice(options, named(now), (name) => {
      own.hidden = name !== OWN;
      if (name === OWN) path.focus();
      else set("corpus", name);
    });
    return [field("Corpus", select), own];
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
    return [input, el("button", { type: "button", class: "act", on: { click: () => input.click() } }, "or upload .txt, .jsonl, .csv")];
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
    return [field("Tokenizer", select), own ? field("its entries", entries) : null];
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
      (name) => changed(recipeWith(name === "max_steps" ? { max_steps: 200 } : { max_steps: -1 })),
    );
    return [
      field("How long, in", select),
      field(steps ? "Steps" : "Epochs", numeric(one)),
      field("Minutes at most", numeric("max_minutes")),
    ];
  }

  const card = (words, ...fields) =>
    el("fieldset", { class: "r-card" }, el("legend", {}, words), ...fields.flat().filter((one) => one !== null));

  function fields() {
    const presets = train.offered.presets.map((name) => [name, PRESETS[name] ?? name]);
    const preset = choice(presets, form.recipe.preset, (name) => {
      const { corpus: text, name: called } = form.recipe;
      changed({ recipe: { preset: name, corpus: text, ...(form.named ? { name: called } : {}) } });
    });
    const name = typed(form.recipe.name, (words) => {
      form.named = words !== "";
      changed(recipeWith(words ? { name: words } : {}));
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
    const area = el("textarea", { rows: 12, spellcheck: "false", "aria-label": "recipe.yaml", class: "r-yaml" });
    area.value = form.text;
    area.addEventListener("change", () => {
      form.named = true;
      changed({ text: area.value });
    });
    const about = "Everything else: this recipe.yaml is the same recipe, and takes every TrainingArgument by its name.";
    const open = app.$(".r-recipe")?.open ?? false;
    return el("details", { class: "r-recipe", open }, el("summary", {}, "recipe.yaml"), el("p", { class: "r-hint" }, about), area);
  }

  /* Fields that are being typed in are read first. */
  async function begin(event) {
    event.preventDefault();
    refuse("");
    try {
      const { id } = await app.post("train-begin", { text: app.$(".r-yaml").value });
      app.tell("look");
      location.hash = id;
    } catch (error) {
      refuse(error.message);
    }
  }

  train.edit = ({ recipe, text }) => {
    form = { recipe, text, named: false };
    keep();
    location.hash = "";
  };

  train.drawForm = () => {
    const made = el("form", { id: "r-form", on: { submit: begin } });
    const focused = document.activeElement?.id;
    const error = el("p", { id: "r-error", class: "refusal", role: "alert", hidden: true });
    const plan = el("button", { type: "button", class: "act", on: { click: () => train.plan(form.text, refuse) } }, "Look and plan");
    const start = el("button", { type: "submit", class: "act primary" }, "Start");
    const about = el("span", { class: "r-hint" }, "The plan says what it takes before anything begins.");
    made.append(el("h2", {}, "A new run"), el("div", { class: "r-cards" }, ...fields()), recipeBox(), error);
    made.append(el("div", { class: "r-row" }, plan, start, about), app.$("#r-plan") ?? el("section", { id: "r-plan" }));
    app.$("#r-form")?.replaceWith(made);
    if (focused) document.getElementById(focused)?.focus();
    return made;
  };
})();
