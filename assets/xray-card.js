/* X-ray's view Reproduce: what made a reply, and the reply made again. */
(() => {
  const app = window.chatapp;
  const { xray, el } = { xray: app.xray, el: app.el };
  const named = (name) => {
    const param = app.sampling.find((one) => one.name === name);
    return param || name === "seed" ? `{${param?.label.toLowerCase() ?? name}}` : name.replaceAll("_", " ");
  };

  function seedOf(card) {
    if (card.seed === null) return "none";
    if (card.counted) return `${card.seed}, as the server was told`;
    const drawn = card.sampling.seed === null;
    return drawn ? `${card.seed}, drawn by the app: as the Seed it gives this reply again` : card.seed;
  }

  /* An imported reply came without settings; a seed that the app drew is the one that makes the reply again. */
  function settingsOf(card) {
    if (card.imported) return [["settings", "not recorded: this reply was not made here"]];
    const said = (name, value) => {
      if (name === "seed") return seedOf(card);
      return Array.isArray(value) ? value.join(" | ") || "none" : (value ?? "none");
    };
    return Object.entries(card.sampling).map(([name, value]) => [named(name), said(name, value)]);
  }

  const ids = (card, recorded) => [
    ["prompt", `${card.prompt_ids.length} {ids|token id}`],
    ["reply", `${card.reply_ids.length} ids, ${recorded} with {the engine's own probability|recorded probabilities}`],
  ];
  /* Of another server's reply. */
  const counted = ([prompt, reply]) => [
    ["prompt", prompt ? `${prompt} {token}s, as the server counted` : "not counted by the server"],
    ["reply", reply ? `${reply} {token}s, as the server counted` : "not counted by the server"],
  ];

  /* Of a reply that was not made here only what came with it. */
  function rowsOf({ card, recorded }) {
    const where = [card.device, card.dtype].filter(Boolean).join(" · ");
    const made = [
      ["{revision}", card.revision || (card.counted ? "not known: the weights are the server's" : "not recorded")],
      ["engine", card.engine],
      ["device and {dtype}", where],
      [
        "versions",
        Object.entries(card.versions)
          .map((v) => v.join(" "))
          .join(" · "),
      ],
    ];
    const read = [
      ["date given to the {template|chat template}", card.date || "none"],
      ...(card.counted ? counted(card.counted) : ids(card, recorded)),
      ["ended by", card.finish_reason],
    ];
    const model = ["model", card.model || "not recorded"];
    if (!card.imported) return [model, ...made, ...settingsOf(card), ...read];
    return [["imported from", card.engine || "a file"], model, ...settingsOf(card)];
  }

  function actions(data) {
    const again = () => xray.ask("replay");
    const insist = data.anyway ? xray.insist("Replay anyway", again) : null;
    const compare = xray.button("Compare the engine's record with float32", () => xray.ask("measure"));
    const load = data.offer ? xray.loader(data.offer) : null;
    const nothing = el("span", { class: "x-fact" }, "This engine kept no ", ...xray.say("{recorded probabilities}"), " to compare with.");
    return el(
      "div",
      { class: "x-form" },
      load || (data.why_not ? insist : xray.button("Replay", again)),
      data.recorded ? compare : nothing,
    );
  }

  /* What the engine cannot do, in a sentence for each. */
  function missing(off) {
    const entry = ([name, why]) =>
      el("li", {}, el("b", {}, `No ${name === "logprobs" ? "recorded probabilities" : name.replaceAll("_", " ")}. `), why);
    return off.length ? el("ul", { class: "x-off" }, ...off.map(entry)) : null;
  }

  xray.views.card = {
    draw(data, body) {
      const line = ([name, value]) => el("tr", {}, el("th", { scope: "row" }, ...xray.say(name)), el("td", {}, ...xray.say(String(value))));
      const { imported } = data.card;
      xray.fill(
        body,
        imported ? null : actions(data),
        data.why_not ? el("p", { class: "x-note" }, data.why_not) : null,
        xray.place("replay"),
        el("div", { id: "x-replay" }),
        xray.place("measure"),
        el("div", { id: "x-measure" }),
        imported ? null : missing(Object.entries(data.off)),
        el("table", { class: "x-table x-card" }, el("tbody", {}, ...rowsOf(data).map(line))),
      );
    },
    also(view, data) {
      ({ measure, replay })[view]?.(data);
    },
  };

  function measure(data) {
    const facts = [
      xray.fact("largest difference of a {probability}", data.largest.toExponential(1)),
      xray.fact("mean difference", data.mean.toExponential(1)),
      xray.fact("tokens compared", data.tokens),
      xray.note(data.note),
    ];
    xray.fill(app.$("#x-measure"), el("p", { class: "x-facts" }, ...facts.filter(Boolean)));
  }

  function outcome({ tokens, of, differs, expected, got, why }) {
    if (differs !== null)
      return `Token ${differs + 1} of ${of} differs: it was ${expected}, now ${got === null ? "the reply ends" : got}. ${why}`;
    return tokens === of ? `All ${of} tokens are the same.` : `${tokens} of ${of} tokens agree so far`;
  }

  function replay({ replay: state }) {
    const bar = el("progress", { max: state.of, value: state.tokens, "aria-label": "Replay" });
    const whole = state.tokens === state.of && state.differs === null ? "x-good" : "";
    const kind = state.differs === null ? whole : "x-note";
    xray.fill(
      app.$("#x-replay"),
      bar,
      el("p", { class: kind, role: "status" }, outcome(state)),
      el("pre", { class: "x-text" }, state.text),
    );
  }
})();
