/* A model on the Hub: what it is, can and needs, what can be fetched of it, and its card. */
(() => {
  const app = window.chatapp;
  const { models } = app;

  const list = (pairs) =>
    app.el("dl", { class: "facts" }, ...pairs.flatMap(([name, words]) => [app.el("dt", {}, name), app.el("dd", {}, words)]));
  const part = (title, ...children) => app.el("section", {}, app.el("h3", {}, title), ...children);

  async function fetchIt(name, button) {
    button.disabled = true;
    try {
      await app.post("models-download", { name });
      app.tell("look");
    } catch (error) {
      app.failed(error);
    }
    button.disabled = false;
  }

  function choice(one) {
    const found = models.local(one.name);
    const local = found && !found.problem;
    const link = () => app.el("a", { class: "act", href: models.address(one.name) }, "It is here");
    const way = local ? link() : models.act("Download", (event) => fetchIt(one.name, event.target));
    const none = models.now.refused || (local && one.name === models.shown());
    const text = app.el(
      "div",
      { class: "words" },
      app.el("b", {}, one.file || one.name),
      app.el("p", {}, `${one.size} · ${one.fit.words}`),
    );
    return app.el("li", { "data-name": one.name }, text, app.el("div", { class: "badges" }, models.fit(one.fit), none ? null : way));
  }

  /* What can be done with a model that writes nothing, once it is here. */
  const AFTERWARDS = {
    classifier: "Fetched, it is chosen on the page Classify; it cannot chat.",
    encoder: "Fetched, a text is looked at through it on the page Any text; it cannot chat.",
    other: "Fetched, its files and its architecture can be read here; it cannot chat.",
  };
  function afterwards({ purpose, unread }) {
    const words = purpose === "encoder" && unread ? `${AFTERWARDS.other} ${unread}` : AFTERWARDS[purpose];
    return words ? app.el("p", { class: "remark" }, words) : null;
  }

  function fetching(card) {
    if (card.problem) return app.el("p", { class: "refusal" }, card.problem);
    const refused = models.now.refused && app.el("p", { class: "remark" }, models.now.refused);
    return app.el("div", {}, app.el("ul", { class: "models" }, ...card.choices.map(choice)), afterwards(card.use), refused || null);
  }

  function closed(card) {
    if (!card.closed) return null;
    const link = app.el("a", { class: "act", href: card.address, target: "_blank", rel: "noopener noreferrer" }, "Its terms on the Hub");
    const again = models.act("Look again", models.show);
    return app.el("div", {}, app.el("p", { class: "refusal" }, card.closed), app.el("div", { class: "acts" }, link, again));
  }

  const view = ({ label, works, words }) => app.el("li", { class: works ? "works" : "fails" }, app.el("b", {}, label), ` ${words}`);

  function xray(views) {
    if (!views.length) return null;
    const special = views.filter(({ works, words }) => !works || words);
    if (!special.length) return part("X-ray", app.el("p", { class: "remark" }, "All views will work."));
    return part("X-ray", app.el("ul", { class: "views" }, ...views.map(view)));
  }

  function text(card) {
    if (!card.blocks.length) return app.el("p", { class: "remark" }, "It has no card.");
    const made = app.el("div", { class: "markdown card" });
    made.innerHTML = card.blocks.join(""); // the server's own Markdown: everything in it passed its allow-list
    return made;
  }

  async function draw(name, body) {
    const card = await app.post("models-card", { name });
    const own = app.el("a", { href: card.address, target: "_blank", rel: "noopener noreferrer" }, card.address);
    const front = card.front.length && app.el("details", {}, app.el("summary", {}, "What the card's head says"), list(card.front));
    body.append(
      ...[
        closed(card),
        part("What can be fetched", fetching(card)),
        part("What it is", list([...card.facts, ...card.can]), app.el("p", { class: "remark" }, "Its page: ", own)),
        card.problem || card.use.purpose !== "chat" ? null : xray(card.views),
        part("Its card", app.el("p", { class: "remark" }, "Written by its owner."), front || "", text(card)),
      ].filter(Boolean),
    );
  }

  const onHub = (name) => {
    const kind = models.local(name)?.kind;
    return kind === "cache" || (!kind && !/^[/.~]/.test(name));
  };
  models.tab({ name: "card", label: "On the Hub", shows: onHub, draw });

  /* What is being fetched stands at its model, too, and what was fetched is here: lists and buttons say so. */
  let tasks = [];
  let done = null;
  const titles = { retry: "Try again", cancel: "Cancel", dismiss: "Dismiss" };

  function progress(task) {
    const running = task.state === "running";
    const words = running ? task.words : task.error || "It was cancelled.";
    const bar = running && app.el("progress", { max: "1", value: task.share, "aria-label": task.title });
    const ways = task.can.map((way) => models.act(titles[way], () => app.taskAct(way, task.id)));
    return app.el(
      "div",
      { class: `fetching ${task.state}` },
      app.el("p", {}, words),
      bar || null,
      app.el("div", { class: "acts" }, ...ways),
    );
  }

  function drawProgress() {
    for (const row of document.querySelectorAll("#one-body li[data-name]")) {
      const task = tasks.find(
        ({ kind, title, state }) => kind === "download" && state !== "done" && title === `Download ${row.dataset.name}`,
      );
      row.querySelector(".fetching")?.remove();
      row.classList.toggle("busy", task?.state === "running");
      if (task) row.append(progress(task));
    }
  }

  app.on("tasks", async (news) => {
    tasks = news;
    drawProgress();
    const now = news.filter(({ kind, state }) => kind === "download" && state === "done").map(({ id }) => id);
    const fresh = done && now.some((id) => !done.has(id));
    done = new Set(now);
    if (!fresh) return;
    await models.look();
    models.show();
  });
  app.on("drawn", drawProgress);
})();
