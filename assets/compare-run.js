/* The page Compare: one run, watched through the door. A lost connection is asked for again; what is there is never drawn twice. */
(() => {
  const app = window.chatapp;
  const { compare, el } = app;
  const AGAIN = 2000;
  let shown = null;

  class Run {
    constructor(id) {
      Object.assign(this, { id, head: null, state: null, result: null, cells: new Map(), live: new Map() });
      Object.assign(this, { spots: new Map(), heads: new Map(), across: new Map(), reading: new AbortController() });
    }
    replicas(prompt, column, kept) {
      const all = Array.from({ length: this.head.replicas }, (_, replica) => kept.get(compare.key({ prompt, column, replica })));
      return all.filter(Boolean);
    }
    of(prompt, column) {
      return this.replicas(prompt, column, this.cells);
    }
    living(prompt, column) {
      return this.replicas(prompt, column, this.live)[0];
    }
    tally(label) {
      const mine = [...this.cells.values()].filter((cell) => cell.column === label);
      const checked = mine.filter((cell) => cell.passed === true || cell.passed === false);
      const sum = (cells) => cells.reduce((count, cell) => count + cell.count, 0);
      const missing = this.head.prompts.length * this.head.replicas - sum(mine);
      return { passed: sum(checked.filter((cell) => cell.passed)), checked: sum(checked), missing };
    }
  }

  const act = (words, click, more = {}) => el("button", { type: "button", class: "act", on: { click }, ...more }, words);

  compare.act = async (run, name, column = "") => {
    try {
      await app.post("compare-do", { do: name, id: run.id, column });
      if (name === "go_on" && run.result) compare.showRun(run.id);
      return true;
    } catch (error) {
      app.failed(error);
      return false;
    }
  };

  const erase = (run) => () =>
    app.ask("Delete this comparison? All its replies are erased.", [
      {
        text: "Delete",
        danger: true,
        run: async () => {
          if (await compare.act(run, "delete")) location.hash = "";
        },
      },
    ]);

  function edit(run) {
    compare.form = compare.fromGrid(run.head.grid);
    compare.changed();
    location.hash = "";
  }

  function buttons(run) {
    const { state, replies, cells, unjudged } = run.state;
    const stop = act("Stop", () => compare.act(run, "stop"));
    const pause = act("Pause", () => compare.act(run, "pause"), { title: "Replies that are being written end; no further one begins" });
    const on = act("Go on", () => compare.act(run, "go_on"));
    const missing = replies < cells || [...run.cells.values()].some((cell) => cell.problem);
    const again = missing ? "Try again what failed" : "Judge the others";
    const more = act(replies < cells ? "Make the missing replies" : again, () => compare.act(run, "go_on"));
    const rest = [missing || unjudged ? more : null, act("Edit as a new one", () => edit(run)), act("Delete", erase(run))];
    const choice = { running: [pause, stop], paused: [on, stop] }[state] || rest;
    return el("div", { class: "c-row" }, ...choice);
  }

  function drawState(run) {
    const { state, share, words, notes = [] } = run.state;
    const going = state === "running" || state === "paused";
    const bar = going ? el("progress", { max: 1, value: share, "aria-label": "Replies" }) : null;
    const line = el("p", { class: "c-state", role: "status" }, words);
    const more = notes.map((note) => el("p", { class: "c-hint" }, note));
    const focused = run.bar.contains(document.activeElement) ? document.activeElement.textContent : "";
    run.bar.replaceChildren(...[bar, line, buttons(run), ...more].filter(Boolean));
    if (focused) [...run.bar.querySelectorAll("button")].find((button) => button.textContent === focused)?.focus();
  }

  function grown(run, one) {
    const key = compare.key(one);
    const live = run.live.get(key) || { text: "", tokens: 0 };
    live.text = live.text.slice(0, one.at) + one.more;
    live.tokens = one.tokens;
    run.live.set(key, live);
    if (live.node?.isConnected) {
      live.node.data = live.text;
      live.facts.textContent = compare.count(live);
    } else compare.drawCell(run, compare.spot(run, one));
  }

  function begin(run, head) {
    const before = run.head;
    run.head = head;
    if (before) return;
    const top = el("div", { class: "c-top" }, el("a", { href: "#", class: "act" }, "New comparison"), el("h2", {}, head.title));
    run.bar = el("section", { class: "c-bar" });
    run.after = el("section", { class: "c-after" });
    run.pictures = compare.picturesOf(run);
    run.files = el("section");
    app.$("#compare").replaceChildren(top, run.bar, run.after, run.pictures, run.files, compare.table(run));
  }

  function finished(run, cell) {
    run.cells.set(compare.key(cell), cell);
    run.live.delete(compare.key(cell));
    compare.drawCell(run, compare.spot(run, cell));
  }

  function stands(run, state) {
    const how = ({ state, stopped = [] }) => JSON.stringify([state, stopped]);
    const before = run.state && how(run.state);
    run.state = state;
    drawState(run);
    if (before !== how(state)) for (const spot of run.spots.values()) compare.drawCell(run, spot);
  }

  function rests(run, result) {
    run.result = result;
    run.live.clear();
    drawState(run);
    compare.drawResult(run);
  }

  function news(run, { head, cells = [], grown: longer = [], state, result, pictures }) {
    if (head) begin(run, head);
    for (const cell of cells) finished(run, cell);
    for (const one of longer) grown(run, one);
    if (state) stands(run, state);
    if (result) rests(run, result);
    if (pictures) compare.drawPictures(run, pictures);
    if (cells.length || state) compare.drawHead(run);
  }

  async function watch(run) {
    const { signal } = run.reading;
    try {
      await app.lines("compare-watch", { id: run.id }, (line) => signal.aborted || news(run, line), signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error.lost) setTimeout(() => signal.aborted || watch(run), AGAIN);
      else if (!run.head) gone(error);
      else app.failed(error);
    }
  }

  function gone(error) {
    const back = el("a", { href: "#", class: "act" }, "All comparisons");
    app.$("#compare").replaceChildren(el("p", { class: "refusal", role: "alert" }, error.message), back);
  }

  compare.leaveRun = () => {
    if (shown) compare.leaveAcross(shown);
    shown?.reading.abort();
    shown = null;
  };
  compare.showRun = (id) => {
    compare.leaveRun();
    shown = new Run(id);
    app.$("#compare").setAttribute("aria-busy", "false");
    watch(shown);
  };
})();
