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

  async function home() {
    compare.leaveRun();
    const about =
      "Prompts × columns: models, settings or system prompts answer the same prompts with the same random numbers, and what made the difference is measured.";
    try {
      const said = await app.post("compare");
      if (location.hash.length > 1) return;
      compare.models = said.models;
      const form = compare.drawForm();
      app.$("#compare").replaceChildren(el("p", { class: "c-lead" }, about), form, runs(said.runs));
      app.$(".sheet").scrollTop = 0;
    } catch (error) {
      app.$("#compare").replaceChildren(el("p", { class: "c-refusal", role: "alert" }, error.message));
    }
  }

  function show() {
    const id = location.hash.slice(1);
    if (id) compare.showRun(id);
    else home();
  }

  app.on("begin", () => {
    addEventListener("hashchange", show);
    show();
  });
})();
