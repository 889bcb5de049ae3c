/* X-ray views made of tokens: the prompt, the reply's probabilities, any pasted text. */
(() => {
  const app = window.chatapp, xray = app.xray, el = app.el;
  const MOST = 1500;

  /* A cell is a run of whole characters; a character split over several tokens is one cell with parts. */
  function cellsOf({ cells, rows }, paint, from = 0, to = cells.length) {
    return cells.slice(from, to).map((indexes) => {
      const first = rows[indexes[0]];
      const text = indexes.length > 1 ? first.text : first.text;
      const cell = el("span", { class: `x-cell ${paint.kind(first)}`, tabindex: 0, "data-at": indexes[0] });
      const style = paint.style?.(indexes[0]);
      if (style) cell.setAttribute("style", style);
      if (text.includes("\n")) cell.append(el("span", { class: "x-break" }, xray.visible(text)), ...text.split("\n").slice(1).map(() => el("br")));
      else cell.append(text || "∅");
      if (indexes.length > 1) cell.append(el("sup", {}, String(indexes.length)));
      cell.title = indexes.map((i) => `${rows[i].id}  ${rows[i].token}  [${rows[i].bytes}]`).join("\n");
      return cell;
    });
  }

  function longList(box, view, paint) {
    let shown = 0;
    const more = el("button", { type: "button", class: "x-do" });
    const add = () => {
      const parts = cellsOf(view, paint, shown, shown + MOST);
      shown += parts.length;
      more.before(...parts);
      more.hidden = shown >= view.cells.length;
      more.textContent = `Show ${Math.min(MOST, view.cells.length - shown)} more of ${view.cells.length}`;
    };
    more.addEventListener("click", add);
    box.append(more);
    add();
  }

  function table(rows) {
    const head = ["#", "id", "token", "bytes", "characters", "from", "mask"];
    const body = rows.slice(0, MOST).map((row, n) => el("tr", { class: row.kind === "special" ? "special" : null },
      ...[n, row.id, row.token, row.bytes, xray.visible(row.text) + (row.partial ? " (part)" : ""), row.kind === "content" ? row.role || "" : row.kind, row.mask].map((v) => el("td", {}, String(v)))));
    const note = rows.length > MOST ? el("caption", {}, `The first ${MOST} of ${rows.length} tokens`) : null;
    return el("div", { class: "x-scroll", tabindex: 0, role: "region", "aria-label": "Token table" }, el("table", { class: "x-table" }, note, el("thead", {}, el("tr", {}, ...head.map((h) => el("th", { scope: "col" }, h)))), el("tbody", {}, ...body)));
  }

  const LEGEND = [["system", "system"], ["user", "user"], ["assistant", "assistant"], ["template", "template"], ["special", "special token"], ["prefill", "given beginning of the reply"]];
  const kindOf = (row) => (row.kind === "content" ? `role-${row.role}` : `kind-${row.kind}`);

  xray.views.prompt = {
    draw(data, body) {
      if (!data.rows) {
        body.replaceChildren(el("div", { class: "x-why" }, el("p", {}, data.why), el("button", { type: "button", class: "x-do", on: { click: () => xray.load(data.offer) } }, `Load ${data.offer} for X-ray`)),
          el("pre", { class: "x-text" }, data.text), el("p", { class: "x-facts" }, `${data.ids.length} ids: ${data.ids.slice(0, 400).join(" ")}${data.ids.length > 400 ? " …" : ""}`));
        return;
      }
      const box = el("div", { class: "x-cells" });
      longList(box, data, { kind: kindOf });
      const used = new Set(data.rows.map((row) => (row.kind === "content" ? row.role : row.kind)));
      const notes = [];
      if (data.dropped) notes.push(el("p", { class: "x-note" }, `${data.dropped} earlier messages were left out because they did not fit into the context.`));
      if (data.guarded.length) notes.push(el("p", { class: "x-note" }, "Typed control strings were handed over as plain text, not as control tokens: ", ...data.guarded.map((g) => el("code", {}, g))));
      body.replaceChildren(
        el("p", { class: "x-facts" }, xray.fact("tokens", data.tokens), xray.fact("characters", [...data.text].length), xray.fact("dropped messages", data.dropped), xray.fact("attention mask", "all 1")),
        el("p", { class: "x-legend" }, ...LEGEND.filter(([name]) => used.has(name)).map(([name, label]) => el("span", { class: `x-cell ${["system", "user", "assistant"].includes(name) ? "role-" : "kind-"}${name}` }, label))),
        ...notes, box, el("details", {}, el("summary", {}, "Every token: id, spelling, bytes, characters, attention mask"), table(data.rows)));
    },
  };

  /* Probabilities */
  const SURPRISE = [0, 8];
  const heat = (p) => `--heat:${Math.min(1, Math.max(0, (-Math.log2(Math.max(p, 1e-9)) - SURPRISE[0]) / (SURPRISE[1] - SURPRISE[0]))).toFixed(3)}`;
  let at = null;

  const facts = (rows) => {
    const bits = rows.map((row) => -row.logprob / Math.LN2), mean = bits.reduce((a, b) => a + b, 0) / (bits.length || 1);
    return [xray.fact("tokens", rows.length), xray.fact("perplexity", (2 ** mean).toFixed(2)), xray.fact("bits per token", mean.toFixed(2)), xray.fact("most likely token taken", `${Math.round((100 * rows.filter((r) => r.rank === 1).length) / (rows.length || 1))} %`)];
  };

  xray.views.probabilities = {
    draw(data, body, done) {
      const rows = data.rows || [];
      const box = el("div", { class: "x-cells", "aria-label": "The reply, darker where the model was surprised" });
      longList(box, data.reply, { kind: () => "heat", style: (i) => (rows[i] ? heat(rows[i].p) : "") });
      box.querySelectorAll(".x-cell").forEach((cell) => { const row = rows[cell.dataset.at]; if (row) cell.title = `${xray.percent(row.p)} · rank ${row.rank} · entropy ${row.entropy.toFixed(2)} bits\n${cell.title}`; });
      const choose = (event) => {
        const cell = event.target.closest(".x-cell");
        if (!cell || (event.type === "keydown" && !["Enter", " "].includes(event.key))) return;
        event.preventDefault();
        pick(Number(cell.dataset.at));
      };
      box.addEventListener("click", choose);
      box.addEventListener("keydown", choose);
      const measured = data.difference === null || data.difference === undefined ? "" : `largest difference from the engine's own record ${data.difference.toExponential(1)}`;
      const old = app.$("#x-detail");
      body.replaceChildren(el("p", { class: "x-facts" }, ...facts(rows), data.note ? el("span", { class: "x-badge", title: measured }, data.note) : null, measured ? el("span", { class: "x-fact" }, measured) : null),
        el("p", { class: "x-legend" }, el("span", { class: "x-scale" }), "certain → surprised"), box, old || el("div", { id: "x-detail" }));
      if (done && at === null && rows.length) pick(rows.reduce((worst, row, n) => (row.p < rows[worst].p ? n : worst), 0));
      mark();
    },
    also(view, data) { if (view === "draw") detail(data); },
  };

  function mark() { document.querySelectorAll("#xray-body .x-cells .x-cell").forEach((cell) => cell.classList.toggle("chosen", Number(cell.dataset.at) === at)); }
  function pick(position) {
    at = position;
    mark();
    xray.ask("draw", { position, knobs: xray.knobs || {} });
  }
  const KNOBS = [["temperature", 0, 2, 0.05], ["top_k", 0, 100, 1], ["top_p", 0, 1, 0.01], ["min_p", 0, 1, 0.01], ["repetition_penalty", 0.5, 2, 0.05]];

  function detail(data) {
    const place = app.$("#x-detail");
    const row = xray.data.probabilities?.rows?.[data.position];
    if (!place || !row) return;
    const held = document.activeElement?.dataset?.knob;
    const sliders = KNOBS.map(([name, low, high, step]) => {
      const shown = el("output", {}, String(data.knobs[name]));
      const slider = el("input", { type: "range", min: low, max: high, step, value: data.knobs[name], "data-knob": name, "aria-label": name.replaceAll("_", " ") });
      slider.addEventListener("input", () => { shown.textContent = slider.value; xray.knobs = { ...data.knobs, ...xray.knobs, [name]: Number(slider.value) }; later(data.position); });
      return el("label", {}, `${name.replaceAll("_", " ")} `, shown, slider);
    });
    const go = (id, text) => app.ask(`Go on from “${xray.visible(text)}” at this place? The conversation branches here; this reply stays beside it.`, [{ text: "Branch here", run: () => branch(data.position, id) }]);
    place.replaceChildren(
      el("h3", {}, `Token ${data.position + 1}: `, el("code", {}, xray.visible(row.top.find(([id]) => id === row.id)?.[2] ?? data.drawn)), ` ${xray.percent(row.p)}, rank ${row.rank}, entropy ${row.entropy.toFixed(2)} bits`),
      el("div", { class: "x-sliders" }, ...sliders, el("button", { type: "button", class: "x-do", on: { click: () => { xray.knobs = null; pick(data.position); } } }, "As it was")),
      el("div", { class: "x-steps" }, ...data.steps.map((step) => el("section", {}, el("h4", {}, step.name), el("p", { class: "x-facts" }, xray.fact("kept", xray.number(step.kept)), xray.fact("this token", xray.percent(step.p))), xray.bars(step.top, go)))));
    if (held) place.querySelector(`[data-knob="${held}"]`)?.focus();
  }
  let timer = 0;
  const later = (position) => { clearTimeout(timer); timer = setTimeout(() => pick(position), 60); };

  function branch(position, token) {
    const turn = xray.turn;
    if (xray.whole()) { xray.ask("branch", { position, token }); return; }
    xray.close();
    app.act("branch", { turn, position, token });
  }
  xray.branched = (conversation) => { location.href = `/?c=${conversation}`; };
  const open = xray.open;
  xray.open = (turn, view) => { if (turn !== xray.turn) { at = null; xray.knobs = null; } open(turn, view); };

  /* Pasted text */
  let typed = "Hello 👩‍👩‍👧‍👦, héllo 世界!\n\tindent";
  xray.views.tokenizer = {
    params: () => ({ text: typed }),
    draw(data, body) {
      const box = el("textarea", { class: "x-paste", rows: 3, "aria-label": "Text to cut into tokens" });
      box.value = typed;
      const send = () => { typed = box.value; xray.ask("tokenizer", { text: typed }); };
      const encoded = data.encoded, words = data.vocabulary;
      const cells = el("div", { class: "x-cells" });
      longList(cells, encoded, { kind: (row) => (row.kind === "special" ? "kind-special" : "striped") });
      body.replaceChildren(box, el("p", {}, el("button", { type: "button", class: "x-do", on: { click: send } }, "Cut into tokens"), " ",
        el("button", { type: "button", class: "x-do", on: { click: () => { typed = box.value; xray.ask("perplexity", { text: typed }); } } }, "Perplexity of this text")),
        el("p", { class: "x-facts", id: "x-perplexity" }),
        el("p", { class: "x-facts" }, xray.fact("tokens", encoded.tokens), xray.fact("characters", encoded.characters), xray.fact("bytes", encoded.bytes), xray.fact("decoding gives the text back", encoded.round_trip ? "yes:" : "no:")),
        cells, el("details", {}, el("summary", {}, "Every token"), table(encoded.rows)),
        el("h3", {}, `${data.model}: ${words.kind}`), el("p", { class: "x-facts" }, xray.fact("entries", xray.number(words.size)), ...Object.entries(words.special).map(([name, token]) => xray.fact(name, token))),
        el("div", { class: "x-cells" }, ...words.sample.map((entry) => el("span", { class: "x-cell striped", title: `${entry.id}  ${entry.token}  [${entry.bytes}]`, tabindex: 0 }, xray.visible(entry.text)))));
    },
    also(view, data) {
      if (view !== "perplexity") return;
      app.$("#x-perplexity").replaceChildren(xray.fact("perplexity", data.perplexity.toFixed(2)), xray.fact("bits per byte", data.bits_per_byte.toFixed(3)), xray.fact(`of ${data.of} tokens read`, data.tokens));
    },
  };
})();
