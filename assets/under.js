/* What stands under a message: versions, tools, facts, notes; and the editor that takes a question's place. */
(() => {
  const app = window.chatapp;

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

  /* Of a reply as it is now: its line may have been drawn for an earlier row, while its words were still coming. */
  const now = ({ id }) => answer(app.view.rows[id].text);

  /* Back into its conversation, also when another one is shown by then. */
  const restoring = (turn, conversation, temporary) => () => {
    if (app.view.conversation && app.view.conversation !== conversation) app.open(conversation, temporary);
    return app.act("restore", { turn, conversation, temporary });
  };

  function remove(row, last) {
    const gone = (keep) => async () => {
      const undo = restoring(row.id, app.view.conversation, !!app.temporary);
      if (!(await app.act("remove", { turn: row.id, keep_children: keep }))) return;
      app.toast(keep || last ? "The exchange was deleted." : "The exchange and what followed were deleted.", {
        action: "Undo",
        ms: 8000,
        click: undo,
      });
    };
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
    if (await app.act("remove", { turn: row.id, keep_children: true })) app.bringBack(row.user);
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

  /* What can be learned about a reply. */
  function looks(row) {
    const compare = () => {
      location.href = `./compare?${new URLSearchParams({ turn: row.id })}`;
    };
    const xray = tool("X-ray: what the model saw and did", "xray", () => app.xray.open(row.id), "X-ray");
    const code = () => app.asCode("code", { turn: row.id }, "This reply");
    /* Its words stay in this tab: an address is kept, and a temporary chat is not to be. */
    const classify = () => {
      app.store.set("classify.given", now(row), sessionStorage);
      location.href = "./classify";
    };
    const more = [
      tool("Compare with other settings", "columns", compare),
      tool("Classify this reply", "tag", classify),
      tool("Copy as code", "code", code),
    ];
    return row.line.empty ? [xray] : [xray, ...more];
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
          copier(() => now(row)),
        ),
      );
    made.append(tool("Regenerate", "retry", () => app.regenerate(row)));
    if (app.known().length > 1) made.append(tool("Regenerate with another model", "cube", (event) => app.regenerateWith(row, event)));
    if (line.more && last) made.append(tool("Continue", "continue", () => app.act("continue", { turn: row.id }), "Continue"));
    made.append(...looks(row));
    if (last && line.of === 1) made.append(tool("Undo: take this exchange back", "undo", () => takeBack(row)));
    made.append(tool("Delete", "trash", () => remove(row, last)));
    return made;
  }

  const told = ({ facts }) => facts.join(" · ");

  /* The facts change while a reply is written; the line that holds them stays. */
  function tell(home, line) {
    const facts = home.querySelector(":scope > .line .facts");
    if (facts.textContent !== told(line)) facts.textContent = told(line);
  }

  function replyLine(row, last) {
    const { line } = row;
    const node = app.el("div", { class: "line" });
    if (line.note) node.append(app.el("p", { class: line.reason === "error" ? "note failed" : "note", role: "note" }, line.note));
    const details = [app.date(row.created), line.title];
    const facts = app.el("span", { class: "facts", title: details.filter(Boolean).join(" · ") }, told(line));
    node.append(app.el("div", { class: "row" }, line.of > 1 ? versions(line) : null, tools(row, last), facts));
    return node;
  }

  function userLine(row, edit) {
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
    return app.el("div", { class: "line" }, made, app.el("time", { title: app.date(row.created) }, app.moment(row.created)));
  }

  function caretAtEnd(box) {
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }

  /* `typed` hears every change, `save` gets the text, `close` leaves without one; with `bare` the text may be empty. */
  function editor(text, { typed, save, close, bare = false }) {
    const box = app.el("textarea", { "aria-label": "Edit the message", rows: 3, dir: "auto" });
    box.value = text;
    const send = () => (bare || box.value.trim()) && save(box.value);
    box.addEventListener("input", () => typed(box.value));
    box.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Escape") {
        event.stopPropagation();
        close();
      }
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        send();
      }
    });
    const buttons = [
      app.el("span", { class: "hint" }, "The old version is kept"),
      app.el("span", { class: "spring" }),
      app.el("button", { type: "button", on: { click: close } }, "Cancel"),
      app.el("button", { type: "button", class: "primary", on: { click: send } }, "Send"),
    ];
    setTimeout(() => caretAtEnd(box), 0);
    return app.el("div", { class: "line editor" }, box, app.el("div", { class: "row" }, ...buttons));
  }

  app.under = { reply: replyLine, tell, user: userLine, editor, answer, tool, copier };
})();
