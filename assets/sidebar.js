/* The list of conversations: grouped by the reader's own days, renamed in place, driven by keyboard, longer as one scrolls. */
(() => {
  const app = window.chatapp;
  const PAGE = 100;
  let renaming = null;
  let wish = null;
  let drawn = "";

  /* Text with its hits in <mark>; built from text nodes, never from markup. */
  const marked = (text, ranges) => app.hits(text, ranges).map(([words, hit]) => (hit ? app.el("mark", {}, words) : words));

  const name = (row) => row.title || "Untitled";

  async function remove(row) {
    const open = row.id === app.view.conversation;
    if (!(await app.manage("delete", { id: row.id }))) return;
    if (open) app.fresh();
    const undo = async () => {
      if ((await app.manage("restore", { id: row.id })) && open) app.open(row.id);
    };
    app.toast(`“${name(row)}” was deleted.`, { action: "Undo", ms: 8000, click: undo });
  }

  const begin = (row) => {
    renaming = row.id;
    draw();
  };

  function field(row) {
    const input = app.el("input", { type: "text", class: "renaming", "aria-label": "Title", maxlength: "200", dir: "auto" });
    input.value = row.title;
    let ended = false;
    const end = (keep) => {
      if (ended) return;
      ended = true;
      renaming = null;
      const title = input.value.trim();
      if (keep && title && title !== row.title) {
        row.title = title;
        app.manage("rename", { id: row.id, title });
      }
      wish = row.id;
      draw();
    };
    input.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Enter") {
        event.preventDefault();
        end(true);
      }
      if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        end(false);
      }
    });
    input.addEventListener("blur", () => end(true));
    setTimeout(() => {
      input.focus();
      input.select();
    }, 0);
    return input;
  }

  function link(row, here) {
    const go = (event) => {
      if (event.ctrlKey || event.metaKey || event.button) return;
      event.preventDefault();
      app.open(row.id);
      if (app.phone()) app.fold("left", true);
    };
    const rename = (event) => {
      event.preventDefault();
      begin(row);
    };
    const attributes = { href: `?c=${encodeURIComponent(row.id)}`, class: "open", "data-id": row.id, "aria-current": here ? "page" : null };
    const title = app.el("span", { class: "title", dir: "auto" }, ...marked(name(row), row.title_ranges));
    const open = app.el(
      "a",
      { ...attributes, title: `${name(row)}\n${app.date(row.updated)}`, on: { click: go, dblclick: rename } },
      title,
    );
    if (row.snippet) open.append(app.el("span", { class: "snippet", dir: "auto" }, ...marked(row.snippet, row.snippet_ranges)));
    if (row.running) open.append(app.el("span", { class: "dot", title: "A reply is being written" }));
    return open;
  }

  const acts = (row) => [
    {
      label: row.pinned ? "Unpin" : "Pin",
      icon: "pin",
      on: row.pinned,
      run: () => app.manage(row.pinned ? "unpin" : "pin", { id: row.id }),
    },
    { label: "Rename", icon: "edit", run: () => begin(row) },
    { label: "Delete", icon: "trash", run: () => remove(row) },
  ];

  function item(row) {
    const here = row.id === app.view.conversation;
    const line = app.el("li", { class: [here ? "here" : "", row.running ? "busy" : ""].join(" ").trim() || null });
    if (renaming === row.id) {
      line.append(field(row));
      return line;
    }
    const tools = app.el("span", { class: "acts" });
    for (const act of acts(row))
      tools.append(app.button(`${act.label} ${name(row)}`, act.icon, act.run, { kind: act.on ? "quiet on" : "quiet" }));
    const menu = () => acts(row).map(({ label, run }) => ({ text: label, danger: label === "Delete", run }));
    const more = app.button(`More for ${name(row)}`, "more", () => app.menu(more, menu()), { kind: "quiet touch" });
    line.append(link(row, here), tools, more);
    return line;
  }

  function parts(rows) {
    const made = app
      .grouped(rows, { query: app.query })
      .flatMap(([title, list], n) => [
        app.el("h2", { id: `group-${n}` }, title),
        app.el("ul", { "aria-labelledby": `group-${n}` }, ...list.map(item)),
      ]);
    if (!rows.length)
      made.push(app.el("p", { class: "none" }, app.query ? `Nothing contains “${app.query}”.` : "Your conversations appear here."));
    const left = app.list.total - rows.length;
    if (left > 0)
      made.push(
        app.button(`Show more: ${left} older conversations`, "right", longer, {
          text: `${left.toLocaleString("en")} older`,
          kind: "quiet older",
        }),
      );
    return made;
  }

  function draw() {
    const nav = app.$("#conversations");
    if (!nav) return;
    const { rows } = app.list;
    /* Only when something it shows has changed: a list made anew between press and release would swallow the click. */
    const sign = JSON.stringify([
      app.list.sign,
      rows,
      app.view.title,
      app.query,
      app.view.conversation,
      !!app.temporary,
      renaming,
      new Date().getDate(),
    ]);
    if (sign === drawn && !wish) return;
    drawn = sign;
    const focused = wish || document.activeElement?.closest?.("#conversations .open")?.dataset.id;
    wish = null;
    nav.replaceChildren(...parts(rows));
    if (focused) nav.querySelector(`.open[data-id="${CSS.escape(focused)}"]`)?.focus();
    head();
  }

  const current = () => app.list.rows.find((one) => one.id === app.view.conversation);

  function titleOf(row) {
    if (app.temporary) return "Temporary chat";
    if (row) return name(row);
    return app.view.conversation ? app.view.title || app.$("#title").textContent : "New chat";
  }

  function head() {
    const title = titleOf(current());
    app.$("#title").textContent = title;
    document.title = title === "New chat" ? app.name : `${title} · ${app.name}`;
    app.$("#temporary-mark").hidden = !app.temporary;
    app.$('[data-do="temporary"]').setAttribute("aria-pressed", String(!!app.temporary));
    document.body.classList.toggle("temporary", !!app.temporary);
  }

  /* Older ones come as one scrolls. */
  let asking = false;
  async function longer() {
    if (asking || app.list.rows.length >= app.list.total) return;
    asking = true;
    app.shown = app.list.rows.length + PAGE;
    try {
      app.list = await app.post("list", { query: app.query, rows: app.shown });
      draw();
    } catch (error) {
      app.failed(error);
    }
    asking = false;
  }

  async function search(query) {
    app.query = query;
    app.shown = PAGE;
    try {
      const found = await app.post("list", { query, rows: app.shown });
      if (app.query !== query) return;
      app.list = found;
      draw();
    } catch (error) {
      app.failed(error);
    }
  }

  const drawUnlessRenaming = () => renaming || draw();
  app.on("path", drawUnlessRenaming);
  app.on("mounted", () => app.begun && head()); // Gradio gave the page its own title
  app.on("moved", drawUnlessRenaming);
  app.on("list", (list) => (list.query || "") === app.query && drawUnlessRenaming());
  app.on("begin", () => {
    app.$("#conversations").addEventListener("scroll", ({ target }) => {
      if (target.scrollHeight - target.scrollTop - target.clientHeight < 400) longer();
    });
  });

  let timer = 0;
  document.addEventListener("input", (event) => {
    if (event.target.id !== "search") return;
    clearTimeout(timer);
    timer = setTimeout(() => search(event.target.value.trim()), 150);
  });

  /* ↑ ↓ walk the list, F2 renames, Delete deletes; Escape leaves the search. */
  function inSearch(event) {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      app.$("#conversations .open")?.focus();
    }
    if (event.key === "Escape") {
      event.target.value = "";
      search("");
      app.$("#message").focus();
    }
  }

  function inList(event, open) {
    const all = [...document.querySelectorAll("#conversations .open")];
    const at = all.indexOf(open);
    const row = app.list.rows.find((one) => one.id === open.dataset.id);
    const does = {
      ArrowDown: () => (all[at + 1] || longer())?.focus?.(),
      ArrowUp: () => (all[at - 1] || app.$("#search")).focus(),
      F2: () => begin(row),
      Delete: () => {
        wish = all[at + 1]?.dataset.id || all[at - 1]?.dataset.id;
        remove(row);
      },
    };
    if (!does[event.key]) return;
    event.preventDefault();
    does[event.key]();
  }

  document.addEventListener("keydown", (event) => {
    if (event.target.id === "search") return inSearch(event);
    const open = event.target.closest?.("#conversations .open");
    return open ? inList(event, open) : null;
  });

  /* What can be done with one conversation: Pin, Rename, Delete. */
  app.acts = acts;

  app.shortcut("Conversations", "Ctrl+Shift+O", "New chat", () => app.fresh());
  app.shortcut("Conversations", "Ctrl+K", "Search all conversations", () => {
    app.fold("left", false);
    app.$("#search").focus();
  });
  app.shortcut("Conversations", "ArrowUp ArrowDown", "Walk the list");
  app.shortcut("Conversations", "F2", "Rename the conversation in focus");
  app.shortcut("Conversations", "Delete", "Delete it; Undo brings it back");
})();
