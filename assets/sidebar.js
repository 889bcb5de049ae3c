/* The list of conversations: grouped by the reader's own days, renamed in place, driven by keyboard. */
(() => {
  const app = window.chatapp;
  let renaming = null;
  let wish = null;
  let drawn = "";

  function group(row) {
    if (app.query) return "Found";
    if (row.pinned) return "Pinned";
    const then = new Date(row.updated * 1000), midnight = new Date();
    midnight.setHours(0, 0, 0, 0);
    const days = (midnight - then) / 86400000;
    if (days <= 0) return "Today";
    if (days <= 1) return "Yesterday";
    if (days <= 7) return "Previous 7 days";
    return then.toLocaleDateString("en", { month: "long", year: then.getFullYear() === midnight.getFullYear() ? undefined : "numeric" });
  }

  /* Text with its hits in <mark>; built from text nodes, never from markup. `hits` are [start, end] pairs. */
  function marked(text, hits = []) {
    const letters = Array.from(text), parts = [];
    let at = 0;
    for (const [start, end] of hits || []) {
      parts.push(letters.slice(at, start).join(""), app.el("mark", {}, letters.slice(start, end).join("")));
      at = end;
    }
    return [...parts, letters.slice(at).join("")];
  }

  const name = (row) => row.title || "Untitled";
  const leaving = new Map();
  const remove = (row) => leaving.set(app.manage("delete", { id: row.id }), row);
  /* Only now: the server may have refused. An answer that got lost shows in a later list. */
  function removed(side) {
    for (const [asked, row] of leaving) {
      const answered = asked === side.nonce, gone = answered ? side.ok : !side.query && !side.rows.some((one) => one.id === row.id);
      if (answered || gone) leaving.delete(asked);
      if (gone) told(row);
    }
  }
  function told(row) {
    const open = row.id === app.rail.conversation;
    if (open) app.fresh();
    app.toast(`“${name(row)}” was deleted.`, { action: "Undo", ms: 8000, click: () => { app.manage("restore", { id: row.id }); if (open) app.open(row.id); } });
  }
  const begin = (row) => { renaming = row.id; draw(); };

  function field(row) {
    const input = app.el("input", { type: "text", class: "renaming", "aria-label": "Title", maxlength: "200" });
    input.value = row.title;
    let ended = false;
    const end = (keep) => {
      if (ended) return;
      ended = true;
      renaming = null;
      const title = input.value.trim();
      if (keep && title && title !== row.title) { row.title = title; app.manage("rename", { id: row.id, title }); }
      wish = row.id;
      draw();
    };
    input.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Enter") { event.preventDefault(); end(true); }
      if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); end(false); }
    });
    input.addEventListener("blur", () => end(true));
    setTimeout(() => { input.focus(); input.select(); }, 0);
    return input;
  }

  function item(row) {
    const here = row.id === app.rail.conversation;
    const line = app.el("li", { class: [here ? "here" : "", row.running ? "busy" : ""].join(" ").trim() || null });
    if (renaming === row.id) { line.append(field(row)); return line; }
    const title = app.el("span", { class: "title" }, ...marked(name(row), row.title_ranges));
    const open = app.el("a", { href: `?c=${encodeURIComponent(row.id)}`, class: "open", "data-id": row.id, "aria-current": here ? "page" : null, title: name(row),
      on: { click: (event) => { if (event.ctrlKey || event.metaKey || event.button) return; event.preventDefault(); app.open(row.id); app.phone() && app.fold("left", true); },
        dblclick: (event) => { event.preventDefault(); begin(row); } } }, title);
    if (row.snippet) open.append(app.el("span", { class: "snippet" }, ...marked(row.snippet, row.snippet_ranges)));
    if (row.running) open.append(app.el("span", { class: "dot", title: "A reply is being written" }, ""));
    line.append(open, app.el("span", { class: "acts" },
      app.button(row.pinned ? `Unpin ${name(row)}` : `Pin ${name(row)}`, "pin", () => app.manage(row.pinned ? "unpin" : "pin", { id: row.id }), { kind: row.pinned ? "quiet on" : "quiet" }),
      app.button(`Rename ${name(row)}`, "edit", () => begin(row)),
      app.button(`Delete ${name(row)}`, "trash", () => remove(row))));
    return line;
  }

  function draw() {
    const nav = app.$("#conversations");
    if (!nav) return;
    const rows = app.side.rows || [];
    /* Only when something it shows has changed: a list made anew between press and release would swallow the click. */
    const sign = JSON.stringify([rows, app.query, app.rail.conversation, !!app.temporary, renaming, new Date().getDate()]);
    if (sign === drawn && !wish) return;
    drawn = sign;
    const focused = wish || document.activeElement?.closest?.("#conversations .open")?.dataset.id;
    wish = null;
    const groups = new Map();
    for (const row of rows) { const g = group(row); groups.has(g) || groups.set(g, []); groups.get(g).push(row); }
    const order = [...groups].sort(([a], [b]) => (b === "Pinned") - (a === "Pinned"));
    const parts = order.flatMap(([title, list], n) => [app.el("h2", { id: `group-${n}` }, title), app.el("ul", { "aria-labelledby": `group-${n}` }, ...list.map(item))]);
    if (!rows.length) parts.push(app.el("p", { class: "none" }, app.query ? `Nothing contains “${app.query}”.` : "Your conversations appear here."));
    nav.replaceChildren(...parts);
    if (focused) nav.querySelector(`.open[data-id="${CSS.escape(focused)}"]`)?.focus();
    const row = rows.find((one) => one.id === app.rail.conversation);
    const title = app.temporary ? "Temporary chat" : row ? name(row) : app.rail.conversation ? app.$("#title").textContent : "New chat";
    app.$("#title").textContent = title;
    document.title = title === "New chat" ? app.name : `${title} · ${app.name}`;
    app.$("#temporary-mark").hidden = !app.temporary;
    app.$('[data-do="temporary"]').setAttribute("aria-pressed", String(!!app.temporary));
    document.body.classList.toggle("temporary", !!app.temporary);
  }

  app.on("rail", () => { if (!renaming) draw(); });
  app.on("side", (side) => {
    if (!renaming && (side.query || "") === (app.query || "")) draw();
    if (!side.nonce || side.nonce === app.answered) return;
    app.answered = side.nonce;
    removed(side);
    if (side.download) save(side.download);
    if (side.erased) { [localStorage, sessionStorage].forEach((kept) => Object.keys(kept).filter((k) => k.startsWith("chatapp." + app.mine("draft."))).forEach((k) => kept.removeItem(k))); app.toast("Everything of yours was deleted."); app.fresh(); }
    if (side.brought) {
      const already = side.known ? ` ${side.known} ${side.known === 1 ? "was" : "were"} already here.` : "";
      app.toast(`${side.imported} conversation${side.imported === 1 ? "" : "s"} imported.${already}`);
      if (side.first) app.open(side.first);
    }
  });

  function save(file) {
    const link = app.el("a", { href: URL.createObjectURL(new Blob([file.text])), download: file.name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  let timer = 0;
  document.addEventListener("input", (event) => {
    if (event.target.id !== "search") return;
    clearTimeout(timer);
    timer = setTimeout(() => { app.query = event.target.value.trim(); app.manage("list"); }, 150);
  });

  /* ↑ ↓ walk the list, F2 renames, Delete deletes; Escape leaves the search. */
  document.addEventListener("keydown", (event) => {
    if (event.target.id === "search") {
      if (event.key === "ArrowDown") { event.preventDefault(); app.$("#conversations .open")?.focus(); }
      if (event.key === "Escape") { event.target.value = ""; app.query = ""; app.manage("list"); app.$("#message").focus(); }
      return;
    }
    const open = event.target.closest?.("#conversations .open");
    if (!open) return;
    const all = [...document.querySelectorAll("#conversations .open")], at = all.indexOf(open);
    const row = app.side.rows.find((one) => one.id === open.dataset.id);
    if (event.key === "ArrowDown") { event.preventDefault(); all[at + 1]?.focus(); }
    if (event.key === "ArrowUp") { event.preventDefault(); (all[at - 1] || app.$("#search")).focus(); }
    if (event.key === "F2") { event.preventDefault(); begin(row); }
    if (event.key === "Delete") { event.preventDefault(); wish = all[at + 1]?.dataset.id || all[at - 1]?.dataset.id; remove(row); }
  });

  document.addEventListener("change", async (event) => {
    if (event.target.id !== "import-file" || !event.target.files.length) return;
    const file = event.target.files[0];
    app.manage("import", { name: file.name, text: await file.text() });
    event.target.value = "";
  });

  const exports = (id) => ["markdown", "json", "jsonl"].map((format) => ({ text: `Export as ${{ markdown: "Markdown", json: "JSON", jsonl: "JSONL" }[format]}`, run: () => app.manage("export", { format, ...(id ? { id } : {}) }) }));
  app.commands = { ...app.commands,
    new: () => app.fresh(),
    temporary: () => app.fresh(!app.temporary),
    "menu-all": (button) => app.menu(button, [...exports(), { text: "Import a file…", run: () => app.$("#import-file").click() },
      { text: "Delete everything of mine…", danger: true, run: () => app.ask("Delete all your conversations, temporary ones too, with their drafts? This cannot be undone.", [{ text: "Delete everything", danger: true, run: () => app.manage("erase") }]) }]),
    "menu-one": (button) => {
      const row = (app.side.rows || []).find((one) => one.id === app.rail.conversation);
      app.menu(button, row ? [...exports(row.id), { text: "Rename", run: () => { app.fold("left", false); begin(row); } }, { text: "Delete", danger: true, run: () => remove(row) }] : [{ text: "Nothing is kept here yet", run: null }]);
    },
  };
})();
