/* The page Train: what came of a fine-tuning: before and after, its folder, its whole model, and both answering in Compare. */
(() => {
  const app = window.chatapp;
  const { train, el } = app;

  const nats = (value) => (Number.isFinite(value) ? value.toFixed(3) : "–");
  const perplexity = (value) => (Number.isFinite(value) ? app.plot.shown(Math.exp(value)) : "–");

  function table({ before, after }) {
    const row = (what, shown) => el("tr", {}, el("th", { scope: "row" }, what), el("td", {}, shown(before)), el("td", {}, shown(after)));
    const head = ["held-out replies", "before", "after"].map((words) => el("th", { scope: "col" }, words));
    return el("table", { class: "r-table" }, el("tr", {}, ...head), row("nats per token", nats), row("perplexity", perplexity));
  }

  function shown({ prompt, before, after, given }) {
    const line = (what, words) => (words ? [el("dt", {}, what), el("dd", {}, words)] : []);
    const lines = [...line("before", before), ...line("after", after), ...line("given", given)];
    return el("li", {}, el("b", {}, prompt), el("dl", { class: "r-facts" }, ...lines));
  }

  /* The whole model, written now where it is not there yet; what is being done stands beside the buttons. */
  async function merged(run) {
    if (!run.about.merged) {
      const said = app.$(".r-merging", run.result);
      said.textContent = "Merging: it begins";
      try {
        await app.lines("tune-merge", { id: run.id }, ({ words }) => {
          if (words) said.textContent = `Merging: ${words}`;
        });
      } finally {
        said.textContent = "";
      }
      run.about.merged = true;
      app.tell("look");
      train.drawTuned(run);
    }
  }

  const act = (words, click, more = {}) => {
    const button = el("button", { type: "button", class: "act", ...more }, words);
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await click();
      } catch (error) {
        app.failed(error);
      }
      button.disabled = false;
    });
    return button;
  };

  async function beside(run) {
    await merged(run);
    const { id } = await app.post("compare-begin", await app.post("tune-beside", { id: run.id }));
    location.assign(`./compare#${id}`);
  }

  async function talk(run) {
    await merged(run);
    await train.talk(run.id, run.about.result.step);
  }

  function buttons(run) {
    const { merged: whole } = run.about;
    const first = whole ? "" : " (merges first)";
    const compare = act(`Before and after in Compare${first}`, () => beside(run), { class: "act primary" });
    return [compare, act(`Chat with it${first}`, () => talk(run)), whole ? null : act("Merge", () => merged(run))];
  }

  train.drawTuned = (run) => {
    const { result, folder, merged: whole } = run.about;
    run.result.hidden = !(result && run.rests);
    if (run.result.hidden) return;
    const now = JSON.stringify([result, whole]);
    if (run.result.shows === now) return;
    run.result.shows = now;
    const where = whole
      ? `The whole model is in ${folder}/merged, and on the page Models.`
      : "It is no whole model yet: peft loads it with its base.";
    run.result.replaceChildren(
      el("h2", {}, result.after === null ? "What was learned so far" : "Before and after"),
      table(result),
      el("p", { class: "r-hint" }, result.facts),
      ...result.notes.map((words) => el("p", { class: "r-hint" }, words)),
      el("ul", { class: "r-shown" }, ...result.shown.map(shown)),
      el("p", { class: "r-hint" }, `The adapter is in ${folder}. ${where}`),
      el("div", { class: "r-row" }, ...buttons(run).filter(Boolean), el("span", { class: "r-hint r-merging", role: "status" })),
    );
  };

  train.tuned = (run) => {
    run.result = el("section", { class: "r-result", hidden: true });
    return run.result;
  };

  train.tuneFacts = ({ model, rank, numbers, rows }) =>
    rows
      ? [
          ["model", model],
          ["adapter", `rank ${rank}: ${train.count(numbers)} numbers`],
          ["chats", `${train.count(rows.train)} to learn, ${train.count(rows.validation)} held out`],
          ["tokens", `${train.count(rows.tokens)}, of which ${train.count(rows.learned)} are learned`],
        ]
      : [];
})();
