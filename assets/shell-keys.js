/* Keys: one list, from which they work and are shown on ?. */
(() => {
  const app = window.chatapp;

  /* Without `run` it says what a handler of the page itself does. */
  app.shortcuts = [];
  app.shortcut = (group, keys, words, run = null) => app.shortcuts.push({ group, keys, words, run });
  const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

  function pressed(keys, event) {
    const parts = keys.split("+");
    const key = parts.pop();
    const control = event.ctrlKey || event.metaKey;
    if (key.toLowerCase() !== event.key.toLowerCase() || control !== parts.includes("Ctrl")) return false;
    return control ? event.shiftKey === parts.includes("Shift") : key === "Escape" || !typing(event.target);
  }

  document.addEventListener("keydown", (event) => {
    const found = app.shortcuts.find(({ keys, run }) => run && pressed(keys, event));
    if (!found || app.$("dialog[open]")) return;
    if (found.keys !== "Escape") event.preventDefault();
    found.run(event);
  });

  app.shortcut("Everywhere", "Escape", "Close a menu, or a side that lies over the page", () => {
    if (app.$("#menu") && !app.$("#menu").hidden) return;
    if (app.phone() && !app.folded("left")) app.fold("left", true);
    else if (innerWidth < app.narrow.right && !app.folded("right")) app.fold("right", true, false);
  });

  const mac = /Mac|iPhone|iPad/.test(navigator.platform);
  const named = { Ctrl: mac ? "⌘" : "Ctrl", Escape: "Esc", ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→" };
  const key = (name) => app.el("kbd", {}, named[name] || name);

  function line({ keys, words }) {
    const shown = keys.split(" ").map((combination) => app.el("span", {}, ...combination.split("+").map(key)));
    return app.el("div", {}, app.el("dt", {}, ...shown), app.el("dd", {}, words));
  }

  function show() {
    const dialog = app.$("#keys");
    const groups = [...new Set(app.shortcuts.map(({ group }) => group))];
    const lists = groups.flatMap((group) => [
      app.el("h3", {}, group),
      app.el("dl", {}, ...app.shortcuts.filter((one) => one.group === group).map(line)),
    ]);
    const close = app.button("Close", "close", () => dialog.close());
    const head = app.el("header", {}, app.el("h2", { id: "keys-title" }, "Keyboard shortcuts"), close);
    dialog.replaceChildren(head, ...lists);
    dialog.onclick = (event) => event.target === dialog && dialog.close();
    dialog.showModal();
  }

  app.commands.keys = show;
  app.shortcut("Everywhere", "?", "Show this list", show);
})();
