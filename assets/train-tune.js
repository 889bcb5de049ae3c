/* The page Train: the form that fine-tunes a chat model: which, on what, and how; and its plan. */
(() => {
  const app = window.chatapp;
  const { train, el } = app;
  const FILES = ".jsonl,.csv";
  const form = { model: "", files: "", chats: new Set(), lesson: {}, name: "", merge: false };
  let offered = null;
  let read = 0;

  const refuse = (words) => app.refuse(app.$("#r-error"), words);

  const paths = () =>
    form.files
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean);
  const asked = () => ({ ...form, files: paths(), chats: [...form.chats] });

  const typed = (value, heard, more = {}) => {
    const input = el("input", { type: "text", value, autocomplete: "off", spellcheck: "false", ...more });
    input.addEventListener("input", () => heard(input.value.trim()));
    return input;
  };
  const number = (name) =>
    typed(form.lesson[name], (words) => {
      form.lesson[name] = words;
    });

  function models() {
    const option = ({ name, label, refused }) =>
      el("option", { value: name, disabled: Boolean(refused), selected: name === form.model }, label);
    const select = el("select", {}, ...offered.models.map(option));
    select.addEventListener("change", () => {
      form.model = select.value;
    });
    const unable = offered.models.filter(({ refused }) => refused);
    const why = unable.map(({ label, refused }) => el("li", {}, el("b", {}, label), ` ${refused}`));
    const others = el("details", { class: "r-wide" }, el("summary", {}, `${unable.length} cannot be fine-tuned`), el("ul", {}, ...why));
    const about = "A GGUF is read as the folder of safetensors that the app makes of it; on a CPU everything learns in float32.";
    return [train.field("Model to fine-tune", select), el("p", { class: "r-hint r-wide" }, about), unable.length ? others : null];
  }

  async function upload(file, input) {
    if (!file) return;
    refuse("");
    try {
      form.files = (await train.upload(file)).path;
      input.value = form.files;
      look();
    } catch (error) {
      refuse(error.message);
    }
  }

  function files() {
    const input = typed(form.files, (words) => {
      form.files = words;
    });
    input.placeholder = "/home/me/pairs.jsonl";
    input.addEventListener("change", look);
    const chosen = el("input", { type: "file", accept: FILES, hidden: true, "aria-label": "A file of pairs" });
    chosen.addEventListener("change", () => upload(chosen.files[0], input));
    const button = el("button", { type: "button", class: "act", on: { click: () => chosen.click() } }, "Upload .jsonl, .csv");
    const about = 'Lines of {"prompt": "…", "reply": "…"} or {"messages": […]}; or the columns prompt and reply.';
    const parts = [train.field("File of pairs on this machine", input), el("p", { class: "r-hint" }, about), chosen, button];
    return el("div", { class: "r-own" }, ...parts);
  }

  /* One's own conversations, each with the number of replies that would be learned. */
  function chats() {
    const line = ({ id, title, replies }) => {
      const box = el("input", { type: "checkbox", checked: form.chats.has(id) });
      box.addEventListener("change", () => {
        if (box.checked) form.chats.add(id);
        else form.chats.delete(id);
        look();
      });
      return el("label", {}, box, el("span", {}, title), el("small", {}, replies === 1 ? "1 reply" : `${replies} replies`));
    };
    const list = offered.chats.length
      ? offered.chats.map(line)
      : [el("p", { class: "r-hint" }, "You have no conversation with a whole reply yet.")];
    const seen = offered.chats.length && offered.seen ? el("p", { class: "r-hint" }, offered.seen) : null;
    return el("fieldset", { class: "r-chats r-wide" }, el("legend", {}, "And your own conversations"), seen, ...list);
  }

  /* What the files and conversations hold, or why they cannot be learned. */
  async function look() {
    read += 1;
    const turn = read;
    const box = app.$(".r-read");
    const { files: names, chats: ids } = asked();
    const said =
      names.length || ids.length
        ? await app.post("tune-read", { files: names, chats: ids }).catch((error) => ({ refused: error.message }))
        : {};
    if (turn !== read || !box.isConnected) return;
    box.className = said.refused ? "refusal r-read r-wide" : "r-hint r-read r-wide";
    box.textContent = said.refused ?? (said.words ? `${said.words} to learn from; a tenth is held out.` : "");
  }

  function cards() {
    const merge = el("input", { type: "checkbox", checked: form.merge });
    merge.addEventListener("change", () => {
      form.merge = merge.checked;
    });
    const name = typed(form.name, (words) => {
      form.name = words;
    });
    const said = el("p", { class: "r-hint r-read r-wide", role: "status" });
    const rank = train.field("Rank of the adapter", number("rank"));
    const rate = train.field("Learning rate", number("learning_rate"));
    const minutes = train.field("Minutes, 0 for no end", number("max_minutes"));
    const whole = el("label", { class: "r-check r-wide" }, merge, " write the whole model at the end, too");
    return [
      train.card("What learns", ...models(), train.field("Name", name)),
      train.card("What it learns", files(), chats(), said),
      train.card("How it learns", train.field("Epochs", number("epochs")), rank, rate, minutes, whole),
    ];
  }

  const part = (token) =>
    el("span", { title: `token ${token.id}`, class: token.learned ? "learned" : null }, token.text.replaceAll("\n", "⏎\n"));

  function drawn({ plan, refused }) {
    const { rows, notes } = plan;
    const facts = [
      ["chats", `${train.count(rows.train)} to learn, ${train.count(rows.validation)} held out`],
      ["tokens", `${train.count(rows.tokens)}, of which ${train.count(rows.learned)} are learned`],
      ["adapter", `rank ${plan.rank}: ${train.count(plan.numbers)} numbers`],
      ["a step", `${app.plot.shown(plan.seconds_per_step)} s for ${plan.batch} chats`],
    ];
    const words = [
      ...notes,
      plan.steps < plan.steps_of_all_epochs
        ? `The minutes hold ${train.count(plan.steps)} of ${train.count(plan.steps_of_all_epochs)} steps.`
        : "",
    ];
    return [
      el("h2", {}, "The plan"),
      el("p", { class: "r-state" }, train.planNumbers(plan)),
      ...refused.map((said) => el("p", { class: "refusal" }, said)),
      ...words.filter(Boolean).map((said) => el("p", { class: "r-hint" }, said)),
      el("dl", { class: "r-facts" }, ...facts.flatMap(([what, value]) => [el("dt", {}, what), el("dd", {}, value)])),
      el("h3", {}, "A chat as the model reads it"),
      el("p", { class: "r-hint" }, "Marked is what is learned: the reply and the token that ends it."),
      el("p", { class: "r-tokens r-learned", tabindex: 0 }, ...plan.look.map(part)),
    ];
  }

  async function begin(event) {
    event.preventDefault();
    const start = app.$("button[type=submit]", event.target);
    start.disabled = true;
    refuse("");
    try {
      const { id } = await app.post("tune-begin", asked());
      app.tell("look");
      location.hash = id;
    } catch (error) {
      refuse(error.message);
    }
    start.disabled = false;
  }

  train.drawTuneForm = async () => {
    const place = app.$("#r-new");
    try {
      offered = await app.post("tune");
    } catch (error) {
      place.replaceChildren(el("p", { class: "refusal", role: "alert" }, error.message));
      return;
    }
    if (!place.isConnected) return;
    form.model ||= offered.first;
    form.lesson = { ...offered.lesson, ...form.lesson };
    form.chats = new Set([...form.chats].filter((id) => offered.chats.some((one) => one.id === id)));
    const plan = () => train.plan("tune-plan", asked(), drawn, refuse);
    const button = el("button", { type: "button", class: "act", on: { click: plan } }, "Look and plan");
    const start = el("button", { type: "submit", class: "act primary" }, "Start");
    const about = el("span", { class: "r-hint" }, "The plan says what it takes before anything begins.");
    const error = el("p", { id: "r-error", class: "refusal", role: "alert", hidden: true });
    const row = el("div", { class: "r-row" }, button, start, about);
    const parts = [el("div", { class: "r-cards" }, ...cards()), error, row, el("section", { id: "r-plan" })];
    place.replaceChildren(el("form", { id: "r-form", on: { submit: begin } }, ...parts));
    look();
  };
})();
