/* What is loaded and what is on this machine. */
(() => {
  const app = window.chatapp;
  const { models } = app;
  const KINDS = { embedded: "came with the app", cache: "fetched from the Hub", folder: "folder", gguf: "GGUF file" };

  const USES = { chat: "", classifier: "classifier", encoder: "encoder", other: "no chat model" };
  const STATES = { ready: "loaded", loading: "loading", leaving: "leaving" };

  const list = (pairs) =>
    app.el("dl", { class: "facts" }, ...pairs.flatMap(([name, words]) => [app.el("dt", {}, name), app.el("dd", {}, words)]));

  const act = (text, run, kind = "act") => app.el("button", { type: "button", class: kind, on: { click: run } }, text);
  models.act = act;

  /* What can be done with a row of what is loaded, for whoever may. */
  const ways = (...buttons) => (models.now.refused ? null : app.el("div", { class: "acts" }, ...buttons));
  const unload = (text, row, more = {}) => act(text, () => models.unload({ id: row.id, ...more }));

  /* To a folder that a person names; one that is refused is asked for again, with why. */
  function save(row, typed = "", refused = "") {
    const box = app.el("input", { type: "text", "aria-label": "Folder", placeholder: "/home/me/models/mine", autocomplete: "off" });
    const why = app.el("span", { class: "refusal", role: "alert" }, refused);
    box.value = typed;
    const run = async () => {
      try {
        await app.post("models-save", { id: row.id, folder: box.value });
        app.toast(`${row.name} is being saved.`);
      } catch (error) {
        save(row, box.value, error.message);
      }
    };
    app.ask(`Save ${row.name} to a new folder. A bare name is one among the app's models.`, [{ text: "Save it", run }]);
    app.$("#question-text").append(...(refused ? [why, box] : [box]));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // the focus goes back to the button that opened this, which the same key would press
      app.$("#question .answers button").click();
    });
    box.focus();
  }

  function loaded(row) {
    const head = app.el("b", { title: row.id }, row.state === "ready" ? row.name : app.brief(row.id));
    const chat = app.el("a", { class: "act", href: `./?model=${encodeURIComponent(row.id)}` }, "Chat with it");
    if (row.state === "ready")
      return app.el(
        "div",
        { class: "loaded" },
        head,
        chat,
        list(row.facts),
        ways(unload("Unload", row), row.id.includes("://") ? null : act("Save …", () => save(row))),
      );
    const words = app.el("p", {}, row.words);
    if (row.state === "failed") {
      const again = act("Try again", () => models.load(row.id));
      return app.el("div", { class: "loaded failed" }, head, words, ways(again, unload("Dismiss", row)));
    }
    const bar = app.el("progress", { max: "1", value: row.share, "aria-label": `Loading ${row.name}` });
    return app.el("div", { class: `loaded ${row.state}` }, head, words, bar, row.state === "loading" && ways(unload("Cancel", row)));
  }

  /* Beside the models: X-ray's copies of their weights, and encoders and classifiers, which no engine serves. */
  const copy = (row) =>
    app.el(
      "div",
      { class: "loaded copy" },
      app.el("b", { title: row.id }, row.name),
      list([["Memory", row.memory]]),
      ways(unload("Unload", row, { copy: true })),
    );

  function state(row) {
    if (row.loaded && row.loaded !== "failed") return app.el("span", { class: "badge good" }, STATES[row.loaded]);
    if (row.problem) return app.el("span", { class: "badge bad" }, "cannot be loaded");
    return row.use.purpose === "chat" ? act("Load", () => models.load(row.name)) : instead(row);
  }

  /* What writes no text is not loaded for a chat: a classifier classifies, an encoder is looked into where it can be. */
  const to = (page, words, row) => app.el("a", { class: "act", href: `./${page}?model=${encodeURIComponent(row.name)}` }, words);
  const text = (row) => (row.use.unread ? null : to("text", "Try a text", row));
  function instead(row) {
    if (row.use.purpose === "classifier") return to("classify", "Classify with it", row);
    return text(row) || app.el("span", { class: "badge", title: row.use.unread }, "files only");
  }

  /* Deleting is asked in words: what it frees, and whether it can be brought back. */
  async function remove(row) {
    try {
      const { words } = await app.post("models-delete", { name: row.name });
      const sure = async () => {
        try {
          await app.post("models-delete", { name: row.name, sure: true });
          app.toast(`${row.label} was deleted.`);
          models.back();
        } catch (error) {
          app.failed(error);
        }
        models.look();
      };
      app.ask(words, [{ text: "Delete it", danger: true, run: sure }]);
    } catch (error) {
      app.failed(error);
    }
  }

  function here(row) {
    const link = app.el("a", { href: models.address(row.name) }, row.label);
    const about = [USES[row.use.purpose], KINDS[row.kind], row.size].filter(Boolean).join(" · ");
    const wrong = row.problem || (row.loaded === "failed" ? row.words : "");
    const words = app.el("div", { class: "words" }, link, app.el("p", {}, wrong ? `${about} · ${wrong}` : about));
    return app.el("li", { "data-name": row.name }, words, state(row));
  }

  app.on("models", () => {
    const { loaded: rows, copies, here: local, disk, refused } = models.now;
    app.$("#loaded").replaceChildren(...rows.map(loaded), ...copies.map(copy));
    app.$("#here").replaceChildren(...local.map(here));
    app.$("#disk").textContent = disk;
    app.$("#refused").textContent = refused;
    app.$("#refused").hidden = !refused;
    app.$("#here-part").hidden = Boolean(refused);
    drawHead();
  });

  /* What can be done with one model that is here. */
  function acts(row, failed) {
    const removal = row.kind === "embedded" || (row.loaded && !failed) ? null : act("Delete …", () => remove(row));
    const silent = row.use.purpose !== "chat" && !row.problem;
    const look = row.use.purpose === "encoder" ? null : text(row); // an encoder's state is that already
    const keep = silent ? act("Save …", () => save({ id: row.name, name: row.label })) : null;
    return app.el("div", { class: "acts" }, state(row), look, keep, failed ? unload("Dismiss", row) : null, removal);
  }

  /* The head of one model that is here. */
  let name = "";
  function drawHead() {
    const row = models.local(name);
    if (!row) return;
    const facts = [
      ["Is", KINDS[row.kind]],
      ["Does", row.use.words],
      ["Any text", row.use.unread],
      ["On the disk", row.size],
      ["At", row.place],
      ["Revision", row.revision],
    ];
    const failed = row.loaded === "failed";
    const said = row.problem || (failed && `It could not be loaded. ${row.words}`);
    const problem = said && app.el("p", { class: "refusal" }, said);
    app.$("#one-head").replaceChildren(list(facts.filter(([, words]) => words)), ...(problem ? [problem] : []), acts(row, failed));
  }
  app.on("model", (shown) => {
    name = shown;
    app.$("#one-head").replaceChildren();
    drawHead();
  });
})();
