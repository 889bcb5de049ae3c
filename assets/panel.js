/* Panels, menus, theme, shortcuts, and the state of the model. */
(() => {
  const app = window.chatapp;
  app.name = document.title || "Chat";

  const narrow = { left: 768, right: 1180, more: 0 };
  const folded = (side) => document.body.classList.contains(`no-${side}`);
  const say = (side) =>
    document.querySelectorAll(`[data-do="fold-${side}"]`).forEach((button) => button.setAttribute("aria-expanded", String(!folded(side))));
  app.fold = (side, hide, keep = true) => {
    document.body.classList.toggle(`no-${side}`, hide);
    if (keep && innerWidth >= narrow[side]) app.store.set(`fold.${side}`, hide);
    say(side);
  };

  app.menu = (button, items) => {
    const menu = app.$("#menu");
    const away = () => {
      menu.hidden = true;
      button.focus();
    };
    const entry = (item) => {
      const run = () => {
        away();
        item.run();
      };
      const attributes = { type: "button", role: "menuitem", class: item.danger ? "danger" : null, disabled: !item.run };
      return app.el("button", { ...attributes, on: { click: run } }, item.text);
    };
    menu.replaceChildren(...items.map(entry));
    menu.hidden = false;
    const at = button.getBoundingClientRect();
    const up = at.top > innerHeight / 2;
    menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${up ? at.top - menu.offsetHeight - 6 : at.bottom + 6}px`;
    menu.firstChild.focus();
    menu.onkeydown = (event) => {
      const all = [...menu.children];
      const n = all.indexOf(document.activeElement);
      if (event.key === "Escape" || event.key === "Tab") {
        event.stopPropagation();
        event.preventDefault();
        away();
      }
      if (event.key === "ArrowDown") {
        event.preventDefault();
        all[(n + 1) % all.length].focus();
      }
      if (event.key === "ArrowUp") {
        event.preventDefault();
        all[(n - 1 + all.length) % all.length].focus();
      }
    };
  };

  const dark = () => document.body.classList.contains("dark");
  app.commands = {
    ...app.commands,
    "fold-left": () => app.fold("left", !folded("left")),
    "fold-right": () => app.fold("right", !folded("right")),
    "fold-more": () => app.fold("more", !folded("more")),
    theme: () => {
      document.body.classList.toggle("dark");
      app.store.set("theme", dark() ? "dark" : "light");
    },
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-do]");
    const ours = button && !button.closest("#bot .markdown");
    if (ours && app.commands[button.dataset.do]) {
      event.preventDefault();
      app.commands[button.dataset.do](button);
    } else if (!event.target.closest?.("#menu, .touch") && app.$("#menu")) app.$("#menu").hidden = true;
    if (event.target.id === "main" && innerWidth < narrow.right) {
      if (app.phone()) app.fold("left", true);
      app.fold("right", true, false);
    }
  });

  function escape(event) {
    if (app.$("dialog[open]") || !app.$("#menu")?.hidden) return;
    if (app.phone() && !folded("left")) app.fold("left", true);
    else if (innerWidth < narrow.right && !folded("right") && event.target.closest?.("#right, body")) app.fold("right", true, false);
  }

  document.addEventListener("keydown", (event) => {
    const command = event.ctrlKey || event.metaKey;
    if (command && event.shiftKey && event.key.toLowerCase() === "o") {
      event.preventDefault();
      app.fresh();
    }
    if (command && event.key.toLowerCase() === "k") {
      event.preventDefault();
      app.fold("left", false);
      app.$("#search").focus();
    }
    if (event.key === "Escape") escape(event);
  });

  function share(model) {
    return model.progress === null || model.progress === undefined ? "" : ` ${Math.round(model.progress * 100)} %`;
  }

  function modelLine(model) {
    if (model.state === "ready") return [app.el("b", {}, model.short), ` ${model.facts.join(" · ")}`];
    if (model.state === "failed") return [`The model could not be loaded. ${model.error}`];
    const bar = app.el("progress", { max: "1", value: model.progress ?? null, "aria-label": "Loading the model" });
    return [`${model.detail || "Loading the model"}${share(model)}`, bar];
  }

  app.on("model", (model) => {
    if (!app.$("#model-line")) return;
    Object.keys(narrow).forEach(say);
    document.body.dataset.model = model.state;
    app.$("#model-line").replaceChildren(...modelLine(model));
    app.$("#model-line").title = model.why || "";
    const ready = model.state === "ready";
    const busy = model.state === "failed" ? "Model not loaded" : `${model.detail || "Loading the model"}${share(model)}`;
    app.$("#model-state").textContent = ready ? `${model.short} · ${model.context}` : busy;
    app.$("#model-state").title = ready ? [model.model, ...model.facts, model.why].join(" · ") : model.error || "";
    if (ready) headline(model.headline);
  });

  function headline(pieces) {
    const line = app.$("#headline");
    if (pieces.length > 12 || line.dataset.real) return;
    line.dataset.real = "1";
    line.setAttribute("aria-label", pieces.map(([text]) => text).join(""));
    const token = ([text, id]) => app.el("span", { class: "token", "aria-hidden": "true" }, text, app.el("i", {}, String(id)));
    line.replaceChildren(...pieces.map(token));
    line.title = "The way the model reads it: one block, one token";
  }

  /* One line above the box for what concerns the whole page: no connection, a disk that is full. */
  function notice(kind, words) {
    const line = app.$("#notice");
    if (words) {
      line.dataset.kind = kind;
      line.textContent = words;
    } else if (line.dataset.kind === kind) line.textContent = "";
    line.hidden = !line.textContent;
  }
  app.on("lost", (words) => notice("lost", words));
  app.on("unsaved", (words) => notice("unsaved", words));
  app.on("path", (view) => view.unsaved || notice("unsaved", ""));

  function ready() {
    const { body } = document;
    body.classList.add("starting", "empty");
    const theme = new URL(location).searchParams.get("__theme") || app.store.get("theme");
    if (theme) body.classList.toggle("dark", theme === "dark");
    app.fold("left", app.phone() || app.store.get("fold.left") === true, false);
    app.fold("right", innerWidth < narrow.right || app.store.get("fold.right") === true, false);
    app.fold("more", app.store.get("fold.more") !== false, false);
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else ready();
})();
