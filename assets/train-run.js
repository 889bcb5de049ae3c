/* The page Train: one run, watched through the door. A lost connection is asked for again; what is there is kept by kind and step. */
(() => {
  const app = window.chatapp;
  const { train, el } = app;
  const AGAIN = 2000;
  let shown = null;

  /* What is known of a run: `about` is its run.json, `kinds` the events of its log, by kind and step; `step` the one that the slider
     shows. */
  class Run {
    constructor(id) {
      Object.assign(this, { id, about: null, written: null, kinds: new Map(), step: null, other: null, wide: false, follows: true });
      this.reading = new AbortController();
    }
    take(event) {
      if (!this.kinds.has(event.kind)) this.kinds.set(event.kind, new Map());
      this.kinds.get(event.kind).set(event.step ?? event.words, event);
    }
    of(kind) {
      const found = [...(this.kinds.get(kind)?.values() ?? [])];
      return found.sort((one, other) => (one.step ?? 0) - (other.step ?? 0));
    }
    points(kind, name) {
      return this.of(kind)
        .filter((event) => Number.isFinite(event[name]))
        .map((event) => [event.step, event[name]]);
    }
    last() {
      return Math.max(0, ...["loss", "validation", "snapshot"].map((kind) => this.of(kind).at(-1)?.step ?? 0));
    }
    get steps() {
      return this.of("snapshot").map(({ step }) => step);
    }
    /* Does it fine-tune a chat model? It has no snapshots then. */
    get tuned() {
      return this.about.kind === "finetune";
    }
    get rests() {
      return !["queued", "running", "paused"].includes(this.about.state);
    }
  }
  train.Run = Run;

  const act = (words, click, more = {}) => el("button", { type: "button", class: "act", on: { click }, ...more }, words);

  train.act = async (id, name, more = {}) => {
    try {
      await app.post("train-do", { do: name, id, ...more });
      app.tell("look");
      return true;
    } catch (error) {
      app.failed(error);
      return false;
    }
  };

  train.erase = (id, name, then) =>
    app.ask(`Delete the run “${name}”? Its snapshots, curves and model are erased.`, [
      { text: "Delete", danger: true, run: async () => (await train.act(id, "delete")) && then() },
    ]);

  train.rename = (id, name, then) => {
    const box = el("input", { type: "text", value: name, maxlength: 100, "aria-label": "Name of the run" });
    const rename = async () => (await train.act(id, "rename", { name: box.value })) && then(box.value);
    app.ask("How is this run called?", [{ text: "Rename", run: rename }]);
    app.$("#question-text").append(box);
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      app.$("#question").close();
      rename();
    });
    box.select();
  };

  function buttons(run) {
    const { state, name } = run.about;
    const stop = act("Stop", async () => {
      stop.disabled = true;
      stop.textContent = "Stopping after this step …";
      if (!(await train.act(run.id, "stop"))) Object.assign(stop, { disabled: false, textContent: "Stop" });
    });
    const resume = act("Go on", async () => (await train.act(run.id, "resume")) && train.showRun(run.id));
    const rename = act("Rename", () => train.rename(run.id, name, (words) => called(run, words)));
    const gone = act("Delete", () => train.erase(run.id, name, () => (location.hash = "")));
    const again = run.tuned ? null : act("Edit as a new one", () => train.edit(run.written));
    const chat = run.tuned ? null : act("Chat with it", () => train.talk(run.id, run.about.result.step), { class: "act primary" });
    return run.rests ? [state === "done" ? chat : resume, again, rename, gone] : [stop, rename];
  }

  /* A run that goes on tells its new name itself. */
  function called(run, name) {
    run.about.name = name;
    drawState(run);
  }

  /* Of what is drawn twice a second only that is touched which is new: a button that were replaced under a finger would not be pressed. */
  function drawState(run) {
    const { state, error, total_steps: total, name } = run.about;
    const [line, going, chat, why, row, notes] = run.bar.children;
    say(line, train.standing(run));
    going.hidden = run.rests;
    const share = run.share ?? (total ? run.last() / total : null);
    if (share === null) going.firstChild.removeAttribute("value");
    else going.firstChild.value = share;
    say(going.lastChild, run.words && !run.words.startsWith("Step ") ? run.words : ""); // of steps the line says more
    say(chat, run.chats ?? "");
    say(why, error ?? "");
    why.className = state === "failed" ? "refusal" : "r-hint";
    why.hidden = !error;
    anew(row, [state, name], () => buttons(run));
    anew(notes, run.of("note"), () => run.of("note").map(({ words }) => el("p", { class: "r-hint" }, words)));
    say(run.title, name);
  }

  const say = (node, words) => node.textContent !== words && node.replaceChildren(words);

  /* Drawn where what it shows is another; the button that has the focus keeps it, though it is a new one. */
  function anew(place, shows, parts) {
    const now = JSON.stringify(shows);
    if (place.shows === now) return;
    place.shows = now;
    const focused = place.contains(document.activeElement) ? document.activeElement.textContent : "";
    place.replaceChildren(...parts().filter(Boolean));
    if (focused) [...place.querySelectorAll("button")].find((button) => button.textContent === focused)?.focus();
  }

  function facts(run) {
    return (run.tuned ? train.tuneFacts : train.facts)(run.about).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
  }

  function files(run) {
    const copy = (text) => act("Copy", () => app.copy(text) || app.toast("Copied."));
    if (run.tuned) return [];
    const file = (title, text) => el("details", {}, el("summary", {}, title), copy(text), el("pre", { tabindex: 0 }, text));
    return [file("This run as code", run.written.code), file("Its recipe.yaml", run.written.text)];
  }

  /* The switches above the curves: another run beside it, and the scale of the steps. */
  function switches(run) {
    const others = train.runs.filter(({ id, kind }) => id !== run.id && kind === run.about.kind);
    const select = el("select", { "aria-label": "Another run in the same picture" }, el("option", { value: "" }, "no other run"));
    for (const other of others) select.append(el("option", { value: other.id }, other.name));
    select.addEventListener("change", () => compare(run, select.value));
    const box = el("input", { type: "checkbox" });
    box.addEventListener("change", () => {
      run.wide = box.checked;
      train.drawCurves(run, run.curves);
    });
    const beside = others.length ? el("label", {}, "beside ", select) : null;
    return el("div", { class: "r-row r-switches" }, el("label", {}, box, " early steps wide"), beside);
  }

  async function compare(run, id) {
    run.other = null;
    if (id) {
      const other = new Run(id);
      try {
        await app.lines("train-watch", { id, curves: true }, (line) => heard(other, line), run.reading.signal);
        run.other = other;
      } catch (error) {
        if (!run.reading.signal.aborted) app.failed(error);
      }
    }
    train.drawCurves(run, run.curves);
  }

  function heard(run, { run: about, events = [], written, words, share, chat }) {
    if (about) run.about = about;
    if (written) run.written = written;
    for (const event of events) run.take(event);
    Object.assign(run, { words, share, chats: chat });
  }

  function begin(run) {
    run.title = el("h2", {});
    const top = el("div", { class: "r-top" }, el("a", { href: "#", class: "act" }, "All runs"), run.title);
    const going = el("div", {}, el("progress", { max: 1, "aria-label": "Training" }), el("p", { class: "r-hint" }));
    const line = el("p", { class: "r-state", role: "status" });
    run.bar = el(
      "section",
      { class: "r-bar" },
      line,
      going,
      el("p", { class: "r-hint" }),
      el("p", {}),
      el("div", { class: "r-row" }),
      el("div", {}),
    );
    run.curves = el("section", { class: "r-curves" });
    run.facts = el("section", { class: "r-about" }, el("h2", {}, "What it is"), el("dl", { class: "r-facts" }), ...files(run));
    const steps = run.tuned ? { before: [train.tuned(run)], after: [] } : { before: train.slider(run), after: train.inside(run) };
    const parts = [top, run.bar, ...steps.before, switches(run), run.curves, ...steps.after, run.facts];
    app.$("#train").replaceChildren(...parts);
    run.drawn = true;
  }

  function news(run, line) {
    heard(run, line);
    if (!run.about || !run.written) return;
    if (!run.drawn) begin(run);
    drawState(run);
    if (run.tuned) train.drawTuned(run);
    else train.snapshots(run);
    if (line.events?.length) train.drawCurves(run, run.curves);
    if (line.run) app.$("dl", run.facts).replaceChildren(...facts(run));
  }

  async function watch(run) {
    const { signal } = run.reading;
    try {
      await app.lines("train-watch", { id: run.id }, (line) => signal.aborted || news(run, line), signal);
      rest(run);
    } catch (error) {
      if (signal.aborted) return;
      if (error.lost) setTimeout(() => signal.aborted || watch(run), AGAIN);
      else if (!run.drawn || error.status === 404) gone(run, error.message);
      else app.failed(error);
    }
  }

  /* A run that rests is looked after: another tab, or a command, may delete it, rename it, or go on with it. */
  function rest(run) {
    setTimeout(async () => {
      const known = document.hidden || run.reading.signal.aborted ? null : await app.post("train").catch(() => null);
      if (!run.reading.signal.aborted) found(run, known);
    }, AGAIN);
  }

  function found(run, known) {
    if (!known) return rest(run);
    const now = known.runs.find(({ id }) => id === run.id);
    if (!now) return gone(run, `The run “${run.about.name}” was deleted, in another tab or by a command.`);
    if (now.state !== run.about.state) return watch(run);
    if (now.name !== run.about.name) called(run, now.name);
    return rest(run);
  }

  function gone(run, words) {
    const back = el("a", { href: "#", class: "act" }, "All runs");
    run.reading.abort();
    app.$("#train").replaceChildren(el("p", { class: "refusal", role: "alert" }, words), back);
  }

  train.leaveRun = () => {
    shown?.reading.abort();
    shown = null;
  };
  train.showRun = (id) => {
    train.leaveRun();
    shown = new Run(id);
    watch(shown);
  };
})();
