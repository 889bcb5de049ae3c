/* What is shown, and what is done: actions go through the door, and one watch brings back what changed. */
(() => {
  const app = window.chatapp;
  const POLL = 4000;
  let watching = new AbortController();
  let timer = 0;
  let pace = 0.005;
  let lost = 0;
  let moves = 0;

  app.view = { ...app.NOTHING };
  app.list = { rows: [], total: 0, sign: "" };
  app.model = { sign: "" };
  app.query = "";
  /* What somebody wrote is kept under their login, as others may use this browser after them. Known with the first news. */
  app.mine = (key) => (app.model.login ? `${app.model.login}.${key}` : key);
  app.shown = 100;

  /* From here on: everything that the page lacks, then whatever changes, until nothing runs; then a look every few seconds. */
  app.watch = async () => {
    watching.abort();
    clearTimeout(timer);
    watching = new AbortController();
    const { signal } = watching;
    const asked = { conversation: app.view.conversation, have: app.view.version, model: app.model.sign, list: app.list.sign };
    Object.assign(asked, { query: app.query, rows: app.shown, tick: pace, pick: app.answering() || "" });
    try {
      await app.lines("watch", asked, (news) => signal.aborted || take(news), signal);
      if (!signal.aborted) later(POLL);
    } catch (error) {
      if (!signal.aborted) missed(error);
    }
  };

  const later = (ms) => {
    timer = setTimeout(() => (document.hidden ? null : app.watch()), ms);
  };

  /* No answer: say so once, keep everything, ask again by itself. */
  function missed(error) {
    lost += 1;
    if (lost === 2 || !error.lost) app.tell("lost", error.message);
    later(Math.min(8000, 250 * 2 ** lost));
  }

  function take(news) {
    if (lost) app.tell("lost", "");
    lost = 0;
    const began = performance.now();
    if (news.model) {
      app.model = news.model;
      app.tell("model", news.model);
    }
    if (news.list) {
      app.list = news.list;
      app.tell("list", news.list);
    }
    if (news.path) takePath(news.path);
    if (news.grown) takeGrown(news.grown, began);
  }

  function takePath(path) {
    if (path.missing) return gone();
    app.view = app.viewed(app.view, path);
    if (path.conversation) app.temporary = path.temporary;
    app.tell("path", app.view);
    if (path.unsaved) app.tell("unsaved", path.unsaved);
  }

  function takeGrown(grown, began) {
    const row = app.view.rows[grown.id];
    if (!row) return;
    app.grow(row, grown);
    app.tell("grown", grown);
    if (grown.unsaved) app.tell("unsaved", grown.unsaved);
    /* The next watch asks for views no quicker than a fifth of the time can draw. */
    pace = 0.9 * pace + 0.1 * Math.min(0.5, (5 * (performance.now() - began)) / 1000);
  }

  /* A temporary chat that the server gave up stays to be read; the next message says why it cannot go on. */
  function gone() {
    if (app.temporary) return;
    app.toast("That conversation was not found: it was deleted, or it belongs to somebody else.", { failed: true });
    app.view.conversation = null;
    follow("replaceState");
    app.open(null);
  }

  /* Where the next message goes changes at once; what is shown follows with the answer. */
  app.open = (conversation, temporary = false) => {
    moves += 1;
    app.temporary = temporary;
    app.view = { ...app.NOTHING, conversation, version: conversation ? "" : "new" };
    app.tell("moved", app.view);
    if (!conversation) app.tell("path", { ...app.view, changed: [], opened: true });
    return app.watch();
  };

  app.fresh = (temporary = false) => {
    app.open(null, temporary);
    if (app.phone()) app.fold("left", true);
    app.$("#message")?.focus();
  };

  /* The turn that began is shown, or another conversation is, or the connection is lost. */
  const shown = (turn, at) =>
    new Promise((done) => {
      const look = () => (at !== moves || lost || app.view.order.includes(turn) ? done() : setTimeout(look, 10));
      look();
    });

  /* Do something; what it changed comes with the watch. Null where it was refused, which is said. `app.doing` counts what is under way. */
  app.doing = 0;
  app.act = async (action, more = {}) => {
    app.doing += 1;
    const done = await act(action, more);
    app.doing -= 1;
    return done;
  };

  async function act(action, more) {
    const at = moves;
    const asked = { do: action, conversation: app.view.conversation, temporary: !!app.temporary, ...app.settings.read(), ...more };
    if (action === "send") {
      asked.leaf = app.view.leaf;
      if (!app.view.conversation) asked.model = app.picked;
    }
    try {
      const done = await app.post("chat", asked);
      if (at === moves && done.conversation) app.view.conversation = done.conversation;
      follow();
      app.watch();
      if (done.turn) await shown(done.turn, at);
      return done;
    } catch (error) {
      app.failed(error);
      return null;
    }
  }

  /* Something about whole conversations. */
  app.manage = async (action, more = {}) => {
    app.doing += 1;
    let done = true;
    try {
      await app.post("manage", { do: action, ...more });
      app.watch();
    } catch (error) {
      done = false;
      app.failed(error);
    }
    app.doing -= 1;
    return done;
  };

  app.measure = async (text) => {
    const { system, settings } = app.settings.read();
    try {
      app.tell(
        "meter",
        await app.post("measure", { conversation: app.view.conversation, text, system, settings, model: app.answering() || "" }),
      );
    } catch {
      app.tell("meter", {}); // the meter is a convenience: whatever is wrong, Send will say
    }
  };

  /* Address: ?c= names where the next message goes, at once, so that Back never leaves out what was opened; Back and Forward open what
     they name. A temporary chat has no address; a dead one does not stay behind. */
  const address = () => new URL(location).searchParams.get("c");
  function follow(step = "pushState") {
    const url = new URL(location);
    const now = app.temporary ? null : app.view.conversation;
    if (now === address()) return;
    if (now) url.searchParams.set("c", now);
    else url.searchParams.delete("c");
    history[step](null, "", url);
  }
  app.on("moved", () => follow());
  app.on("path", () => follow());
  window.addEventListener("popstate", () => app.open(address()));

  const look = () => {
    if (!document.hidden && app.begun) app.watch();
  };
  window.addEventListener("focus", look);
  window.addEventListener("online", look);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && !app.view.running) watching.abort();
    look();
  });
  /* A temporary chat is gone with the page. */
  window.addEventListener("beforeunload", (event) => {
    if (app.temporary && app.view.conversation) event.preventDefault();
  });

  /* Called by the page's own markup once it stands. */
  app.begin = () => {
    app.begun = true;
    app.tell("begin");
    app.open(address());
  };
})();
