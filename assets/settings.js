/* The settings panel: its fields are Gradio's; what they hold is kept in this browser by name, and goes along with each action. */
(() => {
  const app = window.chatapp;
  const field = (name) => app.$(`#knob-${name} input[type=number]`);
  const system = () => app.$("#system textarea");
  const own = { seed: () => app.$("#seed input, #seed textarea"), stop: () => app.$("#stop-strings textarea") };

  /* Gradio's components hear of a value only by the event that typing makes. */
  function put(input, value) {
    if (!input || input.value === String(value)) return;
    const kind = input.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(input, value);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  const seed = (text) => (/^\d+$/.test(text) ? Number(text) : text);
  const lines = (text) =>
    text
      .split("\n")
      .filter(Boolean)
      .map((line) => line.replaceAll("\\n", "\n"));

  const mosts = {};

  /* What an action is done with: fields that are empty or switched off are left out, and the server takes the default. */
  function read() {
    const settings = {};
    for (const { name } of app.sampling) {
      const input = field(name);
      if (input && input.value !== "" && !input.disabled) settings[name] = Number(input.value);
    }
    if (own.seed()?.value.trim()) settings.seed = seed(own.seed().value.trim());
    if (own.stop()?.value) settings.stop = lines(own.stop().value);
    return { system: system()?.value ?? "", settings };
  }

  function keep() {
    const kept = {};
    for (const { name } of app.sampling) if (field(name)?.value) kept[name] = Number(field(name).value);
    app.store.set("settings", kept);
  }

  function give(kept) {
    for (const { name, minimum, maximum } of app.sampling) {
      const value = kept?.[name];
      if (typeof value === "number" && value >= minimum && value <= maximum) put(field(name), value);
    }
    mark();
  }

  /* "More" says that something in it differs from the default. */
  function mark() {
    const changed = app.sampling.filter(
      ({ name, basic, default: usual }) => !basic && Number(field(name)?.value ?? usual) !== usual,
    ).length;
    const others = Object.values(own).filter((input) => input()?.value).length;
    const label = app.$("#more-head button span");
    if (label) label.textContent = changed + others ? `More · ${changed + others} changed` : "More";
  }

  /* What the engine cannot do is off, with its reason; a length ends where the context does. */
  function limit(limits) {
    for (const one of app.sampling) limitOne(one, limits);
    for (const [name, input] of Object.entries(own)) if (input()) input().disabled = !!limits.off[name];
  }

  function limitOne({ name, help, maximum, kind }, limits) {
    const reason = limits.off[name];
    const most = kind === "length" ? Math.min(maximum, Math.max(1, limits.context)) : maximum;
    mosts[name] = most;
    const block = app.$(`#knob-${name}`);
    if (!block) return;
    for (const input of block.querySelectorAll("input")) {
      input.disabled = !!reason;
      input.max = most;
    }
    app.$(".max_value", block).textContent = most;
    track(name);
    said(block, reason ? `Off: ${reason}` : help);
  }

  function said(block, words) {
    const info = block && app.$(".info-text", block);
    if (info) info.textContent = words;
  }

  /* Gradio fills the track by the end that it was built with. */
  function track(name) {
    const { minimum } = app.sampling.find((one) => one.name === name);
    const range = app.$(`#knob-${name} input[type=range]`);
    if (!range || !mosts[name]) return;
    const share = (Number(range.value) - minimum) / (mosts[name] - minimum);
    range.style.setProperty("--range_progress", `${100 * Math.min(1, share)}%`);
  }

  /* The system prompt belongs to the conversation; that of a new one is a draft, kept like the message. */
  const drafted = () => (app.temporary ? "" : (app.store.get(app.mine("draft.system")) ?? ""));
  let waiting = null;
  function follow(view) {
    if (!view.opened) return;
    waiting = system() && app.model.sign ? null : view; // whose draft it is, is known with the model's first news
    if (waiting) return;
    put(system(), view.conversation ? view.system : drafted());
    app.tell("settings");
  }

  function heard(event) {
    const panel = event.target.closest?.("#right");
    if (!panel) return;
    if (event.target !== system()) keep();
    else if (!app.view.conversation && !app.temporary) app.store.set(app.mine("draft.system"), system().value);
    mark();
    const block = event.target.closest("[id^=knob-]");
    if (block) requestAnimationFrame(() => track(block.id.slice(5)));
    app.tell("settings");
  }

  /* Gradio would take an emptied number for the smallest one, and one out of range for the nearest, without a word. */
  function left(event) {
    const block = event.target.closest?.("[id^=knob-]");
    if (!block || !["number", "range"].includes(event.target.type)) return;
    const knob = app.sampling.find(({ name }) => block.id === `knob-${name}`);
    const { value } = event.target;
    const most = mosts[knob.name] ?? knob.maximum;
    if (value === "") put(event.target, knob.default);
    else if (Number(value) < knob.minimum || Number(value) > most) {
      const nearest = Math.min(most, Math.max(knob.minimum, Number(value)));
      app.toast(`${knob.label} goes from ${knob.minimum} to ${most}; ${value} became ${nearest}.`);
      put(field(knob.name), nearest);
    }
  }

  app.settings = {
    read,
    /* Values that an earlier version kept by position. */
    adopt: (values) => {
      if (app.store.get("settings") || !localStorage.getItem("chatapp.knobs") || !Array.isArray(values)) return;
      const names = ["temperature", "top_p", "top_k", "max_tokens", "min_p", "repetition_penalty"];
      give(Object.fromEntries(names.map((name, n) => [name, values[n]])));
      keep();
    },
    /* A preset takes the place of words of one's own only with a way back. */
    preset: (name, text) => {
      const before = system().value;
      put(system(), text);
      if (before.trim() && before !== text) {
        app.toast(`The preset ${name} took the place of your system prompt.`, {
          action: "Undo",
          click: () => put(system(), before),
          ms: 9000,
        });
      }
    },
  };

  /* Gradio fetches each kind of component by itself: sliders may stand long before the fields for text, or after them. */
  const stands = () => [system, ...Object.values(own)].every((input) => input()) && app.sampling.every(({ name }) => field(name));

  app.on("begin", () => {
    const wait = () => {
      if (!stands()) return setTimeout(wait, 50);
      give(app.store.get("settings"));
      if (app.model.limits) limit(app.model.limits);
      if (waiting) follow(waiting);
      return null;
    };
    wait();
  });
  app.on("model", (model) => {
    if (model.limits) limit(model.limits);
    if (waiting) follow(waiting);
  });
  app.on("path", follow);
  app.on("sent", () => app.store.set(app.mine("draft.system"), null));
  document.addEventListener("input", heard);
  document.addEventListener("change", heard);
  document.addEventListener("blur", left, true);
  document.addEventListener("change", (event) => event.target.type === "range" && left(event));
})();
