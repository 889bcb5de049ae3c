/* The conversation: a row for each exchange, its reply block by block, and under it the quiet line with its tools. */
(() => {
  const app = window.chatapp;
  const { fill, place } = app.blocks;
  const { show, folded, split, join } = app.attached;
  const nodes = new Map();
  let editing = null;
  let following = true;
  let top = 0;

  const bot = () => app.$("#bot");
  function close(id) {
    editing = null;
    if (app.view.rows[id]) draw(id); // another version may stand in its place by now
  }

  function edit(row) {
    editing = { id: row.id, ...split(row.user) };
    draw(row.id);
  }

  /* Of the words; files that came with them stay. */
  function editorOf(row) {
    const { words, files } = editing;
    const made = app.under.editor(words, {
      typed: (text) => {
        editing.words = text;
      },
      save: async (text) => {
        if (await app.act("edit", { turn: row.id, text: join(text, files) })) close(row.id);
      },
      close: () => close(row.id),
      bare: files.length > 0,
    });
    made.prepend(...files.map(folded));
    return made;
  }

  function earlier(said) {
    const words = app.el("div", { class: `${said.role === "user" ? "user" : "bot markdown"} message`, dir: "auto" });
    if (said.role === "user") show(words, said.text);
    else fill(words, said.blocks);
    return app.el("div", { class: said.role === "user" ? "user-row" : "bot-row" }, words);
  }

  function make(id) {
    const row = app.view.rows[id];
    const node = app.el("article", { class: "exchange", "data-turn": id });
    node.append(...row.history.map(earlier));
    node.asked = app.el("div", { class: "user message", dir: "auto" });
    node.said = app.el("div", { class: "bot markdown message" });
    node.append(app.el("div", { class: "user-row" }, node.asked), app.el("div", { class: "bot-row" }, node.said));
    nodes.set(id, node);
    return node;
  }

  /* One line for each side, made anew only when what it shows has changed; the button that had the focus keeps it. */
  function attach(home, sign, build) {
    const old = home.querySelector(":scope > .line");
    if (old?.sign === sign) return;
    const held = old?.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    old?.remove();
    const node = build();
    node.sign = sign;
    home.append(node);
    if (held) node.querySelector(`[aria-label="${CSS.escape(held)}"]`)?.focus();
  }

  function draw(id, blocks = null) {
    const node = nodes.get(id) || make(id);
    const row = app.view.rows[id];
    const { line } = row;
    const last = id === app.view.leaf;
    const [asked, said] = [node.asked.parentElement, node.said.parentElement];
    const open = editing?.id === id;
    if (node.shown !== row.user) show(node.asked, row.user);
    node.shown = row.user;
    if (blocks) for (const [index, html] of blocks) place(node.said, index, html);
    else fill(node.said, row.blocks);
    asked.classList.toggle("editing", open);
    said.classList.toggle("awaiting", line.running && line.empty && line.position === null);
    said.classList.toggle("inline", line.position !== null);
    said.classList.toggle("writing", line.running && !line.empty);
    node.classList.toggle("looked-at", app.xray?.turn === id);
    attach(asked, open ? "editing" : row.user, () => (open ? editorOf(row) : app.under.user(row, () => edit(row))));
    const about = [{ ...line, facts: null }, last, line.of > 1 && !!app.view.running, app.known().length];
    attach(said, JSON.stringify(about), () => app.under.reply(row, last));
    app.under.tell(said, line);
  }

  function drawAll(view) {
    const home = app.$(".messages", bot());
    document.body.classList.toggle("empty", !view.leaf);
    document.body.classList.remove("starting");
    for (const [id, node] of nodes) {
      if (!view.order.includes(id)) {
        node.remove();
        nodes.delete(id);
      }
    }
    view.order.forEach((id, n) => {
      const known = nodes.get(id);
      draw(id);
      if (home.children[n] !== (known || nodes.get(id))) home.insertBefore(nodes.get(id), home.children[n] ?? null);
    });
    if (view.opened) following = true;
    scroll();
  }

  /* The end stays in view while a reply is written, until the reader scrolls up, and again when they come back to it. */
  function scroll() {
    const box = bot();
    if (following) box.scrollTop = box.scrollHeight;
    top = box.scrollTop;
    app.$("#to-end").hidden = following || box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  }

  function watchReader() {
    const box = bot();
    new ResizeObserver(scroll).observe(app.$(".messages", box)); // a reply grew, or what came into sight has its true height
    const away = () => {
      following = false;
    };
    box.addEventListener("wheel", (event) => event.deltaY < 0 && away(), { passive: true });
    box.addEventListener("keydown", (event) => ["PageUp", "Home", "ArrowUp"].includes(event.key) && away());
    box.addEventListener(
      "scroll",
      () => {
        const left = box.scrollHeight - box.scrollTop - box.clientHeight;
        if (box.scrollTop < top - 1 && left > 4) away();
        else if (left < 4) following = true;
        top = box.scrollTop;
        app.$("#to-end").hidden = following || left < 40;
      },
      { passive: true },
    );
  }

  /* A screen reader hears a reply once, when it is whole, not ten times a second. */
  let heard = null;
  function announce(view) {
    if (view.running) heard = view.running;
    else if (heard && view.rows[heard]) {
      app.$("#announcer").textContent = app.under.answer(view.rows[heard].text).slice(0, 400) || "The reply is empty.";
      heard = null;
    }
  }

  app.on("begin", watchReader);
  /* What is still shown belongs to another conversation until the answer comes. */
  app.on("moved", (view) => {
    editing = null;
    following = true;
    document.body.classList.toggle("opening", !!view.conversation);
  });
  app.on("path", (view) => {
    document.body.classList.remove("opening");
    drawAll(view);
    announce(view);
  });
  app.on("grown", ({ id, blocks }) => {
    if (!nodes.has(id)) return;
    draw(id, blocks); // what makes it longer is followed by watchReader, without measuring the page once more
  });
  app.on("sent", () => {
    following = true;
  });
  app.on("xray", () => {
    for (const [id, node] of nodes) node.classList.toggle("looked-at", app.xray.turn === id);
  });

  app.editLast = () => {
    const row = app.view.rows[app.view.leaf];
    if (!row || row.line.running) return;
    edit(row);
  };

  app.commands = {
    ...app.commands,
    "to-end": () => {
      following = true;
      scroll();
    },
  };
})();
