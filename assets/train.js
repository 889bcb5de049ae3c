/* The page Train: the form and the runs that are kept; one run where the address names it. */
(() => {
  const app = window.chatapp;
  const { train, el } = app;
  train.runs = [];

  const day = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });

  function entry({ id, name, created, state, words }) {
    const ways = () =>
      app.menu(more, [
        { text: "Rename", run: () => train.rename(id, name, home) },
        { text: "Delete", danger: true, run: () => train.erase(id, name, home) },
      ]);
    const more = app.button(`What can be done with ${name}`, "more", ways, { kind: "quiet touch" });
    const facts = el("p", {}, [words, day.format(created * 1000)].join(" · "));
    return el("li", { class: `is-${state}` }, el("div", {}, el("a", { href: `#${id}` }, name), facts), more);
  }

  const AGAIN = 2000;
  let waits = 0;

  function drawRuns({ runs: found }) {
    const list = found.length ? el("ul", { class: "r-runs" }, ...found.map(entry)) : el("p", { class: "r-hint" }, "None yet.");
    app.$("#r-runs").replaceChildren(el("h2", {}, "Runs"), list);
  }

  /* While a run goes on or waits, here or in another tab, the list is read again. */
  function follow(said) {
    clearTimeout(waits);
    waits = setTimeout(async () => {
      if (!app.$("#r-runs") || location.hash.length > 1) return;
      const now = document.hidden ? said : await known().catch(() => said);
      if (!app.$("#r-runs")) return;
      if (JSON.stringify(now.runs) !== JSON.stringify(said.runs)) drawRuns(now);
      follow(now);
    }, AGAIN);
  }

  const refused = (message) => app.$("#train").replaceChildren(el("p", { class: "refusal", role: "alert" }, message));

  async function known() {
    const said = await app.post("train");
    train.runs = said.runs;
    train.offered = said;
    return said;
  }

  const KINDS = { train: "Train a small GPT-2", finetune: "Fine-tune a chat model" };
  let kind = "train";

  train.choose = (name) => {
    kind = name;
  };

  function drawForm() {
    train.leavePlan();
    if (kind === "train") train.drawForm();
    else train.drawTuneForm();
  }

  /* What a new run is to be. */
  function kinds() {
    const one = ([name, words]) => {
      const box = el("input", { type: "radio", name: "r-kind", checked: name === kind });
      box.addEventListener("change", () => {
        train.choose(name);
        drawForm();
      });
      return el("label", {}, box, words);
    };
    return el("fieldset", { class: "r-kinds", "aria-label": "What a new run does" }, ...Object.entries(KINDS).map(one));
  }

  async function home() {
    train.leaveRun();
    try {
      const said = await known();
      if (location.hash.length > 1) return;
      if (said.refused) return refused(said.refused);
      const about =
        "A small GPT-2 is trained here on real text, on this machine, and every step of it can be looked into: " +
        "what it writes, what it expects next, and how that came to be. Or a chat model learns from pairs of prompt and reply.";
      const parts = [el("h2", {}, "A new run"), kinds(), el("div", { id: "r-new" }), el("section", { id: "r-runs" })];
      app.$("#train").replaceChildren(el("p", { class: "r-lead" }, about), ...parts);
      drawForm();
      drawRuns(said);
      follow(said);
      app.$(".sheet").scrollTop = 0;
    } catch (error) {
      refused(error.message);
    }
  }

  function show() {
    const id = location.hash.slice(1);
    train.leavePlan();
    if (id) train.showRun(id);
    else home();
  }

  app.on("begin", async () => {
    try {
      const said = await known();
      if (said.refused) return refused(said.refused);
      await train.recall(said.login);
    } catch (error) {
      return refused(error.message);
    }
    addEventListener("hashchange", show);
    show();
  });
})();
