/* What concerns whole conversations: export, import, deleting everything, and the two menus that offer it. */
(() => {
  const app = window.chatapp;

  /* A file of everything, or of one conversation, straight from the server. */
  const save = (format, id = "") => {
    const asked = new URLSearchParams({ format, session: app.session, ...(id ? { id } : {}) });
    app.el("a", { href: `ui/export?${asked}`, download: "" }).click();
  };

  async function bring(file) {
    const asked = { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file };
    let done = null;
    try {
      const answer = await fetch(`ui/import?session=${app.session}`, asked);
      done = await answer.json();
    } catch {
      done = { error: { message: "The file could not be sent: the server does not answer. Try again." } };
    }
    if (done.error) return app.failed(done.error);
    const known = done.known ? ` ${done.known} ${done.known === 1 ? "was" : "were"} already here.` : "";
    app.toast(`${done.imported} conversation${done.imported === 1 ? "" : "s"} imported.${known}`);
    return done.newest ? app.open(done.newest) : app.watch();
  }

  async function erase() {
    if (!(await app.manage("erase"))) return;
    for (const kept of [localStorage, sessionStorage]) {
      const drafts = Object.keys(kept).filter((key) => key.startsWith(`chatapp.${app.mine("draft.")}`));
      for (const key of drafts) kept.removeItem(key);
    }
    app.toast("Everything of yours was deleted.");
    app.fresh();
  }

  document.addEventListener("change", (event) => {
    if (event.target.id !== "import-file" || !event.target.files.length) return;
    bring(event.target.files[0]);
    event.target.value = "";
  });

  const FORMATS = { markdown: "Markdown", json: "JSON", jsonl: "JSONL" };
  const exports = (id) => Object.entries(FORMATS).map(([format, text]) => ({ text: `Export as ${text}`, run: () => save(format, id) }));
  const current = () => {
    const { conversation, title } = app.view;
    return app.list.rows.find((one) => one.id === conversation) || (conversation && !app.temporary ? { id: conversation, title } : null);
  };
  /* Renaming happens in the list. */
  const inList = (row, rename) => () => {
    app.fold("left", false);
    if (!app.list.rows.includes(row)) app.list.rows.unshift({ ...row, updated: Date.now() / 1000 });
    rename.run();
  };
  const everything = () =>
    app.ask("Delete all your conversations, temporary ones too, with their drafts? This cannot be undone.", [
      { text: "Delete everything", danger: true, run: erase },
    ]);

  app.commands = {
    ...app.commands,
    new: () => app.fresh(),
    temporary: () => app.fresh(!app.temporary),
    "menu-all": (button) =>
      app.menu(button, [
        ...exports(),
        { text: "Import a file…", run: () => app.$("#import-file").click() },
        { text: "Delete everything of mine…", danger: true, run: everything },
      ]),
    "menu-one": (button) => {
      const row = current();
      const nothing = app.temporary ? "A temporary chat is kept nowhere" : "Nothing was said here yet";
      if (!row) return app.menu(button, [{ text: nothing, run: null }]);
      const [pin, rename, gone] = app.acts(row);
      const others = [
        { text: pin.label, run: pin.run },
        { text: rename.label, run: inList(row, rename) },
        { text: gone.label, danger: true, run: gone.run },
      ];
      return app.menu(button, [...exports(row.id), ...others]);
    },
  };
})();
