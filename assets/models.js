/* The page Models: three calm lists, and one model by itself at #<name>, with a tab for each thing there is to know about it. */
(() => {
  const app = window.chatapp;
  const SOON = 1000;
  const LATER = 30000;
  const models = { now: { loaded: [], copies: [], here: [], disk: "", refused: "", sign: "" }, tabs: [] };
  app.models = models;
  let timer = 0;
  let shown = { name: "", tab: "" };

  models.address = (name) => `#${encodeURIComponent(name)}`;
  const asked = () => decodeURIComponent(location.hash.slice(1));
  models.shown = asked;
  models.local = (name) => models.now.here.find((row) => row.name === name);

  /* A tab of one model: { name, label, shows(name), draw(name, body) }. `draw` may be async; what it throws is shown in its place. */
  models.tab = (tab) => models.tabs.push(tab);

  async function look() {
    clearTimeout(timer);
    try {
      const news = await app.post("models", { have: models.now.sign });
      if (news.sign) {
        models.now = news;
        app.tell("models");
        if (asked() && !shown.name) show();
      }
    } catch (error) {
      if (!models.now.sign) app.failed(error);
    }
    const soon = models.now.loaded.some(({ state }) => state === "loading" || state === "leaving");
    timer = setTimeout(() => (document.hidden ? null : look()), soon ? SOON : LATER);
  }
  models.look = look;

  async function draw(tab) {
    const body = app.$("#one-body");
    const mine = { name: shown.name, tab: tab.name };
    shown = mine;
    body.replaceChildren(app.el("p", { class: "remark" }, "Reading …"));
    for (const button of app.$("#one-tabs").children) button.setAttribute("aria-selected", String(button.dataset.tab === tab.name));
    const fresh = app.el("div");
    try {
      await tab.draw(mine.name, fresh);
    } catch (error) {
      fresh.replaceChildren(app.el("p", { class: "refusal", role: "alert" }, error.message));
    }
    if (shown !== mine) return;
    body.replaceChildren(fresh);
    app.tell("drawn");
  }

  function drawTabs(name) {
    const tabs = models.tabs.filter((tab) => tab.shows(name));
    const made = tabs.map((tab) =>
      app.el(
        "button",
        { type: "button", role: "tab", "data-tab": tab.name, "aria-controls": "one-body", on: { click: () => draw(tab) } },
        tab.label,
      ),
    );
    app.$("#one-tabs").replaceChildren(...made);
    app.$("#one-tabs").hidden = made.length < 2;
    if (tabs.length) draw(tabs[0]);
    else app.$("#one-body").replaceChildren();
  }

  /* The overview, or the model that the address names. */
  function show() {
    const name = asked();
    app.$("#overview").hidden = Boolean(name);
    app.$("#one").hidden = !name;
    shown = { name, tab: "" };
    if (!name) return;
    app.$("#one-name").textContent = models.local(name)?.label || name;
    app.tell("model", name);
    drawTabs(name);
    app.$(".sheet").scrollTop = 0;
    app.$("#one-name").focus({ preventScroll: true });
  }
  models.show = show;

  models.load = async (name) => {
    try {
      await app.post("models-load", { name });
      app.toast(`${models.local(name)?.label || name} is being loaded.`);
    } catch (error) {
      app.failed(error);
    }
    look();
  };

  models.unload = async (row) => {
    try {
      await app.post("models-unload", row);
    } catch (error) {
      app.failed(error);
    }
    app.tell("look");
    look();
  };

  models.back = () => {
    history.pushState(null, "", "./models");
    show();
  };
  app.commands["models-back"] = models.back;
  window.addEventListener("hashchange", show);
  window.addEventListener("popstate", show);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });
  app.on("begin", look);

  /* What loads, comes or ends is a task: whenever one begins or ends, there is news. */
  let known = "";
  app.on("tasks", (tasks) => {
    const now = JSON.stringify(tasks.map(({ id, state }) => [id, state]));
    if (known && known !== now) look();
    known = now;
  });
})();
