/* The page's one object. Values come from Python over wires, events go back over them; nothing else talks to the server. */
(() => {
  const app = Object.assign(window.chatapp, { rail: { users: [], bots: [] }, side: {}, meter: {}, status: {}, pending: null });
  const listeners = {};
  const triggers = {};
  const unheard = {};
  let counter = 0;
  let latest = 0;

  app.on = (name, heard) => (listeners[name] ||= []).push(heard);
  app.tell = (name) => (listeners[name] || []).forEach((heard) => heard(app[name]));
  /* The first that is ours: a message may hold <div id="message">, and must not be taken for the box. */
  app.$ = (selector, root = document) => [...root.querySelectorAll(selector)].find((node) => !node.closest("#bot .prose")) ?? null;
  app.store = {
    get: (key, kind = localStorage) => { try { return JSON.parse(kind.getItem("chatapp." + key)); } catch { return null; } },
    set: (key, value, kind = localStorage) => {
      try { value === null || value === "" ? kind.removeItem("chatapp." + key) : kind.setItem("chatapp." + key, JSON.stringify(value)); } catch { /* private mode, full */ }
    },
  };
  /* What somebody wrote is kept under their login, as others may use this browser after them. Known once the status has a tab. */
  app.mine = (key) => (app.status.login ? app.status.login + "." : "") + key;

  app.wire = (name, event, props, watch, trigger) => {
    const take = () => {
      const value = JSON.parse(props.value || "{}");
      if (name === "rail" && value.nonce && order(value.nonce) < latest) return outrun();
      app[name] = value;
      if (value.nonce && order(value.nonce) >= unheard[name]?.order) delete unheard[name];
      app.tell(name);
    };
    triggers[name] = (payload) => {
      if (payload.nonce) unheard[name] = { order: order(payload.nonce), since: Date.now() };
      trigger(event, payload);
      if (name !== "status") triggers.status?.({});
    };
    watch("value", take);
    take();
    if (Object.keys(triggers).length === 4) setTimeout(start, 0);
  };

  const nonce = () => `${Date.now().toString(36)}.${++counter}`;
  const order = (id) => Number(id.split(".")[1]);
  /* An older event's last view came after the newest event's, and the transcript came with it. */
  const outrun = () => { if (app.rail.nonce && order(app.rail.nonce) === latest) app.act("refresh"); };
  /* The newest act decides what is shown: views of older ones that are still on their way are ignored. One that comes while a
     message is being handed over waits for that, so that no answer is missed. */
  app.act = (action, more = {}) => {
    if (app.pending) { setTimeout(() => app.act(action, more), 50); return null; }
    const id = nonce();
    latest = order(id);
    triggers.rail?.({ do: action, conversation: app.rail.conversation, leaf: app.rail.leaf, temporary: !!app.temporary, query: app.query || "", nonce: id, ...more });
    return id;
  };
  app.manage = (action, more = {}) => {
    const id = nonce();
    triggers.side?.({ do: action, query: app.query || "", nonce: id, ...more });
    return id;
  };
  app.measure = (text) => triggers.meter?.({ conversation: app.rail.conversation, leaf: app.rail.leaf, text });

  app.el = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (key === "icon") node.innerHTML = app.icons[value];
      else if (key === "on") for (const [event, heard] of Object.entries(value)) node.addEventListener(event, heard);
      else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  };
  app.button = (label, icon, click, { text = "", kind = "quiet" } = {}) => {
    const node = app.el("button", { type: "button", class: kind, "aria-label": label, title: label, icon, on: { click } });
    if (text) node.append(app.el("span", {}, text));
    return node;
  };

  app.toast = (text, { action = "", click = null, ms = 5000 } = {}) => {
    const node = app.el("div", { class: "toast" }, app.el("span", {}, text));
    const away = () => node.remove();
    if (action) node.append(app.el("button", { type: "button", on: { click: () => { away(); click(); } } }, action));
    app.$("#toasts").append(node);
    setTimeout(away, ms);
  };

  app.ask = (text, answers) => {
    const dialog = app.$("#question");
    app.$("#question-text").textContent = text;
    const choose = (run) => () => { dialog.close(); run?.(); };
    app.$(".answers", dialog).replaceChildren(...[...answers, { text: "Cancel" }].map((answer) =>
      app.el("button", { type: "button", class: answer.danger ? "danger" : "", on: { click: choose(answer.run) } }, answer.text)));
    dialog.showModal();
  };

  /* Where the next message goes changes at once; what is shown follows with the answer. */
  app.open = (conversation, temporary = false) => {
    if (app.pending) { setTimeout(app.open, 50, conversation, temporary); return; }
    app.temporary = temporary;
    app.rail = conversation ? { ...app.rail, conversation, leaf: null } : { ...app.rail, conversation: null, leaf: null, running: null, temporary, users: [], bots: [] };
    app.act("open", { conversation, leaf: null });
  };
  app.fresh = (temporary = false) => {
    app.open(null, temporary);
    app.phone() && app.fold("left", true);
    app.$("#message")?.focus();
  };
  app.phone = () => innerWidth < 768;

  /* Address: ?c= follows the conversation shown; Back and Forward open what they name. A temporary chat has no address. */
  const address = () => new URL(location).searchParams.get("c");
  let known = false;
  app.on("rail", (rail) => {
    if (!rail.nonce) return;
    const url = new URL(location), now = rail.temporary ? null : rail.conversation || null, was = address();
    app.temporary = rail.temporary;
    now ? url.searchParams.set("c", now) : url.searchParams.delete("c");
    if (now !== was) known && !app.travelling ? history.pushState(null, "", url) : history.replaceState(null, "", url);
    app.travelling = false;
    known = true;
  });
  window.addEventListener("popstate", () => { app.travelling = true; app.open(address()); });

  function start() {
    let last = Date.now();
    /* First the event that holds Gradio's stream to this tab open while something is done in it. Gradio drops an event that comes
       before it listens, so this asks until there is an answer; everything else comes after it. */
    const begin = () => {
      if (app.status.tab) return;
      if (app.$("#message") && app.$("#bot")) triggers.status({});
      setTimeout(begin, 100);
    };
    app.on("status", (status) => {
      if (!status.tab || app.begun) return;
      app.begun = true;
      app.tell("meter");
      app.open(address());
    });
    begin();
    const refresh = () => {
      if (document.hidden || Date.now() - last < 1000 || app.pending) return;
      last = Date.now();
      app.act("refresh");
      triggers.status({});
    };
    window.addEventListener("focus", refresh);
    document.addEventListener("visibilitychange", refresh);
    /* Gradio may close the stream while an answer is on its way; the next event opens it again, and the answer comes. */
    setInterval(() => {
      if (Object.values(unheard).some(({ since }) => Date.now() - since > 1500)) {
        Object.values(unheard).forEach((one) => { one.since = Date.now(); });
        app.manage("list");
      }
    }, 500);
    /* A view that stands still while a reply runs: the connection was cut. Ask again. */
    app.on("rail", () => { last = Date.now(); });
    setInterval(() => { if (app.rail.running && Date.now() - last > 8000) refresh(); }, 2000);
  }
})();
