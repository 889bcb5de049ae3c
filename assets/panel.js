/* The settings panel folds; the state of the model is said. */
(() => {
  const app = window.chatapp;
  app.commands = {
    ...app.commands,
    "fold-right": () => app.fold("right", !app.folded("right")),
    "fold-more": () => app.fold("more", !app.folded("more")),
  };

  function share(model) {
    return model.progress === null || model.progress === undefined ? "" : ` ${Math.round(model.progress * 100)} %`;
  }

  /* For whoever may load it once more, or put up with it. */
  const again = (model) => (model.loads ? app.modelWays({ id: model.id, state: "failed" }, "primary") : []);

  function modelLine(model) {
    if (model.state === "ready") return [app.el("b", {}, model.short), ` ${model.facts.join(" · ")}`];
    if (model.state === "failed") return [`The model could not be loaded. ${model.error}`, ...again(model)];
    if (model.state === "unloaded") return ["The model is not loaded. It loads with the first message."];
    const bar = app.el("progress", { max: "1", value: model.progress ?? null, "aria-label": "Loading the model" });
    return [`${model.detail || "Loading the model"}${share(model)}`, bar];
  }

  app.on("model", (model) => {
    if (!app.$("#model-line")) return;
    app.sayFolds();
    document.body.dataset.model = model.state;
    app.$("#model-line").replaceChildren(...modelLine(model));
    app.$("#model-line").title = model.why || "";
    const ready = model.state === "ready";
    const busy = model.state === "failed" ? "Model not loaded" : `${model.detail || "Loading the model"}${share(model)}`;
    app.$("#model-state").textContent = ready ? `${model.short} · ${model.context}` : busy;
    app.$("#model-state").title = ready ? [model.model, ...model.facts, model.why].join(" · ") : model.error || "";
    for (const [place, far] of [
      ["here", false],
      ["far", true],
    ])
      app.$(`#about .${place}`).hidden = far !== Boolean(model.remote);
    if (ready) headline(model.headline);
  });

  function headline(pieces) {
    const line = app.$("#headline");
    if (!pieces.length || pieces.length > 12 || line.dataset.real) return;
    line.dataset.real = "1";
    line.setAttribute("aria-label", pieces.map(([text]) => text).join(""));
    const token = ([text, id]) => app.el("span", { class: "token", "aria-hidden": "true" }, text, app.el("i", {}, String(id)));
    line.replaceChildren(...pieces.map(token));
    line.title = "The way the model reads it: one block, one token";
  }

  /* One line above the box for what concerns the whole page: no connection, a disk that is full. */
  function notice(kind, words) {
    const line = app.$("#notice");
    if (words) {
      line.dataset.kind = kind;
      line.textContent = words;
    } else if (line.dataset.kind === kind) line.textContent = "";
    line.hidden = !line.textContent;
  }
  app.on("lost", (words) => notice("lost", words));
  app.on("unsaved", (words) => notice("unsaved", words));
  app.on("path", (view) => view.unsaved || notice("unsaved", ""));

  app.ready(() => {
    document.body.classList.add("starting", "empty");
    app.foldAsWide("right");
    app.fold("more", app.store.get("fold.more") !== false, false);
  });
})();
