/* Which model answers: its name in the header, and the list to choose another from; what an old conversation was written with is offered. */
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

  const words = (row) => (row.state === "failed" || row.state === "loading" ? row.words : STATES[row.state]);

  function item(row) {
    const mine = row.id === answering();
    const pick = app.el(
      "button",
      { type: "button", class: "pick", "aria-pressed": String(mine), title: row.id, on: { click: () => choose(row.id) } },
      app.el("b", {}, row.label),
      words(row) ? app.el("small", { class: row.state }, words(row)) : null,
    );
    const run = row.state === "ready" || row.state === "loading" ? "unload" : "load";
    const text = { unload: row.state === "loading" ? "Cancel" : "Unload", load: row.state === "failed" ? "Try again" : "Load" }[run];
    const click = () => ask(`models-${run}`, run === "unload" ? { id: row.id } : { name: row.id });
    const tool = app.model.loads && row.state !== "leaving" && app.el("button", { type: "button", class: "act", on: { click } }, text);
    const bar = row.state === "loading" && app.el("progress", { max: "1", value: row.share, "aria-label": `Loading ${row.label}` });
    return app.el("li", { "data-id": row.id }, pick, tool || null, bar || null);
  }

  function another() {
    const box = app.el("input", {
      type: "text",
      "aria-label": "Load another model",
      placeholder: "Hub id, folder or .gguf file",
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
    (app.$('.pick[aria-pressed="true"]', panel()) || panel()).focus();
  };

  function drawButton() {
    const button = app.$("#picker");
    const id = answering();
    const row = named(id);
    button.hidden = !row;
    if (!row) return;
    app.$("span", button).textContent = row.label;
    button.className = `quiet ${row.state}`;
    button.disabled = app.known().length < 2 && !app.model.loads;
    button.title = `${id} answers here${words(row) ? `: ${words(row)}` : ""}`;
  }

  /* "This chat was written with X. Load it." */
  function drawOffer() {
    const line = app.$("#own-model");
    const own = app.view.conversation && app.view.own;
    const shown = own && !named(own) ? own : "";
    line.hidden = !shown;
    if (!shown || line.dataset.own === shown) return;
    line.dataset.own = shown;
    const click = () => load(shown);
    const cure = app.model.loads
      ? app.el("button", { type: "button", on: { click } }, "Load it")
      : app.el("span", {}, "It is not loaded here.");
    line.replaceChildren(app.el("span", {}, `This chat was written with ${shown}.`), cure);
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
