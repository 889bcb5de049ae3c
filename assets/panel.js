/* Panels, menus, theme, shortcuts, and the state of the model. */
(() => {
  const app = window.chatapp;
  app.name = document.title || "Chat";

  const narrow = { left: 768, right: 1180, more: 0 };
  const folded = (side) => document.body.classList.contains(`no-${side}`);
  const say = (side) => document.querySelectorAll(`[data-do="fold-${side}"]`).forEach((b) => b.setAttribute("aria-expanded", String(!folded(side))));
  app.fold = (side, hide, keep = true) => {
    document.body.classList.toggle(`no-${side}`, hide);
    if (keep && innerWidth >= narrow[side]) app.store.set("fold." + side, hide);
    say(side);
  };

  app.menu = (button, items) => {
    const menu = app.$("#menu");
    const away = () => { menu.hidden = true; button.focus(); };
    menu.replaceChildren(...items.map((item) => app.el("button", { type: "button", role: "menuitem", class: item.danger ? "danger" : null, disabled: !item.run, on: { click: () => { away(); item.run(); } } }, item.text)));
    menu.hidden = false;
    const at = button.getBoundingClientRect(), up = at.top > innerHeight / 2;
    menu.style.left = Math.max(8, Math.min(at.left, innerWidth - menu.offsetWidth - 8)) + "px";
    menu.style.top = (up ? at.top - menu.offsetHeight - 6 : at.bottom + 6) + "px";
    menu.firstChild.focus();
    menu.onkeydown = (event) => {
      const all = [...menu.children], n = all.indexOf(document.activeElement);
      if (event.key === "Escape") { event.stopPropagation(); away(); }
      if (event.key === "ArrowDown") { event.preventDefault(); all[(n + 1) % all.length].focus(); }
      if (event.key === "ArrowUp") { event.preventDefault(); all[(n - 1 + all.length) % all.length].focus(); }
    };
  };

  const dark = () => document.body.classList.contains("dark");
  app.commands = { ...app.commands,
    "fold-left": () => { app.fold("left", !folded("left")); },
    "fold-right": () => { app.fold("right", !folded("right")); },
    "fold-more": () => { app.fold("more", !folded("more")); },
    theme: () => { document.body.classList.toggle("dark"); app.store.set("theme", dark() ? "dark" : "light"); },
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-do]");
    if (button && app.commands[button.dataset.do]) {
      event.preventDefault();
      app.commands[button.dataset.do](button);
    } else if (!event.target.closest?.("#menu") && app.$("#menu")) app.$("#menu").hidden = true;
    if (event.target.id === "main" && app.phone()) app.fold("left", true);
  });

  document.addEventListener("keydown", (event) => {
    const command = event.ctrlKey || event.metaKey;
    if (command && event.shiftKey && event.key.toLowerCase() === "o") { event.preventDefault(); app.fresh(); }
    if (command && event.key.toLowerCase() === "k") { event.preventDefault(); app.fold("left", false); app.$("#search").focus(); }
    if (event.key === "Escape" && app.phone() && !folded("left")) app.fold("left", true);
  });

  app.on("status", (status) => {
    const line = app.$("#model-line"), state = app.$("#model-state"), headline = app.$("#headline");
    if (!line || !status.state) return;
    Object.keys(narrow).forEach(say);
    const ready = status.state === "ready", failed = status.state === "failed";
    document.body.dataset.model = status.state;
    const share = status.progress === null || status.progress === undefined ? "" : ` ${Math.round(status.progress * 100)} %`;
    const busy = `${status.detail || "Loading the model"}${share}`;
    const short = (status.model || "").split("/").pop();
    line.replaceChildren(...(ready ? [app.el("b", {}, short), ` ${status.facts.join(" · ")}`] : [failed ? `The model could not be loaded. ${status.error}` : busy]));
    if (ready) line.title = status.why || "";
    if (!ready && !failed) line.append(app.el("progress", { max: "1", value: status.progress ?? null, "aria-label": "Loading the model" }));
    state.textContent = ready ? `${short} · ${status.facts.at(-3)}` : failed ? "Model not loaded" : busy;
    state.title = ready ? [status.model, ...status.facts, status.why].join(" · ") : status.error || "";
    if (ready && status.headline?.length <= 12 && !headline.dataset.real) {
      headline.dataset.real = "1";
      headline.setAttribute("aria-label", status.headline.map(([text]) => text).join(""));
      headline.replaceChildren(...status.headline.map(([text, id]) => app.el("span", { class: "token", "aria-hidden": "true" }, text, app.el("i", {}, String(id)))));
      headline.title = "The way the model reads it: one block, one token";
    }
  });

  function ready() {
    const body = document.body;
    body.classList.add("starting", "empty");
    const theme = new URL(location).searchParams.get("__theme") || app.store.get("theme");
    if (theme) body.classList.toggle("dark", theme === "dark");
    app.fold("left", app.phone() || app.store.get("fold.left") === true, false);
    app.fold("right", innerWidth < narrow.right || app.store.get("fold.right") === true, false);
    app.fold("more", app.store.get("fold.more") !== false, false);
  }
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", ready) : ready();
})();
