/* What every page stands on: elements, dialogs, notices, storage, and the door to the server. */
(() => {
  const app = window.chatapp;
  const listeners = {};

  app.on = (name, heard) => {
    listeners[name] ||= [];
    listeners[name].push(heard);
  };
  app.tell = (name, value) => {
    for (const heard of listeners[name] || []) heard(value);
  };
  app.$ = (selector, root = document) => root.querySelector(selector);

  app.store = {
    get: (key, kind = localStorage) => {
      try {
        return JSON.parse(kind.getItem(`chatapp.${key}`));
      } catch {
        return null; // private mode, or somebody else's value
      }
    },
    set: (key, value, kind = localStorage) => {
      try {
        if (value === null || value === "") kind.removeItem(`chatapp.${key}`);
        else kind.setItem(`chatapp.${key}`, JSON.stringify(value));
        return true;
      } catch {
        return false; // private mode, or full: the page works without
      }
    },
  };

  /* Stands for this tab's visitor where the browser keeps no cookies. */
  const session = () => {
    const known = app.store.get("session", sessionStorage);
    if (known) return known;
    const made = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    app.store.set("session", made, sessionStorage);
    return made;
  };
  app.session = session();

  /* The door: POST /ui/<name>. A failure is an Error whose message is a sentence for a person; `lost` is true where no answer came. */
  class Refused extends Error {
    constructor({ message, status, code }, lost = false) {
      super(message);
      Object.assign(this, { status, code, lost });
    }
  }
  const LOST = { message: "The server does not answer. What you typed is kept; it is asked again by itself.", status: 0, code: "lost" };

  async function ask(name, body, signal) {
    const request = { method: "POST", signal, headers: { "Content-Type": "application/json" } };
    request.body = JSON.stringify({ ...body, session: app.session });
    try {
      return await fetch(`ui/${name}`, request);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Refused(LOST, true);
    }
  }

  async function refused(answer) {
    try {
      return new Refused((await answer.json()).error);
    } catch {
      return new Refused({ ...LOST, status: answer.status }, answer.status >= 500);
    }
  }

  app.post = async (name, body = {}) => {
    const answer = await ask(name, body);
    if (!answer.ok) throw await refused(answer);
    return answer.json();
  };

  /* Lines of JSON, wherever the chunks were cut, until `last` says so of one. False where the stream ended before. */
  app.readLines = async (stream, last) => {
    const reader = stream.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read().catch(() => ({ done: true }));
      if (done) return false;
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = parts.pop();
      for (const part of parts) if (last(JSON.parse(part))) return true;
    }
  };

  /* Each line of the answer is handed to `heard` as it comes. Resolves after the last one; rejects where the connection was cut before. */
  app.lines = async (name, body, heard, signal) => {
    const answer = await ask(name, body, signal);
    if (!answer.ok) throw await refused(answer);
    const whole = await app.readLines(answer.body, (line) => {
      if (line.error) throw new Refused(line.error);
      heard(line);
      return line.done;
    });
    if (!whole) throw new Refused(LOST, true);
  };

  /* A model's id with enough of its fingerprint or commit for people; the whole id stands in tooltips. */
  app.brief = (id) => id.replace(/@(?:sha256:)?([0-9a-f]{6})[0-9a-f]{10,}/, "@$1");

  /* A token with its white space seen. */
  app.visible = (text) => text.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "·") || "∅";

  const absent = (value) => value === null || value === undefined || value === false;

  function dress(node, key, value) {
    if (key === "icon") node.innerHTML = app.icons[value];
    else if (key === "on") for (const [event, heard] of Object.entries(value)) node.addEventListener(event, heard);
    else node.setAttribute(key, value === true ? "" : value);
  }

  /* An element. Attributes and children that are null are left out; `icon` is a name, `on` holds listeners by event. */
  app.el = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) if (!absent(value)) dress(node, key, value);
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  };

  app.button = (label, icon, click, { text = "", kind = "quiet" } = {}) => {
    const node = app.el("button", { type: "button", class: kind, "aria-label": label, title: label, icon, on: { click } });
    if (text) node.append(app.el("span", {}, text));
    return node;
  };

  /* A notice. Failures are announced at once and stay longer. */
  app.toast = (text, { action = "", click = null, failed = false, ms = failed ? 9000 : 5000 } = {}) => {
    const node = app.el("div", { class: failed ? "toast failed" : "toast", role: failed ? "alert" : null }, app.el("span", {}, text));
    const away = () => node.remove();
    const act = () => {
      away();
      click();
    };
    if (action) node.append(app.el("button", { type: "button", on: { click: act } }, action));
    node.append(app.button("Dismiss", "close", away));
    app.$("#toasts").append(node);
    setTimeout(away, ms);
    return node;
  };
  app.failed = (error) => app.toast(error.message, { failed: true });

  /* A question. The harmless answer has the focus: Enter never destroys. */
  app.ask = (text, answers) => {
    const dialog = app.$("#question");
    app.$("#question-text").textContent = text;
    const choose = (run) => () => {
      dialog.close();
      run?.();
    };
    const made = [...answers, { text: "Cancel" }].map((answer) => {
      const button = app.el("button", { type: "button", class: answer.danger ? "danger" : null, on: { click: choose(answer.run) } });
      button.textContent = answer.text;
      return button;
    });
    app.$(".answers", dialog).replaceChildren(...made);
    dialog.showModal();
    made.at(-1).focus();
  };

  /* Over plain http from afar there is no navigator.clipboard. */
  app.copy = (text) => {
    const box = app.el("textarea", { class: "off-screen", "aria-hidden": "true" });
    const before = document.activeElement;
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
    before?.focus?.({ preventScroll: true });
  };

  /* Why a form was not taken, in its own box and in sight; '' takes it away. */
  app.refuse = (box, words) => {
    box.textContent = words;
    box.hidden = !words;
    if (words) box.scrollIntoView({ block: "nearest" });
  };

  /* The arrows of the keyboard choose the tab beside, at the end the first. */
  app.tabKeys = (list) =>
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const tabs = [...list.children];
      const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
      next.click();
      next.focus();
    });

  app.phone = () => innerWidth < 768;
})();
