/* X-ray before it is there: its scripts and styles are fetched when somebody opens it. xray.js then takes the place of
   `open` and `close`. */
(() => {
  const app = window.chatapp;
  const xray = { turn: null };
  app.xray = xray;
  let coming = null;
  let wanted = null;
  let opener = null;

  app.shortcut("X-ray", "ArrowLeft ArrowRight", "On the tabs: the view beside; on a token: the one beside");
  app.shortcut("X-ray", "Escape", "Close X-ray");

  xray.root = () => app.$("#xray-root");
  xray.whole = () => !!app.$("#xray.whole");

  /* A file that could not be fetched leaves nothing behind, so that it can be tried again. */
  const add = (node) =>
    new Promise((done, failed) => {
      node.addEventListener("load", done);
      node.addEventListener("error", () => {
        node.remove();
        failed(new Error(node.src || node.href));
      });
      document.head.append(node);
    });

  async function fetched() {
    const { style, scripts } = app.xrayFiles;
    await add(app.el("link", { rel: "stylesheet", href: style }));
    for (const src of scripts) await add(app.el("script", { src }));
  }

  function load() {
    coming ||= fetched().catch((error) => {
      coming = null;
      throw error;
    });
    return coming;
  }

  function say(...nodes) {
    const close = xray.whole() ? null : app.button("Close X-ray (Esc)", "close", xray.close);
    xray.root().replaceChildren(app.el("div", { class: "x-coming" }, ...nodes, app.el("span", { class: "spring" }), close));
    close?.focus({ preventScroll: true });
  }

  function failed() {
    const words =
      "X-ray could not be fetched: the server does not answer, or the app was updated meanwhile. Try again, or reload the page.";
    const again = app.el("button", { type: "button", class: "primary", on: { click: bring } }, "Try again");
    say(app.el("p", { role: "alert" }, words), again);
  }

  async function bring() {
    say(app.el("span", { role: "status" }, "Opening X-ray"), app.el("progress", { "aria-label": "Opening X-ray" }));
    try {
      await load();
    } catch {
      if (wanted) failed();
      return;
    }
    if (!wanted) return;
    const [turn, view] = wanted;
    wanted = null;
    xray.root().replaceChildren();
    opener?.focus?.({ preventScroll: true });
    if (turn) xray.open(turn, view);
    else xray.empty();
  }

  xray.open = (turn, view) => {
    if (!wanted) opener = document.activeElement;
    wanted = [turn, view];
    document.body.classList.add("xraying");
    return bring();
  };
  xray.close = () => {
    wanted = null;
    xray.root().replaceChildren();
    document.body.classList.remove("xraying");
    opener?.focus?.({ preventScroll: true });
  };

  const named = () => {
    if (xray.whole()) document.title = `X-ray · ${app.name}`;
  };
  app.on("mounted", named); // Gradio gave the page its own title

  /* Called by the markup of X-ray's place: an address that names a reply opens it. */
  xray.begin = () => {
    named();
    const query = new URL(location).searchParams;
    const turn = query.get(xray.whole() ? "turn" : "xray");
    if (turn || xray.whole()) setTimeout(() => xray.open(turn, query.get("view")), 0);
  };

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || xray.whole() || !event.target.closest?.("#xray .x-coming")) return;
    event.stopPropagation();
    xray.close();
  });
})();
