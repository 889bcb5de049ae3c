/* The settings panel: sampling is kept in this browser, system prompt, seed and stop strings with their chat;
   all go along with each action. */
(() => {
  const app = window.chatapp;
  const { values } = app;
  const block = (name) => app.$(`#knob-${name}`);
  const field = (name) => app.$("input[type=number]", block(name));
  const own = { system: () => app.$("#system textarea"), seed: () => app.$("#seed input"), stop: () => app.$("#stop-strings textarea") };
  const param = (name) => app.sampling.find((one) => one.name === name);
  const most = (name) => values.most(param(name), app.model.limits);

  function typed() {
    const numbers = app.sampling.map(({ name }) => [name, field(name).value]);
    return { ...Object.fromEntries(numbers), seed: own.seed().value, stop: own.stop().value };
  }

  const read = () => ({ system: own.system().value, settings: values.asked(app.sampling, typed(), app.model.limits?.off) });

  /* As if it had been typed. */
  function put(input, value) {
    if (input.value === String(value)) return;
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function keep() {
    const filled = app.sampling.filter(({ name }) => field(name).value !== "");
    app.store.set("settings", Object.fromEntries(filled.map(({ name }) => [name, Number(field(name).value)])));
  }

  function give(kept) {
    for (const [name, value] of Object.entries(values.remembered(app.sampling, kept))) field(name).value = value;
    for (const { name } of app.sampling) slide(name);
    mark();
  }

  /* The slider follows the number, which is exact. */
  function slide(name) {
    const range = app.$("input[type=range]", block(name));
    const { min, max, step, place } = values.scale(param(name), most(name));
    Object.assign(range, { min, max, step, value: place(Number(field(name).value)) });
    range.setAttribute("aria-valuetext", field(name).value);
    range.style.setProperty("--share", `${(100 * (Number(range.value) - min)) / Math.max(1e-9, max - min)}%`);
    app.$(".reset", block(name)).hidden = Number(field(name).value) === param(name).default;
  }

  /* "More" says that something in it differs from the default. */
  function mark() {
    const changed = values.changed(app.sampling, typed());
    app.$("#more-head span").textContent = changed ? `More · ${changed} changed` : "More";
  }

  /* What the engine cannot do is off, with its reason. */
  function limit({ off }) {
    for (const { name, help } of app.sampling) {
      for (const input of block(name).querySelectorAll("input")) input.disabled = !!off[name];
      field(name).max = most(name);
      app.$(".help", block(name)).textContent = off[name] ? `Off: ${off[name]}` : help;
      slide(name);
    }
    for (const name of ["seed", "stop"]) limitOwn(own[name](), off[name]);
  }

  function limitOwn(input, reason) {
    const help = app.$(".help", input.parentElement);
    help.dataset.usual ||= help.textContent;
    input.disabled = !!reason;
    help.textContent = reason ? `Off: ${reason}` : help.dataset.usual;
  }

  /* What belongs to a chat is kept under it until it is sent; of a temporary one nothing is. */
  const kept = (name, conversation = app.view.conversation) => app.mine(conversation ? `draft.${name}.${conversation}` : `draft.${name}`);

  function keepOwn(name) {
    if (app.temporary) return;
    const text = own[name]().value;
    const sent = name === "system" && app.view.conversation ? app.view.system : "";
    const value = app.view.conversation && name === "system" ? { text } : text;
    app.store.set(kept(name), text === sent ? null : value);
  }

  function ownOf(name) {
    const draft = app.temporary ? null : app.store.get(kept(name));
    const sent = name === "system" && app.view.conversation ? app.view.system : "";
    return draft?.text ?? draft ?? sent;
  }

  /* A new chat has got its name: its seed and stop strings go with it. */
  function carry(conversation) {
    for (const name of ["seed", "stop"]) {
      app.store.set(kept(name, conversation), app.store.get(kept(name, null)));
      app.store.set(kept(name, null), null);
    }
  }

  let shown = null;
  let waiting = null;
  /* Whose drafts they are, is known with the model's first news. */
  function follow(view) {
    if (app.model.sign) {
      waiting = null;
      if (view.opened) open();
      else if (view.conversation && !app.temporary) goOn(view);
      shown = view.conversation;
    } else if (view.opened) waiting = view;
  }

  function open() {
    for (const name of Object.keys(own)) own[name]().value = ownOf(name);
    mark();
    app.tell("settings");
  }

  function goOn(view) {
    if (shown === null) carry(view.conversation);
    if (app.store.get(kept("system"))?.text === view.system) app.store.set(kept("system"), null);
  }

  function heard({ target }) {
    const name = target.closest?.(".knob")?.dataset.name;
    if (name) {
      if (target.type === "range") field(name).value = values.scale(param(name), most(name)).value(Number(target.value));
      slide(name);
      keep();
    } else {
      const mine = Object.keys(own).find((one) => own[one]() === target);
      if (!mine) return;
      keepOwn(mine);
    }
    mark();
    app.tell("settings");
  }

  /* A number that cannot be becomes the nearest one that can, in words; an emptied one the default. */
  function left({ target }) {
    const name = target.type === "number" && target.closest("#right .knob")?.dataset.name;
    if (!name) return;
    const { label, minimum } = param(name);
    const { value } = target;
    const nearest = values.nearest(param(name), value, most(name));
    if (value !== "" && Number(value) !== nearest) app.toast(`${label} goes from ${minimum} to ${most(name)}; ${value} became ${nearest}.`);
    put(target, nearest);
  }

  /* Values that an earlier version kept by position, in a form that only Gradio reads: a page of its own does that, unseen. */
  function bringEarlier() {
    if (app.store.get("settings") || !localStorage.getItem("chatapp.knobs")) return;
    document.body.append(app.el("iframe", { id: "earlier", src: "earlier", title: "Earlier settings", hidden: true }));
  }
  function adopt(list) {
    app.$("#earlier").remove();
    if (app.store.get("settings") || !Array.isArray(list)) return;
    const names = ["temperature", "top_p", "top_k", "max_tokens", "min_p", "repetition_penalty"];
    give(Object.fromEntries(names.map((name, n) => [name, list[n]])));
    keep();
  }

  app.settings = {
    read,
    put: (name, value) => put(own[name](), value),
    system: () => own.system().value,
    adopt,
  };

  app.commands = {
    ...app.commands,
    "reset-knob": (button) => {
      const { name } = button.closest(".knob").dataset;
      put(field(name), param(name).default);
      field(name).focus();
    },
  };

  app.on("begin", () => {
    give(app.store.get("settings"));
    bringEarlier();
    if (app.model.limits) limit(app.model.limits);
  });
  app.on("model", (model) => {
    if (!app.begun) return;
    if (model.limits) limit(model.limits);
    if (waiting) follow(waiting);
  });
  app.on("path", follow);
  app.on("sent", () => app.store.set(app.mine("draft.system"), null));
  document.addEventListener("input", heard);
  document.addEventListener("blur", left, true);
  document.addEventListener("keydown", (event) => event.key === "Enter" && left(event));
})();
