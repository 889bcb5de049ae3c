/* X-ray: the drawer beside the chat and the page /xray. One question goes to the server for each view; everything drawn comes from its answer. */
(() => {
  const app = window.chatapp;
  const xray = app.xray = { views: {}, turn: null, view: "prompt", data: {}, params: {} };
  let trigger = null, counter = 0, asked = "";

  const TABS = [
    ["prompt", "Prompt", "The exact text and token ids the model received for this reply, coloured by who said it. It does not show what the model made of them."],
    ["probabilities", "Probabilities", "How likely each token of the reply was to the model, read again in one pass over the recorded ids. It shows the choice, not the reason for it."],
    ["attention", "Attention", "Where each token looked, for every layer and head. Strong attention means that information could flow, not that it was decisive."],
    ["layers", "Layers", "What each layer would have said if it were the last one (logit lens). Early layers do not speak this language: their guesses are rough."],
    ["model", "Architecture", "What the model is made of: its blocks, shapes, parameters and memory. It is the same for every reply."],
    ["tokenizer", "Tokenizer", "Any text through a tokenizer: how it is cut, and what the vocabulary holds. Nothing here runs the model, except perplexity."],
    ["card", "Reproduce", "Everything that made this reply. Replay runs it again and marks the first token that differs."],
  ];

  app.xrayWire = (props, watch, fire) => {
    trigger = fire;
    const take = () => { const value = props.value || {}; if (value.nonce && value.nonce === asked) receive(value); };
    watch("value", take);
    const turn = new URL(location).searchParams.get(document.body.classList.contains("xray-page") || app.$("#xray.whole") ? "turn" : "xray");
    if (turn) setTimeout(() => xray.open(turn, new URL(location).searchParams.get("view") || "prompt"), 0);
  };

  xray.el = app.el;
  xray.root = () => app.$("#xray-root");
  xray.whole = () => !!app.$("#xray.whole");
  xray.ask = (view, params = {}) => {
    asked = `${Date.now().toString(36)}.${++counter}`;
    trigger({ nonce: asked, view, turn: xray.turn, ...params });
    return asked;
  };

  xray.open = (turn, view = xray.view) => {
    if (turn !== xray.turn) xray.data = {};
    xray.turn = turn;
    document.body.classList.add("xraying");
    frame();
    xray.show(view);
  };
  xray.close = () => {
    document.body.classList.remove("xraying");
    xray.turn = null;
    asked = "";
    address();
    app.$("#message")?.focus();
  };

  xray.show = (view) => {
    xray.view = view;
    address();
    document.querySelectorAll("#xray-root [role=tab]").forEach((tab) => {
      const here = tab.dataset.view === view;
      tab.setAttribute("aria-selected", String(here));
      tab.tabIndex = here ? 0 : -1;
    });
    app.$("#xray-about").textContent = TABS.find(([name]) => name === view)[2];
    app.$("#xray-body").replaceChildren();
    app.$("#xray-body").setAttribute("aria-label", view);
    const known = xray.data[view];
    if (known) xray.views[view].draw(known, app.$("#xray-body"));
    else xray.ask(view, xray.views[view].params?.() || {});
    status(known ? "" : "Asking the server");
  };

  function address() {
    const url = new URL(location), name = xray.whole() ? "turn" : "xray";
    xray.turn ? url.searchParams.set(name, xray.turn) : url.searchParams.delete(name);
    xray.turn ? url.searchParams.set("view", xray.view) : url.searchParams.delete("view");
    history.replaceState(null, "", url);
  }

  function receive(value) {
    if (value.error) return failed(value);
    status(value.words || "", value.share);
    if (!value.data) return;
    if (value.view === xray.view) {
      xray.data[value.view] = value.data;
      xray.views[value.view].draw(value.data, app.$("#xray-body"), value.done);
    } else xray.views[xray.view].also?.(value.view, value.data, value);
    if (value.done) status("");
  }

  function failed(value) {
    status("");
    const box = app.el("div", { class: "x-why", role: "alert" }, app.el("p", {}, value.error));
    if (value.offer) box.append(app.el("button", { type: "button", class: "x-do", on: { click: () => xray.load(value.offer) } }, `Load ${value.offer} for X-ray`));
    const body = app.$("#xray-body");
    body.querySelector(".x-why")?.remove();
    body.prepend(box);
  }

  xray.load = (name) => { status(`Loading ${name}`); xray.ask("load", { model: name }); xray.views.load.then = xray.view; };
  xray.views.load = { draw() {} };
  xray.loaded = () => { delete xray.data[xray.view]; xray.show(xray.view); };

  function status(words, share) {
    const line = app.$("#xray-status");
    if (!line) return;
    line.replaceChildren(words || "");
    line.hidden = !words;
    if (words && share !== undefined) line.append(app.el("progress", { max: 1, value: share, "aria-label": words }));
  }
  xray.status = status;

  function frame() {
    const root = xray.root();
    if (root.firstChild) return;
    const tabs = TABS.map(([view, label]) => app.el("button", { type: "button", role: "tab", "data-view": view, id: `xray-tab-${view}`, "aria-controls": "xray-body", on: { click: () => xray.show(view) } }, label));
    const list = app.el("div", { role: "tablist", "aria-label": "Views", class: "x-tabs" }, ...tabs);
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = tabs[(tabs.findIndex((t) => t.dataset.view === xray.view) + step + tabs.length) % tabs.length];
      xray.show(next.dataset.view);
      next.focus();
    });
    const act = (label, icon, run) => app.button(label, icon, run);
    root.append(
      app.el("div", { class: "x-top" }, app.el("h2", {}, "X-ray"), app.el("span", { class: "spring" }),
        act("Copy this view as JSON", "copy", copy), act("Save this view as PNG", "image", png),
        xray.whole() ? null : act("Open on its own page", "open", () => window.open(`/xray?turn=${xray.turn}&view=${xray.view}`, "_blank", "noopener")),
        xray.whole() ? null : act("Close X-ray (Esc)", "close", xray.close)),
      list, app.el("p", { id: "xray-about" }), app.el("div", { id: "xray-status", role: "status", hidden: true }),
      app.el("div", { id: "xray-body", role: "tabpanel", tabindex: 0 }));
    root.addEventListener("keydown", (event) => { if (event.key === "Escape" && !xray.whole()) { event.stopPropagation(); xray.close(); } });
  }

  async function copy() {
    await navigator.clipboard.writeText(JSON.stringify(xray.data[xray.view] ?? null, null, 1));
    status("Copied as JSON");
    setTimeout(() => status(""), 1500);
  }

  /* The view as a picture: a canvas as it is, anything else through an SVG that carries its styles along. */
  async function png() {
    const body = app.$("#xray-body"), canvas = body.querySelector("canvas.whole");
    save(canvas || await drawn(body));
  }
  async function drawn(body) {
    const width = body.clientWidth, height = Math.min(body.scrollHeight + 24, 8000);
    const style = getComputedStyle(document.body);
    const names = ["--paper", "--sheet", "--shade", "--hover", "--rule", "--ink", "--soft", "--faint", "--moss", "--moss-soft", "--amber", "--amber-soft", "--red", "--red-soft"];
    const colours = names.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";");
    const rules = [...document.styleSheets].flatMap((sheet) => { try { return [...sheet.cssRules]; } catch { return []; } })
      .map((rule) => rule.cssText).filter((text) => text.includes(".x-")).join("\n");
    const copy = body.cloneNode(true);
    copy.querySelectorAll("canvas").forEach((node) => node.remove());
    const html = `<div xmlns="http://www.w3.org/1999/xhtml" class="x-png" style="${colours};width:${width}px;padding:12px;background:${style.getPropertyValue("--paper")};color:${style.getPropertyValue("--ink")};font:14px system-ui,sans-serif"><style>${rules.replaceAll("<", "&lt;")}</style>${new XMLSerializer().serializeToString(copy)}</div>`;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width + 24}" height="${height}"><foreignObject width="100%" height="100%">${html}</foreignObject></svg>`;
    const picture = new Image();
    picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
    await picture.decode();
    const canvas = app.el("canvas", { width: (width + 24) * 2, height: height * 2 });
    const pen = canvas.getContext("2d");
    pen.scale(2, 2);
    pen.drawImage(picture, 0, 0);
    return canvas;
  }
  function save(canvas) {
    const link = app.el("a", { download: `xray-${xray.view}-${xray.turn?.slice(0, 8)}.png`, href: canvas.toDataURL("image/png") });
    link.click();
    status("Saved as PNG");
    setTimeout(() => status(""), 1500);
  }

  /* Shared drawing */
  xray.percent = (p) => (p >= 0.1 ? `${(100 * p).toFixed(1)} %` : p >= 0.001 ? `${(100 * p).toFixed(2)} %` : p > 0 ? `${(100 * p).toExponential(1)} %` : "0 %");
  xray.visible = (text) => text.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "·") || "∅";
  xray.fact = (name, value) => app.el("span", { class: "x-fact" }, app.el("b", {}, String(value)), ` ${name}`);
  xray.number = (n) => Number(n).toLocaleString("en").replaceAll(",", "\u202f");
  xray.bytes = (n) => (n >= 2 ** 30 ? `${(n / 2 ** 30).toFixed(2)} GiB` : n >= 2 ** 20 ? `${(n / 2 ** 20).toFixed(1)} MiB` : `${(n / 1024).toFixed(1)} KiB`);
  xray.bars = (entries, click) => app.el("ol", { class: "x-bars" }, ...entries.map(([id, p, text]) => {
    const bar = app.el("span", { class: "x-bar" }, app.el("i", { style: `width:${Math.max(0.5, 100 * p)}%` }), app.el("span", { class: "x-word" }, xray.visible(text)), app.el("span", { class: "x-p" }, xray.percent(p)));
    return app.el("li", {}, click ? app.el("button", { type: "button", title: `Token ${id}`, on: { click: () => click(id, text) } }, bar) : bar);
  }));
})();
