/* X-ray of any pasted text: how one or two tokenizers cut it, how surprised the model is by it, and a search in the vocabulary. */
(() => {
  const app = window.chatapp,
    xray = app.xray,
    el = app.el;
  let typed = "Hello 👩‍👩‍👧‍👦, héllo 世界!\n\tindent",
    other = "";

  const striped = (row) => (row.kind === "special" ? "kind-special" : "striped");
  const entries = (list) =>
    el(
      "div",
      { class: "x-cells" },
      ...list.map((entry) =>
        el(
          "span",
          { class: "x-cell striped x-entry", title: `${entry.id}  ${entry.token}  [${entry.bytes}]` },
          xray.visible(entry.text),
          el("small", {}, String(entry.id)),
        ),
      ),
    );

  function column(data) {
    const cut = data.encoded,
      words = data.vocabulary,
      cells = el("div", { class: "x-cells" });
    xray.cells.list(cells, cut, { kind: striped });
    return el(
      "section",
      { class: "x-column" },
      el("h3", {}, data.model),
      el(
        "p",
        { class: "x-facts" },
        xray.fact("tokens", cut.tokens),
        xray.fact("characters", cut.characters),
        xray.fact("bytes", cut.bytes),
        xray.fact("bytes per token", (cut.bytes / Math.max(1, cut.tokens)).toFixed(2)),
        el(
          "span",
          { class: cut.round_trip ? "x-badge good" : "x-badge bad" },
          cut.round_trip ? "decodes to the same text" : "decodes to another text",
        ),
      ),
      cells,
      el("details", {}, el("summary", {}, "Every token: id, spelling, bytes, characters"), xray.cells.table(cut.rows)),
      el(
        "details",
        {},
        el("summary", {}, `Vocabulary: ${xray.number(words.size)} entries, ${words.kind}`),
        el(
          "p",
          { class: "x-facts" },
          ...Object.entries(words.special).map(([name, token]) =>
            el("span", { class: "x-fact" }, `${name.replaceAll("_", " ")} `, el("code", {}, token)),
          ),
        ),
        el("p", { class: "x-fact" }, "A sample, evenly spaced:"),
        entries(words.sample),
      ),
    );
  }

  xray.views.tokenizer = {
    params: () => ({ text: typed, other }),
    draw(data, body) {
      if (app.$("#x-cut", body)) {
        xray.fill(app.$("#x-cut", body), column(data), data.other ? column(data.other) : "");
        return;
      }
      const box = el("textarea", { class: "x-paste", rows: 3, "aria-label": "Text to look at", spellcheck: "false" });
      box.value = typed;
      const beside = xray.field("compare with", other, { placeholder: "another model: name, folder or file", class: "wide" });
      const ask = (view) => () => {
        typed = box.value;
        other = beside.querySelector("input").value.trim();
        if (view !== "tokenizer") xray.fill(app.$("#x-read"));
        xray.ask(view, { text: typed, other });
      };
      const find = xray.field("find in the vocabulary", "", { placeholder: "text or id", type: "search" });
      find.querySelector("input").addEventListener("keydown", (event) => {
        if (event.key === "Enter") xray.ask("search", { query: event.target.value });
      });
      xray.fill(
        body,
        box,
        el(
          "div",
          { class: "x-form" },
          xray.button("Cut into tokens", ask("tokenizer")),
          xray.button("Probabilities", ask("pasted")),
          xray.button("Perplexity", ask("perplexity")),
        ),
        el("div", { class: "x-form" }, beside, find),
        el("div", { id: "x-read" }),
        el("div", { id: "x-found" }),
        el("div", { id: "x-cut", class: "x-columns" }, column(data), data.other ? column(data.other) : ""),
      );
    },
    also(view, data) {
      const place = app.$("#x-read");
      if (view === "perplexity")
        xray.fill(
          place,
          el(
            "p",
            { class: "x-facts" },
            xray.fact("perplexity per token", data.perplexity.toFixed(2)),
            xray.fact("bits per byte", data.bits_per_byte.toFixed(3)),
            xray.fact(`of ${data.of} tokens read`, data.tokens),
            el("span", { class: "x-fact" }, "Bits per byte compare models with different tokenizers; perplexity does not."),
          ),
        );
      if (view === "search")
        xray.fill(
          app.$("#x-found"),
          el(
            "p",
            { class: "x-facts" },
            xray.fact(`entries hold “${data.query}”`, xray.number(data.found)),
            data.found > data.entries.length ? el("span", { class: "x-fact" }, `the ${data.entries.length} shortest:`) : null,
          ),
          entries(data.entries),
        );
      if (view !== "pasted") return;
      const told = el("div", { "aria-live": "polite" });
      const pick = (n) => {
        const row = data.rows[n];
        xray.fill(
          told,
          row
            ? el(
                "p",
                { class: "x-facts" },
                xray.fact("probability", xray.percent(row.p)),
                xray.fact("rank", row.rank),
                xray.fact("bits of entropy", row.entropy.toFixed(2)),
              )
            : el("p", { class: "x-fact" }, "The first token has nothing before it, so it has no probability."),
          row ? xray.bars(row.top, null, row.id) : "",
        );
      };
      xray.fill(
        place,
        el("p", { class: "x-facts" }, ...xray.heat.facts(data.rows), xray.note(data.note)),
        xray.heat.scale(),
        xray.heat.map(data.reply, data.rows, "The text, hotter where the model was surprised", pick),
        told,
      );
    },
  };
})();
