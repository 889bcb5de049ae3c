/* X-ray's view Prompt. */
(() => {
  const app = window.chatapp;
  const { xray, el } = { xray: app.xray, el: app.el };
  const ROLES = ["system", "user", "assistant"];
  const LEGEND = {
    system: "system",
    user: "user",
    assistant: "assistant",
    template: "{template|chat template}",
    special: "{special token}",
    prefill: "given beginning of the reply",
  };
  const kindOf = (row) => (row.kind === "content" ? `role-${row.role}` : `kind-${row.kind}`);

  function withoutTokenizer(data, body) {
    const cures = [data.offer ? xray.loader(data.offer) : null, data.anyway ? xray.insist() : null];
    const ids = data.ids.slice(0, 400).join(" ") + (data.ids.length > 400 ? " …" : "");
    xray.fill(
      body,
      el("div", { class: "x-why" }, el("p", {}, data.why), ...cures),
      data.heard ? el("h3", {}, "What the server was sent") : null,
      data.text ? el("pre", { class: "x-text" }, data.text) : null,
      data.ids.length ? el("p", { class: "x-facts" }, `${data.ids.length} ids: ${ids}`) : null,
      ...(data.heard ? [el("h3", {}, "What the server said of its reply"), el("pre", { class: "x-text" }, data.heard)] : []),
    );
  }

  function notes(data) {
    const dropped = `${data.dropped_messages} earlier messages were left out because they did not fit into the {context}.`;
    const typed = "Typed control strings were handed over as plain text, not as {control tokens|special token}: ";
    const note = (words, ...more) => el("p", { class: "x-note" }, ...xray.say(words), ...more);
    return [
      data.dropped_messages ? note(dropped) : null,
      data.escaped_special_tokens.length ? note(typed, ...data.escaped_special_tokens.map((one) => el("code", {}, one))) : null,
    ];
  }

  function legend(rows) {
    const used = new Set(rows.map((row) => (row.kind === "content" ? row.role : row.kind)));
    const entry = ([name, label]) => el("span", { class: `x-cell ${ROLES.includes(name) ? "role" : "kind"}-${name}` }, ...xray.say(label));
    const shown = Object.entries(LEGEND).filter(([name]) => used.has(name));
    return el("p", { class: "x-legend" }, ...shown.map(entry));
  }

  xray.views.prompt = {
    draw(data, body) {
      if (!data.rows) {
        withoutTokenizer(data, body);
        return;
      }
      const box = el("div", { class: "x-cells", role: "group", "aria-label": "The prompt, token by token" });
      const told = el("div", { id: "x-detail", class: "x-small", "aria-live": "polite" });
      xray.cells.list(box, data, { kind: kindOf, click: true });
      xray.pickable(box, ".x-cell", (node) => xray.fill(told, xray.cells.spelling(data, Number(node.dataset.at))));
      const facts = [
        xray.fact("tokens", data.tokens),
        xray.fact("characters", [...data.text].length),
        xray.fact("dropped messages", data.dropped_messages),
        xray.fact("{attention mask}", "all 1"),
      ];
      const ends = "The last marks are the {generation prompt}; {BOS, EOS, pad} are special tokens too.";
      const every = el("summary", {}, "Every token: id, spelling, bytes, characters, attention mask");
      xray.fill(
        body,
        el("p", { class: "x-facts" }, ...facts),
        legend(data.rows),
        ...notes(data),
        box,
        told,
        xray.told(ends),
        el("details", {}, every, xray.cells.table(data.rows)),
      );
    },
  };
})();
