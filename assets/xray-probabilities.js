/* X-ray's view Probabilities: the reply by surprise, and how one of its tokens was drawn. */
(() => {
  const app = window.chatapp;
  const { xray, el } = { xray: app.xray, el: app.el };
  const STEPS = app.sampling.filter(({ kind }) => kind !== "length");
  /* Cells from which on the reply and the detail of its token no longer stand under each other. */
  const LONG = 150;
  /* One of so many tokens is chosen at first: it stands in sight without scrolling. */
  const FIRST = 60;
  let at = null;
  let timer = 0;

  const chosen = () => document.querySelectorAll("#xray-body .x-cells .x-cell");
  function mark() {
    let here = null;
    chosen().forEach((cell) => {
      const own = Number(cell.dataset.at) === at;
      cell.classList.toggle("chosen", own);
      cell.tabIndex = own ? 0 : -1;
      if (own) here = cell;
    });
    here?.scrollIntoView({ block: "nearest" });
  }
  function pick(position) {
    at = position;
    mark();
    later(position, 120);
  }
  const ask = (position) => xray.ask("draw", { position, sampling: xray.sampling || {} });
  function later(position, ms) {
    clearTimeout(timer);
    timer = setTimeout(() => ask(position), ms);
  }

  xray.views.probabilities = {
    draw(data, body, done) {
      const rows = data.rows || [];
      const held = document.activeElement?.closest?.("#xray-body .x-cell")?.dataset.at;
      const place = app.$("#x-detail", body) || el("div", { id: "x-detail", "aria-live": "polite" });
      const measured = data.difference ?? null;
      const differs =
        measured === null ? null : xray.told(`at most ${measured.toExponential(1)} from the {engine's own record|recorded probabilities}`);
      const label = "The reply, hotter where the model was surprised";
      const text = el("div", { class: "x-reply" }, xray.heat.map(data.reply, rows, label, pick));
      const facts = el("p", { class: "x-facts" }, ...xray.heat.facts(rows), xray.note(data.note), differs);
      xray.fill(
        body,
        facts,
        xray.heat.scale(),
        el("div", { class: data.reply.cells.length > LONG ? "x-beside long" : "x-beside" }, text, place),
      );
      if (held) body.querySelector(`.x-cell[data-at="${held}"]`)?.focus();
      const surprise = (worst, row, n) => (row.p < rows[worst].p ? n : worst);
      if (done && rows.length) {
        at ??= rows.slice(0, FIRST).reduce(surprise, 0);
        ask(at);
      }
      mark();
    },
    also(view, data) {
      if (view === "draw") detail(data);
    },
  };

  function slider({ name, label, minimum, maximum, step }, data) {
    const value = xray.sampling?.[name] ?? data.sampling[name];
    const shown = el("output", {}, String(value));
    const range = el("input", { type: "range", min: minimum, max: maximum, step, value, "data-knob": name, "aria-label": label });
    range.addEventListener("input", () => {
      shown.textContent = range.value;
      xray.sampling = { ...data.sampling, ...xray.sampling, [name]: Number(range.value) };
      later(data.position, 60);
    });
    const known = app.terms[label.toLowerCase()] ? xray.term(label.toLowerCase(), label) : label;
    return el("div", { class: "x-slider" }, el("span", {}, known, " ", shown), range);
  }

  function candidate(data) {
    return (id, text) => {
      const words = `Go on from “${xray.visible(text)}” at this place? The conversation branches here; this reply stays beside it.`;
      app.ask(words, [{ text: "Branch here", run: () => branch(data, id) }]);
    };
  }

  const NAMES = { logits: "logit" };
  function stepOf(step, data, own) {
    const known = NAMES[step.name] || step.name;
    const title = app.terms[known] ? xray.term(known, step.name) : step.name;
    const left = xray.fact("{left|tokens left}", xray.number(step.kept));
    return el(
      "section",
      { class: "x-step" },
      el("h4", {}, title, el("span", { class: "x-fact" }, left)),
      el("p", { class: "x-said" }, step.said),
      xray.bars(step.top, candidate(data), own),
    );
  }

  function detail(data) {
    const place = app.$("#x-detail");
    const row = xray.data.probabilities?.rows?.[data.position];
    if (!place || !row || data.position !== at) return;
    place.dataset.at = at;
    const held = document.activeElement?.dataset?.knob;
    const changed = !!xray.sampling;
    const reset = () => {
      xray.sampling = null;
      ask(data.position);
    };
    const text = xray.data.probabilities.reply.rows[data.position].text;
    const facts = el("span", { class: "x-facts" }, ...xray.heat.numbers(row));
    const outcome = [changed ? "With these settings: " : "", data.outcome];
    xray.fill(
      place,
      el("h3", {}, `Token ${data.position + 1}`, el("code", {}, xray.visible(text)), facts),
      el("p", { class: "x-outcome" }, ...outcome),
      el(
        "div",
        { class: "x-sliders" },
        ...STEPS.map((param) => slider(param, data)),
        xray.button("As it was", reset, { disabled: !changed }),
      ),
      xray.told("From {logit}s to the draw, step by step. Choose a candidate to go on from it in a new branch."),
      el("div", { class: "x-steps" }, ...data.steps.map((step) => stepOf(step, data, row.id))),
    );
    if (held) place.querySelector(`[data-knob="${held}"]`)?.focus({ preventScroll: true });
    mark();
  }

  async function branch({ position, own }, token) {
    const asked = { turn: xray.turn, position, token };
    if (!xray.whole()) {
      xray.close();
      app.act("branch", asked);
      return;
    }
    try {
      const done = await app.post("chat", { do: "branch", settings: own, ...asked });
      location.href = `./?c=${done.conversation}`;
    } catch (error) {
      app.failed(error);
    }
  }
  const open = xray.open;
  xray.open = (turn, view) => {
    if (turn !== xray.turn) {
      at = null;
      xray.sampling = null;
    }
    open(turn, view);
  };
})();
