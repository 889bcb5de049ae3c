/* The page Compare: the form and the runs that are kept; one run where the address names it. */
(() => {
  const app = window.chatapp;
  const { compare, el } = app;
  compare.models = [];

  const day = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });

  function entry({ id, title, created, cells, replies, running }) {
    const there = replies < cells ? `${replies} of ${cells} replies` : `${cells} replies`;
    const words = [running ? "running" : "", there, day.format(created * 1000)].filter(Boolean).join(" · ");
    return el("li", {}, el("a", { href: `#${id}` }, title), el("p", {}, words));
  }

  function runs(found) {
    const box = el("section", { id: "c-runs" }, el("h2", {}, "Earlier comparisons"));
    box.append(found.length ? el("ul", { class: "c-runs" }, ...found.map(entry)) : el("p", { class: "c-hint" }, "None yet."));
    return box;
  }

  const refused = (error) => app.$("#compare").replaceChildren(el("p", { class: "refusal", role: "alert" }, error.message));

  async function home() {
    compare.leaveRun();
    const about =
      "Prompts × columns: models, settings or system prompts answer the same prompts with the same random numbers, " +
      "and what made the difference is measured.";
    try {
      const said = await app.post("compare");
      if (location.hash.length > 1) return;
      compare.models = said.models;
      const form = compare.drawForm();
      app.$("#compare").replaceChildren(el("p", { class: "intro" }, about), form, runs(said.runs));
      app.$(".sheet").scrollTop = 0;
    } catch (error) {
      refused(error);
    }
  }

  /* The address names a reply of a chat: its question and settings fill the form, and what it held can be had back. */
  async function filled() {
    const turn = new URL(location).searchParams.get("turn");
    if (!turn) return;
    history.replaceState(null, "", "compare");
    try {
      const { grid, alone } = await app.post("compare-of", { turn });
      const before = compare.form;
      compare.form = compare.fromGrid(grid);
      compare.changed();
      const words = "The form holds the question of that reply: as it was asked, and at another temperature.";
      const more = alone ? "" : " What was said before it is left out.";
      app.toast(words + more, { action: "Bring back what was there", click: () => compare.fill(before), ms: 12000 });
    } catch (error) {
      app.failed(error);
    }
  }

  function show() {
    const id = location.hash.slice(1);
    if (id) compare.showRun(id);
    else home();
  }

  app.on("begin", async () => {
    try {
      compare.recall((await app.post("compare")).login);
    } catch (error) {
      refused(error);
      return;
    }
    addEventListener("hashchange", show);
    await filled();
    show();
  });
})();
