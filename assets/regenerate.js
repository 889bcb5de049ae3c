/* Another version of a reply; and why it came out the same, where it did. */
(() => {
  const app = window.chatapp;
  let asked = null;

  app.regenerate = async (row, model = "") => {
    const cause = !model && app.values.repeats(app.settings.read().settings);
    const done = await app.act("regenerate", { turn: row.id, model });
    if (!done) return;
    asked = { turn: done.turn, text: row.text, cause };
    compare(app.view);
  };

  function compare(view) {
    const row = asked && view.rows[asked.turn];
    if (!row || row.line.running) return;
    const { text, cause } = asked;
    asked = null;
    if (text && row.text === text && cause) say(row, cause);
  }

  function say(row, cause) {
    const words = `The new version is word for word the old one: ${cause}.`;
    if (!cause.startsWith("seed")) {
      app.toast(`${words} Raise it for another reply.`, { ms: 12000 });
      return;
    }
    const anew = () => {
      app.settings.put("seed", "");
      app.regenerate(row);
    };
    app.toast(`${words} Empty the seed for another reply.`, { action: "Empty it and regenerate", click: anew, ms: 12000 });
  }

  /* A version by another model, beside this one; the conversation keeps its own. */
  app.regenerateWith = (row, event) => {
    event.stopPropagation(); // a click elsewhere closes menus
    const entry = ({ id, label }) => ({ text: `With ${label}`, run: () => app.regenerate(row, id) });
    app.menu(event.currentTarget, app.known().map(entry));
  };

  app.on("path", compare);
})();
