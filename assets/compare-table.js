/* The page Compare: prompts × columns. A cell grows as text while its reply is written, and is drawn as blocks when it has ended. */
(() => {
  const app = window.chatapp;
  const { compare, el } = app;
  compare.key = ({ prompt, column, replica }) => JSON.stringify([prompt, column, replica]);
  compare.count = ({ tokens }) => (tokens === 1 ? "1 token" : `${tokens} tokens`);
  const place = (prompt, column) => JSON.stringify([prompt, column]);

  function checks(cell) {
    if (cell.passed === null || cell.passed === undefined) return [];
    const said = (check) => `${check.passed ? "✓" : "✗"} ${check.assert}${check.why ? `: ${check.why}` : ""}`;
    if (cell.passed) return [el("span", { class: "c-good", title: cell.checks.map(said).join("\n") }, "✓ passes")];
    return cell.checks.filter((check) => !check.passed).map((check) => el("span", { class: "c-bad" }, said(check)));
  }

  function buttons(run, cell) {
    const name = `${cell.column}, prompt ${cell.prompt + 1}`;
    const chat = app.button(`Continue as chat: ${name}`, "chat", () => compare.chat(run, cell, false), { text: "Continue as chat" });
    const xray = app.button(`X-ray: ${name}`, "xray", () => compare.chat(run, cell, true), { text: "X-ray" });
    const { prompt, column, replica } = cell;
    const code = () => app.asCode("compare-code", { id: run.id, prompt, column, replica }, "This reply");
    return el("div", { class: "c-do" }, chat, xray, app.button(`Copy as code: ${name}`, "code", code, { text: "Code" }));
  }

  function ended(run, cell) {
    if (cell.problem) return [el("p", { class: "refusal" }, cell.problem)];
    const words = el("div", { class: "markdown" });
    words.innerHTML = cell.blocks?.join("") || "";
    if (!words.textContent.trim()) words.append(el("p", { class: "c-hint" }, "An empty reply."));
    const stands = cell.count > 1 ? [`counts for ${cell.count}`] : [];
    const facts = el("p", { class: "c-facts" }, [...cell.facts, ...stands].join(" · "));
    const unjudged = cell.unjudged ? el("p", { class: "c-facts" }, `Not judged: ${cell.unjudged}`) : "";
    return [
      words,
      facts,
      unjudged,
      el("p", { class: "c-checks" }, ...checks(cell)),
      ...compare.parted(run, cell, words),
      buttons(run, cell),
    ];
  }

  /* A live cell is one text node that grows. */
  function growing(live) {
    live.node ||= document.createTextNode("");
    live.node.data = live.text;
    const facts = el("p", { class: "c-facts" }, "");
    live.facts = facts;
    facts.textContent = compare.count(live);
    return [el("div", { class: "c-live" }, live.node), facts];
  }

  function pager(run, spot, cells) {
    if (cells.length < 2) return null;
    const go = (step) => () => {
      spot.shown = (spot.shown + step + cells.length) % cells.length;
      compare.drawCell(run, spot);
    };
    const words = `Reply ${spot.shown + 1} of ${cells.length}`;
    return el("div", { class: "c-pager" }, app.button("Reply before", "left", go(-1)), words, app.button("Next reply", "right", go(1)));
  }

  const isStopped = (run, label) => Boolean(run.state?.stopped?.includes(label));

  const empty = (run, label) => {
    const going = !isStopped(run, label) && { running: "waits", paused: "paused" }[run.state?.state];
    const words = going || (run.state ? "not made" : "");
    return el("p", { class: "c-hint" }, words);
  };

  compare.drawCell = (run, spot) => {
    const cells = run.of(spot.prompt, spot.column);
    const live = run.living(spot.prompt, spot.column);
    spot.shown = Math.min(spot.shown, Math.max(0, cells.length - 1));
    const shown = cells[spot.shown];
    const going = () => (live ? growing(live) : [empty(run, spot.column)]);
    const parts = shown ? ended(run, shown) : going();
    spot.box.replaceChildren(...[pager(run, spot, cells), ...parts].filter(Boolean));
    spot.box.classList.toggle("is-live", !shown && !!live);
  };

  function head(run, column) {
    const stop = app.button(`Stop ${column.label}`, "stop", () => compare.act(run, "column", column.label));
    const facts = [column.model ? app.brief(column.model) : "", column.settings].filter(Boolean).join(" · ");
    const system = column.system ? el("p", { class: "c-hint c-system", title: column.system }, `System: ${column.system}`) : null;
    const pass = el("span", { class: "c-pass" });
    const asked = { id: run.id, column: column.label };
    const code = app.button(`Copy as code: column ${column.label}`, "code", () => app.asCode("compare-code", asked, "This column"));
    run.heads.set(column.label, { stop, pass });
    const line = el("div", { class: "c-head" }, el("b", {}, column.label), pass, code, stop);
    return el("th", { scope: "col" }, line, el("p", { class: "c-hint" }, facts), system);
  }

  /* Pass rates, and which columns can still be stopped. */
  compare.drawHead = (run) => {
    const running = ["running", "paused"].includes(run.state?.state);
    for (const [label, { stop, pass }] of run.heads) {
      const { passed, checked, missing } = run.tally(label);
      pass.textContent = checked ? `${Math.round((100 * passed) / checked)} % pass` : "";
      pass.title = checked ? `${passed} of ${checked} replies pass every check` : "";
      stop.hidden = !running || !missing || isStopped(run, label);
    }
  };

  function row(run, text, prompt) {
    const cells = run.head.columns.map(({ label }) => {
      const box = el("td", { tabindex: -1, "aria-label": `${label}, prompt ${prompt + 1}` });
      const spot = { prompt, column: label, shown: 0, box };
      run.spots.set(place(prompt, label), spot);
      compare.drawCell(run, spot);
      return spot.box;
    });
    const words = el("div", { class: "c-prompt" }, el("b", {}, `${prompt + 1}`), el("span", {}, text));
    const top = el("tr", { class: "c-prompt-row" }, el("th", { scope: "rowgroup", colspan: run.head.columns.length }, words));
    return el("tbody", {}, top, el("tr", {}, ...cells));
  }

  compare.table = (run) => {
    const heads = el("thead", {}, el("tr", {}, ...run.head.columns.map((column) => head(run, column))));
    const bodies = run.head.prompts.map((text, prompt) => row(run, text, prompt));
    const table = el("table", { class: "c-table", style: `--columns: ${run.head.columns.length}` }, heads, ...bodies);
    return el("div", { class: "c-wide", tabindex: 0, role: "region", "aria-label": "Replies: prompts by columns" }, table);
  };

  /* A reply, brought into sight: of several in its cell, this one. */
  compare.toReply = (run, cell) => {
    const spot = compare.spot(run, cell);
    spot.shown = run.of(cell.prompt, cell.column).indexOf(cell);
    compare.drawCell(run, spot);
    spot.box.scrollIntoView({ block: "center", inline: "center" });
    spot.box.focus({ preventScroll: true });
  };

  compare.spot = (run, { prompt, column }) => run.spots.get(place(prompt, column));
})();
