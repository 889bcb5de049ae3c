/* The page Classify: a classifier trained here, as a task that goes on when the page is left. How the last one ended stands here until
   another begins, or it is taken off the list of tasks. */
(() => {
  const app = window.chatapp;
  const { classify, el } = app;
  let tasks = [];
  let running = "";
  let refused = "";

  async function begin(body) {
    refused = "";
    try {
      await app.post("classify-train", body);
      app.tell("look");
    } catch (error) {
      refused = error.message;
    }
    draw();
  }

  async function own(file) {
    if (file) begin({ name: file.name, text: await file.text(), ...classify.columns() });
  }

  const act = (label, name, id) => el("button", { type: "button", class: "act", on: { click: () => app.taskAct(name, id) } }, label);
  const alert = (words) => el("p", { class: "refusal", role: "alert" }, words);

  function progress({ id, can }) {
    const bar = el("progress", { max: 1, value: 0, "aria-label": "Training" });
    const stop = can.includes("cancel") ? act("Stop", "cancel", id) : null;
    return el("p", { class: "status", role: "status", "data-id": `${id} ${Boolean(stop)}` }, el("span"), bar, stop);
  }

  /* Drawn once for a training, so that its button keeps the focus while the numbers change. */
  function drawRunning(now, place) {
    const known = app.$(".status", place);
    const drawn = progress(now);
    const line = known?.dataset.id === drawn.dataset.id ? known : drawn;
    app.$("span", line).textContent = now.words;
    app.$("progress", line).value = now.share ?? 0;
    if (line !== known) place.replaceChildren(line);
  }

  function ended({ id, state, error, can }) {
    if (state === "cancelled") return [el("p", { class: "hint" }, "The last training was cancelled; nothing of it was kept.")];
    if (state !== "failed") return [];
    const acts = { retry: "Try again", dismiss: "Dismiss" };
    return [alert(error), el("div", { class: "fields" }, ...can.filter((name) => acts[name]).map((name) => act(acts[name], name, id)))];
  }

  /* Of the latest one; a request that was refused is later than all of them. */
  function draw() {
    const place = app.$("#k-training");
    if (!place) return;
    const last = tasks.find(({ kind }) => kind === "classify");
    const now = last?.state === "running" ? last : null;
    for (const button of app.$("#k-train").querySelectorAll("button[data-train]")) button.disabled = Boolean(now || classify.missing);
    if (now) drawRunning(now, place);
    else if (refused) place.replaceChildren(alert(refused));
    else place.replaceChildren(...(last ? ended(last) : []));
  }

  /* What the tray knows of it; when it ends, the new classifier is among those to choose. */
  async function heard(news) {
    tasks = news;
    const before = running;
    running = tasks.find(({ kind, state }) => kind === "classify" && state === "running")?.id || "";
    draw();
    const done = before && !running && tasks.find(({ id, state }) => id === before && state === "done");
    if (!done) return;
    app.toast(done.words || "The classifier is trained.");
    await classify.restart();
  }
  app.on("tasks", heard);

  classify.drawTrain = () => {
    const input = el("input", { type: "file", accept: ".csv,.jsonl", hidden: true, "aria-label": "A labelled file to learn from" });
    input.addEventListener("change", () => {
      own(input.files[0]);
      input.value = "";
    });
    const button = (label, run) =>
      el("button", { type: "button", class: "act", "data-train": "", disabled: Boolean(classify.missing), on: { click: run } }, label);
    const about =
      "MiniLM, an encoder of 22.7 million weights, gets a new head and learns for some minutes, behind everything else; held-out texts, " +
      `which it never saw, tell how good it is. The movie sentences: ${classify.fetched} Or give a file with labels of your own.`;
    const section = classify.section(
      "Train one here",
      about,
      classify.missing ? el("p", { class: "k-note" }, classify.missing) : null,
      el(
        "div",
        { class: "fields" },
        button("Train on rated movie sentences", () => begin({})),
        button("Train on my own file", () => input.click()),
        input,
      ),
      el("div", { id: "k-training" }),
    );
    section.id = "k-train";
    return section;
  };

  /* After it stands on the page: what was known of the tasks before. */
  classify.drawTraining = draw;
})();
