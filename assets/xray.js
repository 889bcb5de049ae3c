/* X-ray: the drawer beside the chat and the page /xray. One question goes to the server for each view; everything drawn comes from its answer. */
(() => {
  const app = window.chatapp;
  const xray = (app.xray = { views: {}, turn: null, view: "prompt", data: {}, params: {} });
  const TABS = app.xrayTabs;
  let opener = null;
  const asking = {};

  app.shortcut("X-ray", "ArrowLeft ArrowRight", "On the tabs: the view beside; on a token: the one beside");
  app.shortcut("X-ray", "Escape", "Close X-ray");

  xray.begin = () => {
    const query = new URL(location).searchParams,
      turn = query.get(xray.whole() ? "turn" : "xray");
    if (turn) setTimeout(() => xray.open(turn, query.get("view")), 0);
    else if (xray.whole())
      setTimeout(() => {
        frame();
        app.$("#xray-about").textContent = "Open X-ray from a reply: the icon under it leads here.";
      }, 0);
  };

  xray.el = app.el;
  xray.root = () => app.$("#xray-root");
  xray.whole = () => !!app.$("#xray.whole");
  /* An answer comes in lines. Leaving the view, or asking the same again, ends the reading and with it the work. */
  const read = async (door, view, question) => {
    asking[view]?.abort();
    const { signal } = (asking[view] = new AbortController());
    let soFar = {};
    const heard = (line) => {
      soFar = { ...soFar, ...line, words: line.words };
      const data = line.data || line.done ? soFar.data : null;
      queueMicrotask(() => signal.aborted || receive({ ...line, view, data }));
    };
    try {
      await app.lines(door, { turn: xray.turn, ...question }, heard, signal);
    } catch (error) {
      const words = error.lost ? "The connection to the server was lost. Choose the view again to ask once more." : error.message;
      queueMicrotask(() => signal.aborted || failed({ error: words, offer: soFar.offer, anyway: soFar.anyway }));
    }
  };
  xray.ask = (view, asked = {}) => {
    const temporary = app.temporary ? app.view.conversation : null;
    return read("xray", view, { view, temporary, anyway: xray.anyway === xray.turn, asked });
  };
  xray.load = (model) => {
    status(`Loading ${model}`);
    return read("xray-load", "load", { model });
  };

  xray.open = (turn, view = xray.view) => {
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
    document.body.classList.remove("xraying");
    xray.turn = null;
    app.tell("xray");
    leave();
    address();
    (opener?.isConnected && opener !== document.body ? opener : app.$("#message"))?.focus();
  };

  const leave = () => Object.values(asking).forEach((one) => one.abort());

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
    app.$("#xray-about").textContent = TABS.find((tab) => tab.name === view).about;
    app.$("#xray-body").replaceChildren();
    app.$("#xray-body").setAttribute("aria-labelledby", `xray-tab-${view}`);
    xray.root().parentElement.scrollTop = 0;
    const known = xray.data[view];
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
    if (value.words) status(value.words, value.share);
    if (value.done) status("");
    if (!value.data) return;
    unsure(value.data);
    if (value.view === xray.view) {
      app.$("#xray-body .x-why")?.remove();
      xray.data[value.view] = value.data;
      xray.views[value.view].draw(value.data, app.$("#xray-body"), value.done);
    } else if (value.view === "load") {
      if (value.done) xray.again();
    } else xray.views[xray.view].also?.(value.view, value.data, value.done);
  }
  xray.again = (params = null) => {
    delete xray.data[xray.view];
    if (params) xray.asked[xray.view] = params;
    xray.show(xray.view);
  };

  function failed(value) {
    status("");
    const box = app.el("div", { class: "x-why", role: "alert" }, app.el("p", {}, value.error));
    if (value.offer) box.append(xray.loader(value.offer));
    if (value.anyway) box.append(xray.insist());
    const body = app.$("#xray-body");
    body.querySelector(".x-why")?.remove();
    body.prepend(box);
  }

  xray.loader = (name) => xray.button(`Load ${name} for X-ray`, () => xray.load(name));
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
  xray.asked = {};

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
    const tabs = TABS.map(({ name: view, label }) =>
      app.el(
        "button",
        {
          type: "button",
          role: "tab",
          "data-view": view,
          id: `xray-tab-${view}`,
          "aria-controls": "xray-body",
          on: { click: () => xray.show(view) },
        },
        label,
      ),
    );
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
    const heading = xray.whole() ? app.el("h1", {}, "X-ray") : app.el("h2", {}, "X-ray");
    root.append(
      app.el(
        "div",
        { class: "x-top" },
        xray.whole() ? app.el("a", { class: "x-back", href: "/" }, "Chat") : null,
        heading,
        app.el("span", { class: "spring" }),
        act("Copy this view as JSON", "copy", copy),
        act("Save this view as PNG", "image", png),
        xray.whole()
          ? null
          : act("Open on its own page", "open", () => window.open(`/xray?turn=${xray.turn}&view=${xray.view}`, "_blank", "noopener")),
        xray.whole() ? null : act("Close X-ray (Esc)", "close", xray.close),
      ),
      list,
      app.el("p", { id: "xray-about" }),
      app.el("p", { id: "xray-unsure", class: "x-note", hidden: true }),
      app.el("div", { id: "xray-status", role: "status", hidden: true }),
      app.el("div", { id: "xray-body", role: "tabpanel", tabindex: 0 }),
    );
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !xray.whole()) {
        event.stopPropagation();
        xray.close();
      }
    });
  }

  const name = (kind) => `xray-${xray.view}-${xray.turn?.slice(0, 8)}.${kind}`;
  const said = (words) => {
    status(words);
    setTimeout(() => status(""), 1500);
  };
  /* A page that is not served over https or from this machine has no clipboard: there the JSON is saved. */
  async function copy() {
    const text = JSON.stringify(xray.data[xray.view] ?? null, null, 1);
    try {
      await navigator.clipboard.writeText(text);
      said("Copied as JSON");
    } catch {
      const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
      app.el("a", { download: name("json"), href: url }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
      said("Saved as JSON");
    }
  }

  /* The view as a picture: through an SVG that carries its styles along, canvases as images. */
  async function png() {
    const canvas = await drawn(app.$("#xray-body"));
    app.el("a", { download: name("png"), href: canvas.toDataURL("image/png") }).click();
    said("Saved as PNG");
  }
  /* XML has no control characters and no half surrogates; a model may write both. */
  const spelled = (xml) => xml.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|&#x?[0-9a-f]+;/gi, "\ufffd");
  async function drawn(body) {
    const width = body.clientWidth,
      height = Math.min(body.scrollHeight + 24, 8000);
    const style = getComputedStyle(document.body);
    const names = [
      "--paper",
      "--sheet",
      "--shade",
      "--hover",
      "--rule",
      "--ink",
      "--soft",
      "--faint",
      "--moss",
      "--moss-soft",
      "--amber",
      "--amber-soft",
      "--red",
      "--red-soft",
      "--hot",
      "--blue",
    ];
    const colours = names.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";");
    const rules = [...document.styleSheets]
      .flatMap((sheet) => {
        try {
          return [...sheet.cssRules];
        } catch {
          return [];
        }
      })
      .map((rule) => rule.cssText)
      .filter((text) => text.includes(".x-"))
      .join("\n");
    const copy = body.cloneNode(true);
    const canvases = [...body.querySelectorAll("canvas")];
    copy.querySelectorAll("canvas").forEach((node, n) => {
      const box = canvases[n].getBoundingClientRect();
      node.replaceWith(app.el("img", { src: canvases[n].toDataURL(), style: `width:${box.width}px;height:${box.height}px` }));
    });
    copy.querySelectorAll("iframe").forEach((node) => node.remove());
    if (!app.$("#xray-unsure").hidden) copy.prepend(app.$("#xray-unsure").cloneNode(true));
    const html = `<div xmlns="http://www.w3.org/1999/xhtml" class="x-png" style="${colours};width:${width}px;padding:12px;background:${style.getPropertyValue("--paper")};color:${style.getPropertyValue("--ink")};font:14px system-ui,sans-serif"><style>${rules.replaceAll("<", "&lt;")}</style>${spelled(new XMLSerializer().serializeToString(copy))}</div>`;
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
  /* Shared drawing */
  xray.percent = (p) =>
    p >= 0.1 ? `${(100 * p).toFixed(1)} %` : p >= 0.001 ? `${(100 * p).toFixed(2)} %` : p > 0 ? `${(100 * p).toExponential(1)} %` : "0 %";
  xray.visible = (text) => text.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "·") || "∅";
  xray.fact = (name, value) => app.el("span", { class: "x-fact" }, app.el("b", {}, String(value)), ` ${name}`);
  xray.number = (n) => Number(n).toLocaleString("en").replaceAll(",", "\u202f");
  xray.bytes = (n) =>
    n >= 2 ** 30 ? `${(n / 2 ** 30).toFixed(2)} GiB` : n >= 2 ** 20 ? `${(n / 2 ** 20).toFixed(1)} MiB` : `${(n / 1024).toFixed(1)} KiB`;
  xray.colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();
  xray.bars = (entries, click, own) =>
    app.el(
      "ol",
      { class: "x-bars" },
      ...entries.map(([id, p, text]) => {
        const bar = app.el(
          "span",
          { class: id === own ? "x-bar own" : "x-bar" },
          app.el("i", { style: `width:${Math.max(0.5, 100 * p)}%` }),
          app.el("span", { class: "x-word" }, xray.visible(text)),
          app.el("span", { class: "x-p" }, xray.percent(p)),
        );
        return app.el(
          "li",
          {},
          click
            ? app.el("button", { type: "button", title: `Token ${id}: go on from it`, on: { click: () => click(id, text) } }, bar)
            : bar,
        );
      }),
    );
  /* replaceChildren writes null as a word. */
  xray.fill = (place, ...nodes) => place.replaceChildren(...nodes.filter((node) => node !== null && node !== undefined && node !== ""));
  xray.note = (text) => (text ? app.el("span", { class: "x-badge" }, text) : null);
  xray.button = (label, run, extra = {}) => app.el("button", { type: "button", class: "x-do", on: { click: run }, ...extra }, label);
  xray.field = (label, value, extra = {}) =>
    app.el(
      "label",
      { class: "x-field" },
      app.el("span", {}, label),
      app.el("input", { type: "text", value, "aria-label": label, autocomplete: "off", spellcheck: "false", ...extra }),
    );
})();
