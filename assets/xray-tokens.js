/* X-ray views made of tokens: the prompt, the reply's probabilities, any pasted text. */
(() => {
  const app = window.chatapp,
    xray = app.xray,
    el = app.el;
  const MOST = 1500;

  /* A cell is a run of whole graphemes; one that is split over several tokens is one cell with parts. */
  function cellsOf({ cells, rows, words }, paint, from = 0, to = cells.length) {
    return cells.slice(from, to).map((indexes, n) => {
      const first = rows[indexes[0]],
        text = words[from + n];
      const cell = el("span", {
        class: `x-cell ${paint.kind(first)}`,
        tabindex: paint.click ? 0 : null,
        role: paint.click ? "button" : null,
        "data-at": indexes[0],
      });
      const style = paint.style?.(indexes);
      if (style) cell.setAttribute("style", style);
      if (text.includes("\n"))
        cell.append(
          el("span", { class: "x-break" }, xray.visible(text)),
          ...text
            .split("\n")
            .slice(1)
            .map(() => el("br")),
        );
      else cell.append(text || "∅");
      if (indexes.length > 1) cell.append(el("sup", {}, String(indexes.length)));
      cell.title = [paint.told?.(indexes), ...indexes.map((i) => `${rows[i].id}  ${rows[i].token}  [${rows[i].bytes}]`)]
        .filter(Boolean)
        .join("\n");
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
    const body = rows
      .slice(0, MOST)
      .map((row, n) =>
        el(
          "tr",
          { class: row.kind === "special" ? "special" : null },
          ...[
            n,
            row.id,
            row.token,
            row.bytes,
            xray.visible(row.text) + (row.partial ? " (part)" : ""),
            row.kind === "content" ? row.role || "" : row.kind,
            row.mask,
          ].map((v) => el("td", {}, String(v))),
        ),
      );
    const note = rows.length > MOST ? el("caption", {}, `The first ${MOST} of ${rows.length} tokens`) : null;
    return el(
      "div",
      { class: "x-scroll", tabindex: 0, role: "region", "aria-label": "Token table" },
      el(
        "table",
        { class: "x-table" },
        note,
        el("thead", {}, el("tr", {}, ...head.map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", {}, ...body),
      ),
    );
  }

  const LEGEND = [
    ["system", "system"],
    ["user", "user"],
    ["assistant", "assistant"],
    ["template", "template"],
    ["special", "special token"],
    ["prefill", "given beginning of the reply"],
  ];
  const kindOf = (row) => (row.kind === "content" ? `role-${row.role}` : `kind-${row.kind}`);

  xray.views.prompt = {
    draw(data, body) {
      if (!data.rows) {
        xray.fill(
          body,
          el(
            "div",
            { class: "x-why" },
            el("p", {}, data.why),
            data.offer ? xray.loader(data.offer) : null,
            data.anyway ? xray.insist() : null,
          ),
          el("pre", { class: "x-text" }, data.text),
          el("p", { class: "x-facts" }, `${data.ids.length} ids: ${data.ids.slice(0, 400).join(" ")}${data.ids.length > 400 ? " …" : ""}`),
        );
        return;
      }
      const box = el("div", { class: "x-cells" });
      longList(box, data, { kind: kindOf });
      const used = new Set(data.rows.map((row) => (row.kind === "content" ? row.role : row.kind)));
      const notes = [];
      if (data.dropped_messages)
        notes.push(
          el(
            "p",
            { class: "x-note" },
            `${data.dropped_messages} earlier messages were left out because they did not fit into the context.`,
          ),
        );
      if (data.escaped_special_tokens.length)
        notes.push(
          el(
            "p",
            { class: "x-note" },
            "Typed control strings were handed over as plain text, not as control tokens: ",
            ...data.escaped_special_tokens.map((g) => el("code", {}, g)),
          ),
        );
      xray.fill(
        body,
        el(
          "p",
          { class: "x-facts" },
          xray.fact("tokens", data.tokens),
          xray.fact("characters", [...data.text].length),
          xray.fact("dropped messages", data.dropped_messages),
          xray.fact("attention mask", "all 1"),
        ),
        el(
          "p",
          { class: "x-legend" },
          ...LEGEND.filter(([name]) => used.has(name)).map(([name, label]) =>
            el("span", { class: `x-cell ${["system", "user", "assistant"].includes(name) ? "role-" : "kind-"}${name}` }, label),
          ),
        ),
        ...notes,
        box,
        el("details", {}, el("summary", {}, "Every token: id, spelling, bytes, characters, attention mask"), table(data.rows)),
      );
    },
  };

  /* Probabilities: one painter for the reply and for a pasted text. Full heat is a surprise of 8 bits, 1 in 256. */
  const HOTTEST = 8;
  const heat = (p) => `--heat:${Math.min(1, (-Math.log2(Math.max(p, 1e-9)) / HOTTEST) ** 0.75).toFixed(3)}`;
  let at = null;

  const facts = (all) => {
    const rows = all.filter(Boolean);
    if (!rows.length) return [];
    const bits = rows.map((row) => -row.logprob / Math.LN2),
      mean = bits.reduce((a, b) => a + b, 0) / bits.length;
    return [
      xray.fact("tokens", rows.length),
      xray.fact("perplexity", (2 ** mean).toFixed(2)),
      xray.fact("bits per token", mean.toFixed(2)),
      xray.fact("were the likeliest token", `${Math.round((100 * rows.filter((r) => r.rank === 1).length) / rows.length)} %`),
    ];
  };
  const scale = () => el("p", { class: "x-legend" }, "certain", el("span", { class: "x-scale" }), "surprised: 1 in 256 or less");

  function heatMap(view, rows, label, click) {
    const box = el("div", { class: "x-cells", role: "group", "aria-label": label });
    const hottest = (indexes) => Math.min(...indexes.map((i) => rows[i]?.p ?? 1));
    const told = (indexes) =>
      indexes
        .map((i) => rows[i] && `${xray.percent(rows[i].p)} · rank ${rows[i].rank} · entropy ${rows[i].entropy.toFixed(2)} bits`)
        .filter(Boolean)
        .join("\n");
    longList(box, view, { click: true, kind: () => "heat", style: (indexes) => heat(hottest(indexes)), told });
    const choose = (event) => {
      const cell = event.target.closest(".x-cell");
      if (!cell || (event.type === "keydown" && !["Enter", " ", "ArrowRight", "ArrowLeft"].includes(event.key))) return;
      event.preventDefault();
      if (event.key?.startsWith("Arrow")) {
        (event.key === "ArrowRight" ? cell.nextElementSibling : cell.previousElementSibling)?.focus();
        return;
      }
      box.querySelectorAll(".chosen").forEach((other) => other.classList.remove("chosen"));
      cell.classList.add("chosen");
      click(Number(cell.dataset.at));
    };
    box.addEventListener("click", choose);
    box.addEventListener("keydown", choose);
    return box;
  }
  xray.heat = { map: heatMap, facts, scale };
  xray.cells = { list: longList, table };

  xray.views.probabilities = {
    draw(data, body, done) {
      const rows = data.rows || [],
        measured = data.difference ?? null;
      const held = document.activeElement?.closest?.("#xray-body .x-cell")?.dataset.at,
        place = app.$("#x-detail") || el("div", { id: "x-detail", "aria-live": "polite" });
      xray.fill(
        body,
        el(
          "p",
          { class: "x-facts" },
          ...facts(rows),
          xray.note(data.note),
          measured === null
            ? null
            : el("span", { class: "x-fact" }, `differs from the engine's own record by at most ${measured.toExponential(1)}`),
        ),
        scale(),
        heatMap(data.reply, rows, "The reply, hotter where the model was surprised", pick),
        place,
      );
      if (held) body.querySelector(`.x-cell[data-at="${held}"]`)?.focus();
      if (done && rows.length) pick(at ?? rows.reduce((worst, row, n) => (row.p < rows[worst].p ? n : worst), 0));
      mark();
    },
    also(view, data) {
      if (view === "draw") detail(data);
    },
  };

  function mark() {
    document
      .querySelectorAll("#xray-body .x-cells .x-cell")
      .forEach((cell) => cell.classList.toggle("chosen", Number(cell.dataset.at) === at));
  }
  function pick(position) {
    at = position;
    mark();
    xray.ask("draw", { position, sampling: xray.sampling || {} });
  }
  const STEPS = app.sampling.filter(({ kind }) => kind !== "length");

  function detail(data) {
    const place = app.$("#x-detail"),
      row = xray.data.probabilities?.rows?.[data.position];
    if (!place || !row || data.position !== at) return;
    place.dataset.at = at;
    const held = document.activeElement?.dataset?.knob,
      changed = !!xray.sampling;
    const sliders = STEPS.map(({ name, label, minimum, maximum, step }) => {
      const value = xray.sampling?.[name] ?? data.sampling[name];
      const shown = el("output", {}, String(value));
      const slider = el("input", { type: "range", min: minimum, max: maximum, step, value, "data-knob": name, "aria-label": label });
      slider.addEventListener("input", () => {
        shown.textContent = slider.value;
        xray.sampling = { ...data.sampling, ...xray.sampling, [name]: Number(slider.value) };
        later(data.position);
      });
      return el("label", {}, el("span", {}, label, " ", shown), slider);
    });
    const go = (id, text) =>
      app.ask(`Go on from “${xray.visible(text)}” at this place? The conversation branches here; this reply stays beside it.`, [
        { text: "Branch here", run: () => branch(data, id) },
      ]);
    const text = xray.data.probabilities.reply.rows[data.position].text;
    const steps = data.steps.map((step) =>
      el(
        "section",
        { class: "x-step" },
        el("h4", {}, step.name, el("span", { class: "x-fact" }, xray.fact("kept", xray.number(step.kept)))),
        el("p", { class: "x-said" }, step.said),
        xray.bars(step.top, go, row.id),
      ),
    );
    xray.fill(
      place,
      el(
        "h3",
        {},
        `Token ${data.position + 1}`,
        el("code", {}, xray.visible(text)),
        el(
          "span",
          { class: "x-facts" },
          xray.fact("of the model's own distribution", xray.percent(row.p)),
          xray.fact("rank", row.rank),
          xray.fact("bits of entropy", row.entropy.toFixed(2)),
        ),
      ),
      el(
        "div",
        { class: "x-sliders" },
        ...sliders,
        xray.button(
          "As it was",
          () => {
            xray.sampling = null;
            pick(data.position);
          },
          { disabled: !changed },
        ),
      ),
      el("p", { class: "x-outcome" }, changed ? "With these settings: " : "", data.outcome),
      el("p", { class: "x-fact" }, "Click a candidate to go on from it in a new branch."),
      el("div", { class: "x-steps" }, ...steps),
    );
    if (held) place.querySelector(`[data-knob="${held}"]`)?.focus({ preventScroll: true });
  }
  let timer = 0;
  const later = (position) => {
    clearTimeout(timer);
    timer = setTimeout(() => pick(position), 60);
  };

  async function branch({ position, own }, token) {
    const asked = { turn: xray.turn, position, token };
    if (!xray.whole()) {
      xray.close();
      app.act("branch", asked);
      return;
    }
    try {
      const done = await app.post("chat", { do: "branch", settings: own, ...asked });
      location.href = `/?c=${done.conversation}`;
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
