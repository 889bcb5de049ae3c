/* The tasks tray and the account: what every page shows of the server.
   Nothing of it is held open: a page asks, and asks less when nothing runs. */
(() => {
  const app = window.chatapp;
  const SOON = 1000;
  const LATER = 15000;
  let shell = { user: "", tasks: [], sign: "" };
  let timer = 0;
  let drawn = "";

  const running = () => shell.tasks.filter(({ state }) => state === "running");
  const failed = () => shell.tasks.filter(({ state }) => state === "failed" || state === "cancelled");
  const percent = ({ share }) => (share === null ? "" : `${Math.round(share * 100)} %`);

  async function look() {
    clearTimeout(timer);
    try {
      const news = await app.post("shell", { have: shell.sign });
      if (news.sign) {
        shell = news;
        draw();
        app.tell("tasks", shell.tasks);
      }
    } catch {
      shell.sign = ""; // an action says that the server is gone; here it is asked again
    }
    timer = setTimeout(() => (document.hidden ? null : look()), running().length ? SOON : LATER);
  }

  async function act(name, id) {
    try {
      await app.post("tasks", { do: name, id });
    } catch (error) {
      app.failed(error);
    }
    look();
  }

  /* A page that began something looks at once, and may do with a task what the tray does. */
  app.on("look", look);
  app.taskAct = act;

  /* The tray */
  const ACTS = { cancel: "Cancel", retry: "Try again", dismiss: "Dismiss" };
  const ENDED = { done: "Done", cancelled: "Cancelled" };

  function words(task) {
    if (task.state === "running") return `${task.words} ${percent(task)}`;
    return task.error || ENDED[task.state] || "Failed";
  }

  function item(task) {
    const bar = task.state === "running" && app.el("progress", { max: "1", value: task.share, "aria-label": task.title });
    const acts = task.can.map((name) =>
      app.el("button", { type: "button", "data-act": name, on: { click: () => act(name, task.id) } }, ACTS[name]),
    );
    const link = task.result && app.el("a", { href: task.result }, "Open");
    return app.el(
      "li",
      { class: task.state, "data-id": task.id },
      app.el("b", { title: task.title }, app.brief(task.title)),
      app.el("p", {}, words(task)),
      bar || null,
      app.el("div", { class: "acts" }, ...acts, link || null),
    );
  }

  function drawTray() {
    const tray = app.$("#tasks");
    const focused = tray.contains(document.activeElement) && document.activeElement.closest("li");
    const sorted = [...running(), ...failed(), ...shell.tasks.filter(({ state }) => state === "done")];
    const list = sorted.length ? app.el("ul", {}, ...sorted.map(item)) : app.el("p", {}, "Nothing runs.");
    tray.replaceChildren(app.el("h2", {}, "Tasks"), list);
    if (focused) (app.$(`[data-id="${focused.dataset.id}"] button`, tray) || tray).focus();
  }

  /* What failed and may be dismissed here; what only others can change is theirs to see. */
  const dismissed = () => failed().filter(({ can }) => can.includes("dismiss"));

  /* The button in the header is there while something runs or has failed. */
  function drawButton() {
    const button = app.$("#tasks-open");
    const [now] = running();
    const [bad] = dismissed();
    button.hidden = !now && !bad && app.$("#tasks").hidden;
    button.className = now ? "running" : bad?.state || "done";
    const more = running().length > 1 ? ` and ${running().length - 1} more` : "";
    const words = [now ? now.title + more : bad?.title || "Tasks", now ? percent(now) : bad?.state || ""];
    app.$("span", button).textContent = app.brief(words[0]);
    app.$("b", button).textContent = words[1];
    button.setAttribute("aria-label", words.join(" ").trim());
    app.$("i", button).style.setProperty("--share", now?.share ?? (now ? 0.25 : 1));
  }

  function drawAccount() {
    const button = app.$("#account");
    button.hidden = !shell.user;
    app.$("span", button).textContent = shell.user;
    button.setAttribute("aria-label", `Account: ${shell.user}`);
  }

  function draw() {
    const sign = `${shell.sign} ${app.$("#tasks").hidden}`;
    if (sign === drawn) return;
    drawn = sign;
    drawTray();
    drawButton();
    app.$("#tasks-away").hidden = running().length > 0 || !dismissed().length;
    drawAccount();
  }

  const tray = (open) => {
    app.$("#tasks").hidden = !open;
    draw();
    if (open) app.$("#tasks").focus();
  };

  app.commands.tasks = (button) => {
    const at = button.getBoundingClientRect();
    app.$("#tasks").style.left = `${Math.max(8, Math.min(at.left, innerWidth - 348))}px`;
    tray(app.$("#tasks").hidden);
  };
  app.commands["tasks-away"] = () => {
    for (const { id } of dismissed()) act("dismiss", id);
  };
  app.commands.account = (button) =>
    app.menu(button, [
      { text: `Logged in as ${shell.user}` },
      { text: "About, and how programs log in", run: () => location.assign("./about") },
      { text: "Log out", run: leave },
    ]);

  /* Back shows nobody a page that the browser kept from before somebody logged out. */
  const came = Date.now();
  function leave() {
    app.store.set("left", Date.now());
    location.assign("./logout");
  }
  window.addEventListener("pageshow", ({ persisted }) => {
    if (!persisted || app.store.get("left") < came) return;
    document.documentElement.hidden = true;
    location.reload();
  });

  const open = () => app.$("#tasks") && !app.$("#tasks").hidden;
  document.addEventListener("click", (event) => {
    if (open() && !event.target.closest?.("#tasks, #tasks-open") && event.target.isConnected) tray(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !open()) return;
    event.stopPropagation();
    tray(false);
    app.$("#tasks-open").focus();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && app.$("#tasks")) look();
  });
  app.on("begin", look);
  let state = "";
  app.on("model", (model) => {
    if (state && model.state !== state) look(); // the first state came together with the tasks
    state = model.state;
  });
})();
