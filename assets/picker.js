/* Which model answers: its name in the header, and the list to choose another from;
   what an old conversation was written with is offered. */
(() => {
  const app = window.chatapp;
  const STATES = { unloaded: "Loads with the first message", loading: "", ready: "", failed: "Failed", leaving: "Unloading" };
  let sign = "";

  /* For a new chat the choice is kept here until the first message takes it along. */
  const page = new URL(location);
  app.picked = page.searchParams.get("model") || "";
  page.searchParams.delete("model");
  history.replaceState(history.state, "", page);
  app.known = () => app.model.known || [];
  const answering = () => (app.view.conversation && app.view.answers) || app.picked || app.model.id;
  const named = (id) => app.known().find((row) => row.id === id);
  app.answering = answering;
  app.labelOf = (id) => named(id)?.label || id;

  async function ask(name, body, refused = app.failed) {
    try {
      return await app.post(name, body);
    } catch (error) {
      refused(error);
      return null;
    } finally {
      app.watch();
    }
  }

  /* From now on this one answers here. */
  async function choose(id) {
    close();
    if (app.view.conversation) await app.act("model", { model: id });
    else {
      app.picked = id;
      app.watch();
    }
    app.$("#message").focus();
  }

  async function load(name, refused = app.failed) {
    const done = await ask("models-load", { name }, refused);
    if (done) choose(done.id);
  }

  const told = (row) => row.state === "failed" || row.state === "loading" || (row.state === "ready" && row.id.includes("://"));
  const words = (row) => (told(row) ? row.words : STATES[row.state]);

  /* What can be done with a model as it stands. */
  const WAYS = {
    ready: [["Unload", "unload"]],
    loading: [["Cancel", "unload"]],
    failed: [
      ["Try again", "load"],
      ["Dismiss", "unload"],
    ],
    unloaded: [["Load", "load"]],
    leaving: [],
  };
  async function change(row, run) {
    if (row.state === "failed" && run === "unload" && app.picked === row.id) app.picked = "";
    await ask(`models-${run}`, run === "unload" ? { id: row.id } : { name: row.id });
    app.tell("look");
  }
  const ways = (row, kind = "act") =>
    WAYS[row.state].map(([text, run]) => app.el("button", { type: "button", class: kind, on: { click: () => change(row, run) } }, text));
  app.modelWays = ways;

  function item(row) {
    const mine = row.id === answering();
    const pick = app.el(
      "button",
      { type: "button", class: "pick", "aria-pressed": String(mine), title: row.id, on: { click: () => choose(row.id) } },
      app.el("b", {}, row.label),
      words(row) ? app.el("small", { class: row.state }, words(row)) : null,
    );
    const tools = app.model.loads ? ways(row) : [];
    const bar = row.state === "loading" && app.el("progress", { max: "1", value: row.share, "aria-label": `Loading ${row.label}` });
    return app.el("li", { "data-id": row.id }, pick, ...tools, bar || null);
  }

  /* Trained here, or kept in the app's folder, and not loaded since the app began: choosing one loads it. */
  function own(rows) {
    const pick = ({ name, label }) =>
      app.el(
        "button",
        { type: "button", class: "pick", title: name, on: { click: () => load(name) } },
        app.el("b", {}, label),
        app.el("small", {}, "Loads when it is chosen"),
      );
    return [
      app.el("h3", {}, "In the app's folder"),
      app.el("ul", {}, ...rows.map((row) => app.el("li", { "data-name": row.name }, pick(row)))),
    ];
  }

  async function drawOwn() {
    try {
      const { rows } = await app.post("models-own");
      const place = app.$("#picker-own");
      if (place && rows.length) place.replaceChildren(...own(rows));
    } catch (error) {
      app.failed(error);
    }
  }

  function another() {
    const box = app.el("input", {
      type: "text",
      "aria-label": "Load another model",
      placeholder: "Hub id, folder, .gguf, address",
      autocomplete: "off",
    });
    const said = app.el("p", { role: "alert" });
    const submit = (event) => {
      event.preventDefault();
      said.textContent = "";
      if (box.value.trim()) {
        load(box.value.trim(), ({ message }) => {
          said.textContent = message; // where it was typed
        });
      }
    };
    const go = app.el("button", { type: "submit", class: "act" }, "Load");
    return [
      app.el("div", { id: "picker-own" }),
      app.el("form", { on: { submit } }, box, go),
      said,
      app.el("a", { href: "./models" }, "All models on this machine, and on the Hub"),
    ];
  }

  const panel = () => app.$("#picker-list");
  const open = () => panel() && !panel().hidden;

  function drawList() {
    const list = app.$("ul", panel());
    const at = list.contains(document.activeElement) ? document.activeElement.closest("li").dataset.id : null;
    list.replaceChildren(...app.known().map(item));
    if (at) app.$(`[data-id="${CSS.escape(at)}"] .pick`, list)?.focus();
  }

  function close() {
    if (open()) panel().hidden = true;
    app.$("#picker").setAttribute("aria-expanded", "false");
  }

  app.commands.picker = (button) => {
    if (open()) return close();
    panel().replaceChildren(app.el("h2", {}, "Which model answers"), app.el("ul", {}), ...(app.model.loads ? another() : []));
    panel().hidden = false;
    button.setAttribute("aria-expanded", "true");
    const at = button.getBoundingClientRect();
    panel().style.left = `${Math.max(8, Math.min(at.left, innerWidth - panel().offsetWidth - 8))}px`;
    drawList();
    if (app.model.loads) drawOwn();
    (app.$('.pick[aria-pressed="true"]', panel()) || panel()).focus();
  };

  function drawButton() {
    const button = app.$("#picker");
    const row = named(answering()) || named(app.model.id);
    button.hidden = !row;
    if (!row) return;
    app.$("span", button).textContent = row.label;
    button.className = `quiet ${row.state}`;
    button.disabled = app.known().length < 2 && !app.model.loads;
    button.title = `${row.id} answers here${row.state !== "ready" && words(row) ? `: ${words(row)}` : ""}`;
  }

  /* "This chat was written with X. Load it." Or that the model which answers here failed to load, and why. */
  function drawOffer() {
    const line = app.$("#own-model");
    const row = app.view.conversation && named(answering());
    const failed = row?.state === "failed" ? row : null;
    const own = app.view.conversation && app.view.own;
    const shown = own && !named(own) ? own : "";
    const key = failed ? `${failed.id} ${failed.words}` : shown;
    line.hidden = !key;
    if (!key || line.dataset.own === key) return;
    line.dataset.own = key;
    if (failed) line.replaceChildren(app.el("span", {}, `${failed.label} could not be loaded. ${failed.words}`), ...cures(failed));
    else line.replaceChildren(app.el("span", { title: shown }, `This chat was written with ${app.brief(shown)}.`), ...cures(null, shown));
  }
  function cures(failed, own) {
    if (failed) return app.model.loads ? ways(failed, "") : [];
    const click = () => load(own);
    return [
      app.model.loads ? app.el("button", { type: "button", on: { click } }, "Load it") : app.el("span", {}, "It is not loaded here."),
    ];
  }

  function draw() {
    if (!app.$("#picker")) return;
    drawButton();
    drawOffer();
    if (open() && sign !== app.model.sign) drawList();
    sign = app.model.sign;
  }

  app.on("model", draw);
  app.on("path", draw);
  app.on("moved", draw);
  document.addEventListener("click", (event) => {
    if (open() && event.target.isConnected && !event.target.closest?.("#picker-list, #picker")) close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !open()) return;
    event.stopPropagation();
    close();
    app.$("#picker").focus();
  });
})();
