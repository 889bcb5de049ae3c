/* X-ray: the drawer beside the chat and the page /xray.
   One question goes to the server for each view; everything drawn comes from its answer. */
(() => {
  const app = window.chatapp;
  const { xray } = app;
  Object.assign(xray, { views: {}, view: "prompt", data: {}, asked: {} });
  const TABS = app.xrayTabs;
  let opener = null;
  const asking = {};
  /* Answers that came to their end: one that was left on its way is asked for again. */
  const complete = new WeakSet();

  /* The page /xray without a reply in its address. */
  xray.empty = () => {
    frame();
    app.$("#xray-about").textContent = "Open X-ray from a reply: the icon under it leads here.";
  };

  /* An answer comes in lines. Leaving the view, or asking the same again, ends the reading and with it the work. */
  const read = async (door, view, question) => {
    asking[view]?.abort();
    asking[view] = new AbortController();
    const { signal } = asking[view];
    let soFar = { offer: view === "load" ? question.model : "" };
    const heard = (line) => {
      if (line.words && !soFar.words) app.tell("look"); // long work stands in the tray, too
      soFar = { ...soFar, ...line, words: line.words };
      const data = line.data || line.done ? soFar.data : null;
      if (line.done && data) complete.add(data);
      queueMicrotask(() => signal.aborted || receive({ ...line, view, data }));
    };
    try {
      await app.lines(door, { turn: xray.turn, ...question }, heard, signal);
    } catch (error) {
      const words = error.lost ? "The connection to the server was lost. Choose the view again to ask once more." : error.message;
      queueMicrotask(() => signal.aborted || failed({ view, error: words, offer: soFar.offer, anyway: soFar.anyway }));
    }
  };
  xray.ask = (view, asked = {}) => {
    const temporary = app.temporary ? app.view.conversation : null;
    return read("xray", view, { view, temporary, anyway: xray.anyway === xray.turn, asked });
  };
  xray.load = (model) => {
    status(`Loading ${app.brief(model)}`);
    return read("xray-load", "load", { model });
  };

  /* Its parts come after this file: until they are there, lazy-xray.js goes on to open and close. */
  const waiting = { open: xray.open, close: xray.close };
  const whole = () => !!xray.say;

  xray.open = (turn, view = xray.view) => {
    if (!whole()) return waiting.open(turn, view);
    if (turn !== xray.turn) xray.data = {};
    const from = document.activeElement;
    if (!xray.turn) opener = from;
    xray.turn = turn;
    app.tell("xray");
    document.body.classList.add("xraying");
    frame();
    xray.show(view);
    requestAnimationFrame(() => from?.closest?.(".line")?.scrollIntoView({ block: "nearest" })); // narrower, the chat is longer
    if (!xray.whole()) app.$("#xray-root [aria-selected=true]")?.focus({ preventScroll: true });
  };
  xray.close = () => {
    if (!whole()) return waiting.close();
    document.body.classList.remove("xraying");
    xray.turn = null;
    app.tell("xray");
    leave();
    address();
    (opener?.isConnected && opener !== document.body ? opener : app.$("#message"))?.focus();
  };

  function leave() {
    for (const one of Object.values(asking)) one.abort();
  }

  xray.show = (wanted) => {
    const view = TABS.some((tab) => tab.name === wanted) ? wanted : "prompt";
    xray.view = view;
    leave();
    address();
    document.querySelectorAll("#xray-root [role=tab]").forEach((tab) => {
      const here = tab.dataset.view === view;
      tab.setAttribute("aria-selected", String(here));
      tab.tabIndex = here ? 0 : -1;
      if (here) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    app.$("#xray-about").replaceChildren(...xray.say(TABS.find((tab) => tab.name === view).about));
    app.$("#xray-body").replaceChildren();
    app.$("#xray-body").setAttribute("aria-labelledby", `xray-tab-${view}`);
    xray.root().parentElement.scrollTop = 0;
    const known = complete.has(xray.data[view]) ? xray.data[view] : null;
    unsure(known);
    if (known) xray.views[view].draw(known, app.$("#xray-body"), true);
    else xray.ask(view, { ...xray.views[view].params?.(), ...xray.asked[view] });
    status(known ? "" : "Asking the server");
  };

  function address() {
    const url = new URL(location),
      name = xray.whole() ? "turn" : "xray";
    xray.turn ? url.searchParams.set(name, xray.turn) : url.searchParams.delete(name);
    xray.turn ? url.searchParams.set("view", xray.view) : url.searchParams.delete("view");
    history.replaceState(null, "", url);
  }

  function receive(value) {
    if (value.words) status(value.words, value.share, value.view);
    if (value.done) status("", undefined, value.view);
    if (!value.data) return;
    unsure(value.data);
    if (value.view === xray.view) {
      app.$("#xray-body .x-why")?.remove();
      xray.data[value.view] = value.data;
      xray.views[value.view].draw(value.data, app.$("#xray-body"), value.done);
    } else if (value.view === "load") {
      if (!value.done) return;
      xray.data = {}; // what the views said without it
      xray.again();
    } else xray.views[xray.view].also?.(value.view, value.data, value.done);
  }
  xray.again = (params = null) => {
    delete xray.data[xray.view];
    if (params) xray.asked[xray.view] = params;
    xray.show(xray.view);
  };

  /* What is said beside the button that asked a further question; in the status line where the view has no place for it. */
  const placeOf = (question) => app.$(`#xray-body .x-here[data-question="${question}"]`);
  xray.here = (question, ...nodes) => placeOf(question)?.replaceChildren(...nodes);

  function failed({ view, error, offer, anyway }) {
    status("");
    const box = app.el("div", { class: "x-why", role: "alert" }, app.el("p", {}, error));
    app.$("#xray-body > .x-why")?.remove();
    if (offer && !app.$("#xray-body .x-load")) box.append(xray.loader(offer));
    if (anyway) box.append(xray.insist());
    if (placeOf(view)) {
      xray.here(view, box);
      return;
    }
    const body = app.$("#xray-body");
    body.prepend(box);
  }

  xray.loader = (name) => xray.button(`Load ${app.brief(name)}`, () => xray.load(name), { class: "x-do x-load", title: name });
  /* The record does not say by which weights the reply was made: a person may look by those that are loaded, and every answer says so. */
  xray.insist = (label = "Look anyway", then = () => xray.again()) =>
    xray.button(label, () => {
      xray.anyway = xray.turn;
      then();
    });
  function unsure(data) {
    const line = app.$("#xray-unsure");
    line.replaceChildren(data?.unsure || "");
    line.hidden = !data?.unsure;
  }

  function status(words, share, question) {
    const line = app.$("#xray-status");
    if (!line) return;
    const bar = words && share !== undefined ? app.el("progress", { max: 1, value: share, "aria-label": words }) : "";
    if (placeOf(question)) {
      xray.here(question, words || "", bar);
      return;
    }
    line.replaceChildren(words || "", bar);
    line.hidden = !words;
  }
  xray.status = status;

  function tabs() {
    const tab = ({ name, label, group }, n) => {
      const apart = n > 0 && TABS[n - 1].group !== group ? "apart" : null;
      const look = {
        role: "tab",
        "data-view": name,
        "data-label": label,
        id: `xray-tab-${name}`,
        "aria-controls": "xray-body",
        class: apart,
      };
      return app.el("button", { type: "button", ...look, on: { click: () => xray.show(name) } }, label);
    };
    const made = TABS.map(tab);
    const list = app.el("div", { role: "tablist", "aria-label": "Views", class: "x-tabs" }, ...made);
    app.tabKeys(list);
    return list;
  }

  function top() {
    const apart = () => window.open(`./xray?turn=${xray.turn}&view=${xray.view}`, "_blank", "noopener");
    const drawer = () => [app.button("Open on its own page", "open", apart), app.button("Close X-ray (Esc)", "close", xray.close)];
    return app.el(
      "div",
      { class: "x-top" },
      xray.whole() ? app.el("a", { class: "x-back", href: "./" }, "Chat") : null,
      app.el(xray.whole() ? "h1" : "h2", {}, "X-ray"),
      app.el("span", { class: "spring" }),
      app.el("a", { class: "x-back", href: "./text", target: "_blank", rel: "noopener" }, "Any text"),
      app.el("a", { class: "x-back", href: "./glossary", target: "_blank", rel: "noopener" }, "Glossary"),
      app.button("Copy this view as JSON", "copy", xray.copy),
      app.button("Save this view as PNG", "image", xray.png),
      ...(xray.whole() ? [] : drawer()),
    );
  }

  function frame() {
    const root = xray.root();
    if (root.firstChild) return;
    root.append(
      top(),
      tabs(),
      app.el("p", { id: "xray-about" }),
      app.el("p", { id: "xray-unsure", class: "x-note", hidden: true }),
      app.el("div", { id: "xray-status", role: "status", hidden: true }),
      app.el("div", { id: "xray-body", role: "tabpanel", tabindex: 0 }),
    );
    root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || xray.whole()) return;
      event.stopPropagation();
      xray.close();
    });
  }
})();
