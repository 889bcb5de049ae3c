/* The conversation: a row for each exchange, its reply block by block, and under it the quiet line with its tools. */
(() => {
  const app = window.chatapp;
  const nodes = new Map();
  let editing = null;
  let following = true;
  let top = 0;

  const bot = () => app.$("#bot");
  const tool = (label, icon, run, text = "") => app.button(label, icon, run, { text });
  const copier = (text) => (event) => {
    const button = event.currentTarget;
    const was = button.innerHTML;
    app.copy(text());
    button.innerHTML = app.icons.check;
    setTimeout(() => {
      button.innerHTML = was;
    }, 1200);
  };

  /* Words after the model's reasoning: what somebody wants who copies an answer. */
  const answer = (text) => text.replace(/^[\s\S]*<\/think>\s*/, "");

  function remove(row, last) {
    const gone = (keep) => () => app.act("remove", { turn: row.id, keep_children: keep });
    const whole = [{ text: "Delete", danger: true, run: gone(false) }];
    const some = [
      { text: "Only this exchange", danger: true, run: gone(true) },
      { text: "This and all that follows", danger: true, run: gone(false) },
    ];
    if (last) app.ask("Delete this question and its reply?", whole);
    else app.ask("Delete this exchange only, or also what follows it?", some);
  }

  /* Out of the conversation, back into the box: the last exchange, or a message that waits. */
  async function takeBack(row) {
    const typed = app.$("#message").value;
    if (await app.act("remove", { turn: row.id, keep_children: true })) app.fill(typed.trim() ? `${row.user}\n${typed}` : row.user);
  }

  function versions(line) {
    const step = (label, icon, turn) => {
      const button = tool(label, icon, () => app.act("version", { turn }));
      button.disabled = !turn || !!app.view.running;
      return button;
    };
    const group = app.el("span", { class: "versions", role: "group", "aria-label": "Versions" });
    group.append(step("Previous version", "left", line.previous), `${line.at}/${line.of}`, step("Next version", "right", line.next));
    return group;
  }

  function tools(row, last) {
    const { line } = row;
    const made = app.el("span", { class: "tools" });
    if (line.position !== null) made.append(tool("Take back", "undo", () => takeBack(row), "Take back"));
    if (line.running) return made;
    if (!line.empty)
      made.append(
        tool(
          "Copy",
          "copy",
          copier(() => answer(row.text)),
        ),
      );
    made.append(tool("Regenerate", "retry", () => app.act("regenerate", { turn: row.id })));
    if (line.more && last) made.append(tool("Continue", "continue", () => app.act("continue", { turn: row.id }), "Continue"));
    made.append(tool("X-ray: what the model saw and did", "xray", () => app.xray.open(row.id), "X-ray"));
    if (last && line.of === 1) made.append(tool("Undo: take this exchange back", "undo", () => takeBack(row)));
    made.append(tool("Delete", "trash", () => remove(row, last)));
    return made;
  }

  function replyLine(row, last) {
    const { line } = row;
    const node = app.el("div", { class: "line" });
    if (line.note) node.append(app.el("p", { class: line.reason === "error" ? "note failed" : "note", role: "note" }, line.note));
    const facts = app.el("span", { class: "facts", title: line.title }, line.facts.join(" · "));
    node.append(app.el("div", { class: "row" }, line.of > 1 ? versions(line) : null, tools(row, last), facts));
    return node;
  }

  function userLine(row) {
    const edit = () => {
      editing = { id: row.id, text: row.user };
      draw(row.id);
    };
    const made = app.el(
      "span",
      { class: "tools" },
      tool(
        "Copy",
        "copy",
        copier(() => row.user),
      ),
      tool("Edit", "edit", edit),
    );
    return app.el("div", { class: "line" }, made);
  }

  function editor(row) {
    const box = app.el("textarea", { "aria-label": "Edit the message", rows: 3, dir: "auto" });
    box.value = editing.text;
    const close = () => {
      editing = null;
      draw(row.id);
    };
    const save = async () => {
      const text = box.value;
      if (!text.trim()) return;
      if (await app.act("edit", { turn: row.id, text })) close();
    };
    box.addEventListener("input", () => {
      editing.text = box.value;
    });
    box.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Escape") {
        event.stopPropagation();
        close();
      }
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        save();
      }
    });
    const cancel = app.el("button", { type: "button", on: { click: close } }, "Cancel");
    const send = app.el("button", { type: "button", class: "primary", on: { click: save } }, "Send");
    const hint = app.el("span", { class: "hint" }, "The old version is kept");
    setTimeout(() => {
      box.focus();
      box.setSelectionRange(box.value.length, box.value.length);
    }, 0);
    return app.el(
      "div",
      { class: "line editor" },
      box,
      app.el("div", { class: "row" }, hint, app.el("span", { class: "spring" }), cancel, send),
    );
  }

  /* Blocks that are as they were are not touched: a selection in them, an opened fold and a scrolled table stay. */
  function fill(home, blocks) {
    blocks.forEach((html, index) => place(home, index, html));
    while (home.children.length > blocks.length) home.lastChild.remove();
  }

  /* A block without HTML is gone; only last ones ever go. */
  function place(home, index, html) {
    if (html === "") {
      while (home.children.length > index) home.lastChild.remove();
      return;
    }
    while (home.children.length <= index) home.append(app.el("div", { class: "block" }));
    const block = home.children[index];
    if (block.html === html) return;
    const open = [...block.querySelectorAll("details")].map((fold) => fold.open);
    block.innerHTML = html;
    block.querySelectorAll("details").forEach((fold, n) => {
      if (n < open.length) fold.open = open[n];
    });
    block.querySelectorAll(".code-head:not(:has(button))").forEach((head) => head.append(copyCode()));
    block.html = html;
  }

  const copyCode = () => tool("Copy the code", "copy", (event) => copier(() => codeOf(event.currentTarget))(event));
  const codeOf = (button) => button.closest(".code").querySelector("code").textContent;

  function earlier(said) {
    const words = app.el("div", { class: `${said.role === "user" ? "user" : "bot markdown"} message`, dir: "auto" });
    if (said.role === "user") words.textContent = said.text;
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
    if (node.asked.textContent !== row.user) node.asked.textContent = row.user;
    if (blocks) blocks.forEach(([index, html]) => place(node.said, index, html));
    else fill(node.said, row.blocks);
    asked.classList.toggle("editing", open);
    said.classList.toggle("awaiting", line.running && line.empty && line.position === null);
    said.classList.toggle("inline", line.position !== null);
    said.classList.toggle("writing", line.running && !line.empty);
    node.classList.toggle("looked-at", app.xray?.turn === id);
    attach(asked, open ? "editing" : row.user, () => (open ? editor(row) : userLine(row)));
    attach(said, JSON.stringify([line, last, !!app.view.running]), () => replyLine(row, last));
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
      app.$("#announcer").textContent = answer(view.rows[heard].text).slice(0, 400) || "The reply is empty.";
      heard = null;
    }
  }

  app.on("begin", watchReader);
  app.on("moved", () => {
    editing = null;
    following = true;
  });
  app.on("path", (view) => {
    drawAll(view);
    announce(view);
  });
  app.on("grown", ({ id, blocks }) => {
    if (!nodes.has(id)) return;
    draw(id, blocks);
    scroll();
  });
  app.on("sent", () => {
    following = true;
  });
  app.on("xray", () => nodes.forEach((node, id) => node.classList.toggle("looked-at", app.xray.turn === id)));

  app.editLast = () => {
    const row = app.view.rows[app.view.leaf];
    if (!row || row.line.running) return;
    editing = { id: row.id, text: row.user };
    draw(row.id);
  };

  app.commands = {
    ...app.commands,
    "to-end": () => {
      following = true;
      scroll();
    },
  };
})();
