/* The quiet line under each reply and the tools beside each question: attached to gr.Chatbot's n-th bubble, drawn from the rail. */
(() => {
  const app = window.chatapp;
  let editing = null;
  let scheduled = false;

  const tool = (label, icon, run, text = "") => app.button(label, icon, run, { text });
  const ticked = (button) => {
    const was = button.innerHTML;
    button.innerHTML = app.icons.check;
    setTimeout(() => { button.innerHTML = was; }, 1200);
  };

  const copyFrom = (row) => (event) => {
    const copies = row.querySelectorAll('.message-buttons button[title^="Cop"], .message-buttons button[aria-label^="Cop"]');
    copies[copies.length - 1]?.click();
    ticked(event.currentTarget);
  };

  /* Gradio's own button would copy a text with its tags escaped. Over plain http from afar there is no navigator.clipboard. */
  const copyText = (text) => (event) => {
    const box = app.el("textarea", { style: "position: fixed; opacity: 0" });
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
    event.currentTarget.focus();
    ticked(event.currentTarget);
  };

  function remove(slot) {
    const gone = (keep) => () => app.act("remove", { turn: slot.id, keep_children: keep });
    const answers = slot.last
      ? [{ text: "Delete", danger: true, run: gone(false) }]
      : [{ text: "Only this exchange", run: gone(true) }, { text: "This and all that follows", danger: true, run: gone(false) }];
    app.ask(slot.last ? "Delete this question and its reply?" : "Delete this exchange only, or also what follows it?", answers);
  }

  /* Out of the conversation, back into the box: the last exchange, or a message that waits. */
  function takeBack(slot, user) {
    const typed = app.$("#message").value;
    app.act("remove", { turn: slot.id, keep_children: true });
    app.fill(typed.trim() ? `${user.text}\n${typed}` : user.text);
  }

  function versions(slot) {
    const step = (label, icon, turn) => {
      const button = tool(label, icon, () => app.act("version", { turn }));
      button.disabled = !turn || !!app.rail.running;
      return button;
    };
    return app.el("span", { class: "versions", role: "group", "aria-label": "Versions" },
      step("Previous version", "left", slot.previous), app.el("span", {}, `${slot.at}/${slot.of}`), step("Next version", "right", slot.next));
  }

  function botLine(slot, row, user) {
    const line = app.el("div", { class: "line", "aria-live": "off" });
    if (slot.note) line.append(app.el("p", { class: slot.reason === "error" ? "note failed" : "note", role: "note" }, slot.note));
    const tools = app.el("span", { class: "tools" });
    if (!slot.running) {
      if (!slot.empty) tools.append(tool("Copy", "copy", slot.text ? copyText(slot.text) : copyFrom(row)));
      tools.append(tool("Regenerate", "retry", () => app.act("regenerate", { turn: slot.id })));
      if (slot.more && slot.last) tools.append(tool("Continue", "continue", () => app.act("continue", { turn: slot.id }), "Continue"));
      tools.append(tool("X-ray: what the model saw and did", "xray", () => app.xray.open(slot.id)));
      if (slot.last && slot.of === 1) tools.append(tool("Undo: take this exchange back", "undo", () => takeBack(slot, user)));
      tools.append(tool("Delete", "trash", () => remove(slot)));
    }
    if (slot.waiting) tools.append(tool("Take back", "undo", () => takeBack(slot, user), "Take back"));
    line.append(app.el("div", { class: "row" }, slot.of > 1 ? versions(slot) : null, tools,
      app.el("span", { class: "facts", title: slot.title }, slot.facts.join(" · "))));
    return line;
  }

  function userLine(user) {
    const line = app.el("div", { class: "line", "aria-live": "off" });
    const edit = () => { editing = { id: user.id, text: user.text }; sync(); };
    line.append(app.el("span", { class: "tools" }, tool("Copy", "copy", copyText(user.text)), tool("Edit", "edit", edit)));
    return line;
  }

  function editor(user) {
    const box = app.el("textarea", { "aria-label": "Edit the message", rows: 3 });
    box.value = editing.text;
    const close = () => { editing = null; sync(); };
    const save = () => { const text = box.value; if (!text.trim()) return; close(); app.act("edit", { turn: user.id, text }); };
    box.addEventListener("input", () => { editing.text = box.value; });
    box.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Escape") { event.stopPropagation(); close(); }
      if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); save(); }
    });
    const form = app.el("div", { class: "line editor" }, box, app.el("div", { class: "row" },
      app.el("span", { class: "hint" }, "The old version is kept"), app.el("span", { class: "spring" }),
      app.el("button", { type: "button", on: { click: close } }, "Cancel"), app.el("button", { type: "button", class: "primary", on: { click: save } }, "Send")));
    setTimeout(() => { box.focus(); box.setSelectionRange(box.value.length, box.value.length); }, 0);
    return form;
  }

  /* One line per bubble, made anew only when what it shows has changed. */
  function place(row, data, make, state) {
    const home = row.querySelector(".flex-wrap") || row;
    const old = home.querySelector(":scope > .line");
    const sign = data ? JSON.stringify([data, state]) : "";
    row.classList.toggle("editing", state === "editing");
    if (old && old.sign === sign) return;
    const held = old?.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    old?.remove();
    if (!data) return;
    const line = make();
    line.sign = sign;
    home.append(line);
    if (held) line.querySelector(`[aria-label="${CSS.escape(held)}"]`)?.focus();
  }

  function sync() {
    scheduled = false;
    const { users, bots, running } = app.rail;
    const bot = app.$("#bot");
    if (!bot || !bots) return;
    /* Gradio names each bubble by aria-label, which only an element with a role may carry. */
    bot.querySelectorAll("[data-testid][aria-label]:not([role])").forEach((bubble) => bubble.setAttribute("role", "group"));
    bot.querySelectorAll(".user-row").forEach((row, n) => {
      const open = users[n] && editing?.id === users[n].id;
      place(row, users[n], () => (open ? editor(users[n]) : userLine(users[n])), open ? "editing" : !!running);
    });
    bot.querySelectorAll(".bot-row").forEach((row, n) => {
      row.classList.toggle("awaiting", !!bots[n]?.running && bots[n].empty && !bots[n].waiting);
      row.classList.toggle("inline", !!bots[n]?.waiting);
      row.classList.toggle("writing", !!bots[n]?.running && !bots[n].empty);
      place(row, bots[n], () => botLine(bots[n], row, users[n]), !!running);
    });
  }
  const later = () => { if (!scheduled) { scheduled = true; requestAnimationFrame(sync); } };

  app.on("rail", (rail) => {
    if (!rail.nonce) return;
    document.body.classList.toggle("empty", !rail.leaf);
    document.body.classList.remove("starting");
    const watching = app.$("#bot");
    if (watching && !watching.watched) {
      watching.watched = true;
      new MutationObserver(later).observe(watching, { childList: true, subtree: true });
    }
    later();
  });
})();
