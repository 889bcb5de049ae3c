/* The page Classify: a classifier trained here, as a task that goes on when the page is left. */
(() => {
  const app = window.chatapp;
  const { classify, el } = app;
  let running = "";

  async function begin(body) {
    try {
      await app.post("classify-train", body);
      app.tell("look");
    } catch (error) {
      app.failed(error);
    }
  }

  async function own(file) {
    if (file) begin({ name: file.name, text: await file.text(), ...classify.columns() });
  }

  function progress({ id, words, share, can }) {
    const stop =
      can.includes("cancel") && el("button", { type: "button", class: "act", on: { click: () => app.taskAct("cancel", id) } }, "Stop");
    const bar = el("progress", { max: 1, value: share ?? 0, "aria-label": "Training" });
    return el("p", { class: "k-running", role: "status" }, el("span", {}, words), bar, stop || null);
  }

  /* What the tray knows of it; when it ends, the new classifier is among those to choose. */
  async function heard(tasks) {
    const now = tasks.find(({ kind, state }) => kind === "train" && state === "running");
    const place = app.$("#k-training");
    if (!place) return;
    place.replaceChildren(now ? progress(now) : "");
    for (const button of app.$("#k-train").querySelectorAll("button[data-train]")) button.disabled = Boolean(now);
    const ended = running && !now ? tasks.find(({ id }) => id === running) : null;
    running = now?.id || "";
    if (ended?.state === "done") {
      app.toast(ended.words || "The classifier is trained.");
      await classify.restart();
    } else if (ended?.state === "failed") place.replaceChildren(el("p", { class: "refusal", role: "alert" }, ended.error));
  }
  app.on("tasks", heard);

  classify.drawTrain = () => {
    const input = el("input", { type: "file", accept: ".csv,.jsonl", hidden: true, "aria-label": "A labelled file to learn from" });
    input.addEventListener("change", () => {
      own(input.files[0]);
      input.value = "";
    });
    const button = (label, run) => el("button", { type: "button", class: "act", "data-train": "", on: { click: run } }, label);
    const about =
      "MiniLM, an encoder of 22.7 million weights, gets a new head and learns for some minutes, behind everything else; held-out texts, " +
      `which it never saw, tell how good it is. The movie sentences: ${classify.fetched} Or give a file with labels of your own.`;
    const section = classify.section(
      "Train one here",
      about,
      el(
        "div",
        { class: "k-line" },
        button("Train on rated movie sentences", () => begin({})),
        button("Train on my own file", () => input.click()),
        input,
      ),
      el("div", { id: "k-training" }),
    );
    section.id = "k-train";
    return section;
  };
})();
