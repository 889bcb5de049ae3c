/* Presets of the system prompt: those that come with the app, and one's own, which this browser keeps under their login. */
(() => {
  const app = window.chatapp;
  const select = () => app.$("#preset");
  const form = () => app.$("#preset-form");
  const own = () => app.store.get(app.mine("presets")) ?? [];
  const builtin = () =>
    [...select().querySelectorAll("option[data-text]")].map(({ value, dataset }) => ({ id: value, text: dataset.text }));
  const mine = () => own().map(({ name, text }) => ({ id: `own ${name}`, name, text }));
  const all = () => [...mine(), ...builtin()];
  const chosen = () => mine().find(({ id }) => id === select().value);
  let offered = null;
  let last = "";
  let renaming = null;

  /* The name is that of the text that stands there, whoever put it there. */
  function sayName() {
    const preset = app.values.named(app.settings.system(), all(), select().value);
    select().value = preset?.id ?? "";
  }

  function draw() {
    const group = app.$("optgroup", select());
    group.replaceChildren(...mine().map(({ id, name }) => app.el("option", { value: id }, name)));
    group.hidden = !own().length;
    sayName();
  }

  function keep(list) {
    app.store.set(app.mine("presets"), list.length ? list : null);
    draw();
  }

  /* Whatever is replaced can be had back, as long as the same chat is shown. */
  function offer(words, click) {
    offered?.remove();
    offered = app.toast(words, { action: "Undo", click, ms: 9000 });
  }

  function choose() {
    const before = app.settings.system();
    const preset = all().find(({ id }) => id === select().value);
    const words = before.trim() && !app.values.named(before, all());
    last = preset.name ?? "";
    app.settings.put("system", preset.text);
    if (words)
      offer(`The preset ${preset.name ?? preset.id} took the place of your system prompt.`, () => app.settings.put("system", before));
  }

  function ask(name) {
    form().hidden = false;
    const input = app.$("input", form());
    input.value = name;
    input.focus();
    input.select();
  }

  function close() {
    form().hidden = true;
    renaming = null;
    app.$('[data-do="presets"]').focus();
  }

  const refuse = (words) => app.toast(words, { failed: true });

  function save(name) {
    const list = own();
    const text = app.settings.system();
    const before = list.find((preset) => preset.name === name);
    last = name;
    keep([...list.filter((preset) => preset !== before), { name, text }]);
    select().value = `own ${name}`;
    if (before && before.text !== text) offer(`The preset ${name} has a new text.`, () => keep(list));
    else app.toast(`Saved as ${name}: it is kept in this browser.`);
  }

  function rename(from, to) {
    const list = own();
    if (from !== to && list.some(({ name }) => name === to)) return refuse(`You have a preset named ${to} already; choose another name.`);
    keep(list.map((preset) => (preset.name === from ? { ...preset, name: to } : preset)));
    last = to;
    return close();
  }

  function submit(event) {
    event.preventDefault();
    const name = app.$("input", form()).value.trim();
    if (!name) return;
    if (builtin().some(({ id }) => id === name)) refuse(`${name} is a preset that comes with the app; choose another name.`);
    else if (renaming) rename(renaming, name);
    else {
      save(name);
      close();
    }
  }

  function remove({ name }) {
    const list = own();
    keep(list.filter((preset) => preset.name !== name));
    offer(`The preset ${name} was deleted; its text stays in this chat.`, () => keep(list));
  }

  const startRename = ({ name }) => {
    renaming = name;
    ask(name);
  };

  function items() {
    const here = chosen();
    const words = app.settings.system().trim();
    return [
      { text: "Save this system prompt as a preset", run: words && (() => ask(last)) },
      { text: here ? `Rename ${here.name}` : "Rename", run: here && (() => startRename(here)) },
      { text: here ? `Delete ${here.name}` : "Delete", danger: true, run: here && (() => remove(here)) },
    ];
  }

  app.commands = {
    ...app.commands,
    presets: (button) => app.menu(button, items()),
    "preset-cancel": close,
  };

  app.on("begin", () => {
    select().addEventListener("change", choose);
    form().addEventListener("submit", submit);
    form().addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      close();
    });
    draw();
  });
  app.on("model", () => app.begun && draw());
  app.on("settings", sayName);
  app.on("moved", () => offered?.remove());
})();
