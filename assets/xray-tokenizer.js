/* X-ray's view Tokenizer: any pasted text, how one or two tokenizers cut it, how surprised the model is by it, a
   search in the vocabulary. */
(() => {
  const app = window.chatapp;
  const { xray, el } = { xray: app.xray, el: app.el };
  let typed = "Hello 👩‍👩‍👧‍👦, héllo 世界!\n\tindent";
  let other = "";

  const striped = (row) => (row.kind === "special" ? "kind-special" : "striped");
  const entry = (one) =>
    el(
      "span",
      { class: "x-cell striped x-entry", title: `${one.token}  [${one.bytes}]` },
      xray.visible(one.text),
      el("small", {}, String(one.id)),
    );
  const entries = (list) => el("div", { class: "x-cells" }, ...list.map(entry));

  const SPECIAL = { bos_token: "BOS, EOS, pad", eos_token: "BOS, EOS, pad", pad_token: "BOS, EOS, pad" };
  function vocabulary(words) {
    const special = ([name, token]) => {
      const shown = name.replaceAll("_", " ");
      return el("span", { class: "x-fact" }, xray.term(SPECIAL[name] || "special token", shown), " ", el("code", {}, token));
    };
    return el(
      "details",
      {},
      el("summary", {}, `Vocabulary: ${xray.number(words.size)} entries`),
      xray.told(`Read by the class ${words.kind} (what is a {tokenizer}?).`),
      el("p", { class: "x-facts" }, ...Object.entries(words.special).map(special)),
      xray.told("A sample, evenly spaced:"),
      entries(words.sample),
    );
  }

  function column(data) {
    const cut = data.encoded;
    const cells = el("div", { class: "x-cells", role: "group", "aria-label": `The text as ${data.model} cuts it` });
    const told = el("div", { class: "x-small", "aria-live": "polite" });
    xray.cells.list(cells, cut, { kind: striped, click: true });
    xray.pickable(cells, ".x-cell", (node) => xray.fill(told, xray.cells.spelling(cut, Number(node.dataset.at))));
    const same = cut.round_trip ? "decodes to the same text" : "decodes to another text";
    const facts = [
      xray.fact("{tokens|token}", cut.tokens),
      xray.fact("characters", cut.characters),
      xray.fact("{bytes|byte}", cut.bytes),
      xray.fact("bytes per token", (cut.bytes / Math.max(1, cut.tokens)).toFixed(2)),
      el("span", { class: cut.round_trip ? "x-badge good" : "x-badge bad" }, same),
    ];
    const every = el("details", {}, el("summary", {}, "Every token: id, spelling, bytes, characters"), xray.cells.table(cut.rows));
    return el(
      "section",
      { class: "x-column" },
      el("h3", {}, data.model),
      data.kind.name ? el("p", { class: "x-small" }, el("b", {}, data.kind.name), ` · ${data.kind.words}`) : null,
      el("p", { class: "x-facts" }, ...facts),
      cells,
      told,
      every,
      vocabulary(data.vocabulary),
    );
  }

  function form(body) {
    const box = el("textarea", { class: "x-paste", rows: 3, "aria-label": "Text to look at", spellcheck: "false" });
    box.value = typed;
    const beside = xray.field("compare with", other, { placeholder: "another model: name, folder or file", class: "wide" });
    const ask = (view) => () => {
      typed = box.value;
      other = beside.querySelector("input").value.trim();
      if (view !== "tokenizer") xray.fill(app.$("#x-read", body));
      xray.ask(view, { text: typed, other });
    };
    const find = xray.field("find in the vocabulary", "", { placeholder: "text or id", type: "search" });
    find
      .querySelector("input")
      .addEventListener("keydown", (event) => event.key === "Enter" && xray.ask("search", { query: event.target.value }));
    const actions = { tokenizer: "Cut into tokens", pasted: "Probabilities", perplexity: "Perplexity" };
    const buttons = Object.entries(actions).map(([view, label]) => xray.button(label, ask(view)));
    const reading = [xray.place("pasted"), xray.place("perplexity")];
    return [
      box,
      el("div", { class: "x-form" }, ...buttons, ...reading),
      el("div", { class: "x-form" }, beside, find, xray.place("search")),
    ];
  }

  /* By character and by word: what a tokenizer is the middle of. */
  xray.plainCut = (cut) => {
    const cell = (piece) => el("span", { class: "x-cell striped" }, xray.visible(piece));
    const counts = `${xray.number(cut.count)} pieces, ${xray.number(cut.distinct)} different`;
    const more = cut.count > cut.pieces.length ? xray.told(`the first ${cut.pieces.length} are shown`) : null;
    const cells = el("div", { class: "x-cells" }, ...cut.pieces.map(cell));
    return el("details", {}, el("summary", {}, `Cut by ${cut.kind}: ${counts}`), xray.told(cut.words), cells, more ?? "");
  };

  const columns = (data) => [
    column(data),
    data.other ? column(data.other) : "",
    el("section", { class: "x-column" }, el("h3", {}, "Plain cuts beside it"), ...data.plain.map(xray.plainCut)),
  ];
  xray.views.tokenizer = {
    params: () => ({ text: typed, other }),
    draw(data, body) {
      const cut = app.$("#x-cut", body);
      if (cut) xray.fill(cut, ...columns(data));
      else {
        const places = [el("div", { id: "x-read" }), el("div", { id: "x-found" })];
        xray.fill(body, ...form(body), ...places, el("div", { id: "x-cut", class: "x-columns" }, ...columns(data)));
      }
    },
    also(view, data) {
      ({ perplexity, search, pasted })[view]?.(data);
    },
  };

  function perplexity(data) {
    const facts = [
      xray.fact("{perplexity} per token", data.perplexity.toFixed(2)),
      xray.fact("{bits per byte}", data.bits_per_byte.toFixed(3)),
      xray.fact(`of ${data.of} tokens read`, data.tokens),
    ];
    xray.fill(app.$("#x-read"), el("p", { class: "x-facts" }, ...facts));
  }

  function search(data) {
    const shortest = data.found > data.entries.length ? xray.told(`the ${data.entries.length} shortest:`) : null;
    const found = el("span", { class: "x-fact" }, el("b", {}, xray.number(data.found)), ` entries hold “${data.query}”`);
    xray.fill(app.$("#x-found"), el("div", { class: "x-facts" }, found, shortest), entries(data.entries));
  }

  function pasted(data) {
    const told = el("div", { "aria-live": "polite" });
    const pick = (n) => {
      const row = data.rows[n];
      if (!row) xray.fill(told, xray.told("The first token has nothing before it, so it has no {probability}."));
      else xray.fill(told, el("p", { class: "x-facts" }, ...xray.heat.numbers(row)), xray.bars(row.top, null, row.id));
    };
    const map = xray.heat.map(data.reply, data.rows, "The text, hotter where the model was surprised", pick);
    const facts = el("p", { class: "x-facts" }, ...xray.heat.facts(data.rows), xray.note(data.note));
    xray.fill(app.$("#x-read"), facts, xray.heat.scale(), map, told);
  }
})();
