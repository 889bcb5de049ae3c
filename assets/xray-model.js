/* X-ray views that look into the model: layers, architecture, and the card to reproduce a reply. */
(() => {
  const app = window.chatapp,
    xray = app.xray,
    el = app.el;

  /* Layers: one column a token, one row a layer. */
  xray.views.layers = {
    params: () => ({ first: 0, count: 16 }),
    draw(data, body) {
      const name = (id) => xray.visible(data.names[id] ?? "");
      const head = el(
        "tr",
        {},
        el("th", { scope: "col" }, "layer"),
        ...data.reply.map((text, n) => el("th", { scope: "col", title: `Token ${data.first + n + 1} of the reply` }, xray.visible(text))),
      );
      const rows = data.layers.map((layer, number) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, number ? String(number) : "embedding"),
          ...layer.map((cell) => {
            const [id, p] = cell.top[0],
              hit = cell.next && cell.next.rank === 1;
            const title =
              cell.top.map(([i, q]) => `${name(i)}  ${xray.percent(q)}`).join("\n") +
              (cell.next ? `\nthe token that came: ${xray.percent(cell.next.p)}, rank ${cell.next.rank}` : "");
            return el("td", { class: hit ? "hit" : null, style: `--heat:${p.toFixed(3)}`, title, tabindex: -1 }, name(id));
          }),
        ),
      );
      const move = (by) => () => xray.again({ first: Math.max(0, data.first + by) });
      xray.fill(
        body,
        el(
          "div",
          { class: "x-form" },
          xray.button("Earlier tokens", move(-16), { disabled: data.first === 0 }),
          xray.button("Later tokens", move(16), { disabled: data.last }),
          xray.note(data.note),
          el("span", { class: "x-fact" }, el("i", { class: "x-frame" }), "the layer already says the token that came"),
        ),
        el(
          "div",
          { class: "x-scroll", tabindex: 0, role: "region", "aria-label": "Layers by tokens" },
          el("table", { class: "x-lens" }, el("thead", {}, head), el("tbody", {}, ...rows.reverse())),
        ),
        el("h3", {}, "How the answer forms"),
        el("p", { class: "x-fact" }, "Probability of the token that came, after each layer."),
        el("div", { class: "x-forms" }, ...data.reply.map((text, n) => forming(data, text, n))),
      );
    },
  };
  function forming(data, text, n) {
    const values = data.layers.map((layer) => layer[n].next?.p ?? 0),
      step = 100 / Math.max(1, values.length - 1);
    const points = values.map((p, k) => `${(k * step).toFixed(1)},${(30 - 28 * p).toFixed(1)}`).join(" "),
      last = values[values.length - 1];
    const sky = el("figure", { class: "x-form-line" });
    sky.innerHTML = `<svg viewBox="0 0 100 31" preserveAspectRatio="none" role="img" aria-label="From ${xray.percent(values[0])} to ${xray.percent(last)}"><polyline points="${points}"/></svg>`;
    sky.append(el("figcaption", {}, el("code", {}, xray.visible(text)), ` ${xray.percent(last)}`));
    return sky;
  }

  /* Architecture */
  const branch = (node, open) => {
    const times = node.times > 1 ? ` × ${node.times}` : "",
      own = Object.entries(node.own)
        .map(([name, p]) => `${name} [${p.shape.join(" × ")}] ${p.dtype}`)
        .join("  ");
    const label = [
      el("b", {}, `${node.name}${node.times > 1 ? `…${node.last}` : ""}`),
      ` ${node.kind}${times} `,
      el(
        "span",
        { class: "x-fact" },
        `${xray.number(node.parameters * (node.times || 1))} · ${xray.bytes(node.memory * (node.times || 1))}`,
      ),
      own ? el("code", {}, own) : null,
      node.detail ? el("span", { class: "x-fact" }, node.detail) : null,
    ];
    if (!node.children.length) return el("div", { class: "x-leaf" }, ...label);
    return el(
      "details",
      { open: open > 0 },
      el("summary", {}, ...label),
      ...node.children.map((child) => branch(child, open > 0 ? open - 1 : 0)),
    );
  };
  const picture = (s) =>
    el(
      "div",
      {
        class: "x-blocks",
        role: "img",
        "aria-label": `Tokens go through an embedding, ${s.layers} blocks of attention and feed-forward, a norm and the head`,
      },
      ...[
        ["token ids", ""],
        ["embedding", `${xray.number(s.vocabulary)} × ${s.hidden}`],
        [
          `block × ${s.layers}`,
          `attention ${s.heads} heads${s.kv_heads !== s.heads ? `, ${s.kv_heads} for keys and values` : ""} · feed-forward ${s.hidden} → ${s.feed_forward} → ${s.hidden}`,
        ],
        ["norm and head", `${s.hidden} → ${xray.number(s.vocabulary)} logits`],
        ["next token", "softmax, then the draw"],
      ].map(([name, text]) => el("div", {}, el("b", {}, name), el("span", {}, text))),
    );

  xray.views.model = {
    draw(data, body) {
      const s = data.summary,
        token = xray.field("token id", 100, { type: "number", min: 0, max: s.vocabulary - 1 }),
        number = token.querySelector("input");
      const find = () => xray.ask("neighbours", { token: Number(number.value) });
      number.addEventListener("keydown", (event) => {
        if (event.key === "Enter") find();
      });
      const how = {
        rotary: `Rotary: ${s.positions.frequencies?.length} frequencies turn queries and keys; wavelengths from ${s.positions.wavelengths?.[0].toFixed(1)} to ${xray.number(Math.round(s.positions.wavelengths?.at(-1) || 0))} tokens.`,
        learned: `A learned table ${s.positions.table}, ${s.positions.shape?.join(" × ")}, added to the token embeddings.`,
        other: "Neither a learned table nor rotary frequencies were found in this model.",
      }[s.positions.kind];
      xray.fill(
        body,
        el(
          "p",
          { class: "x-facts" },
          xray.fact("parameters", xray.number(s.parameters)),
          s.parameters_with_ties !== s.parameters ? xray.fact("counting tied weights twice", xray.number(s.parameters_with_ties)) : null,
          xray.fact("of weights", xray.bytes(s.memory)),
          xray.fact("of keys and values per token", xray.bytes(s.kv_bytes_per_token)),
          xray.fact("context", xray.number(s.context || 0)),
          xray.note(data.note),
        ),
        picture(s),
        el("h3", {}, "Positions"),
        el("p", { class: "x-fact" }, how),
        s.positions.kind === "rotary" ? waves(s.positions) : null,
        el("h3", {}, "Nearest tokens by embedding"),
        el(
          "div",
          { class: "x-form" },
          token,
          xray.button("Find neighbours", find),
          el("span", { class: "x-fact" }, "Find ids in the Tokenizer view's vocabulary search."),
        ),
        el("div", { id: "x-near" }),
        el("h3", {}, "Modules"),
        el("div", { class: "x-tree" }, branch(data.tree, 2)),
      );
    },
    also(view, data) {
      if (view !== "neighbours") return;
      xray.fill(
        app.$("#x-near"),
        el(
          "p",
          { class: "x-fact" },
          el("code", {}, xray.visible(data.token.text)),
          " is nearest to (cosine similarity of the input embeddings):",
        ),
        xray.bars(data.neighbours.map((entry) => [entry.id, Math.max(0, entry.cosine), entry.text])),
      );
    },
  };
  /* Rotary frequencies as the turns they make over 64 positions: rows are frequencies, columns positions. */
  function waves(positions) {
    const list = positions.frequencies,
      canvas = el("canvas", {
        class: "x-waves",
        width: 64,
        height: list.length,
        role: "img",
        "aria-label": "Cosine of the rotation at positions 0 to 63, one row a frequency: fast ones above, slow ones below",
      }),
      pen = canvas.getContext("2d");
    pen.fillStyle = xray.colour("--moss");
    list.forEach((f, row) => {
      for (let at = 0; at < 64; at++) {
        pen.globalAlpha = (1 + Math.cos(at * f)) / 2;
        pen.fillRect(at, row, 1, 1);
      }
    });
    return canvas;
  }

  /* Reproduce */
  /* An imported reply came without settings; a seed that the app drew is the one that makes the reply again. */
  function settingsOf(card) {
    if (!card.engine) return [["settings", "not recorded: this reply was not made here"]];
    const drawn = card.sampling.seed === null && card.seed !== null;
    const said = (name, value) => {
      if (name === "seed") return drawn ? `${card.seed}, drawn by the app: as the Seed it gives this reply again` : (card.seed ?? "none");
      return Array.isArray(value) ? value.join(" | ") || "none" : (value ?? "none");
    };
    return Object.entries(card.sampling).map(([name, value]) => [name.replaceAll("_", " "), said(name, value)]);
  }

  xray.views.card = {
    draw(data, body) {
      const c = data.card,
        off = Object.entries(data.off),
        rows = [
          ["model", c.model],
          ["revision", c.revision || "not recorded"],
          ["engine", c.engine],
          ["device and dtype", `${c.device} · ${c.dtype}`],
          [
            "versions",
            Object.entries(c.versions)
              .map((v) => v.join(" "))
              .join(" · "),
          ],
          ...settingsOf(c),
          ["date given to the template", c.date || "none"],
          ["prompt", `${c.prompt_ids.length} ids`],
          ["reply", `${c.reply_ids.length} ids, ${data.recorded} with the engine's own probability`],
          ["ended by", c.finish_reason],
        ];
      xray.fill(
        body,
        el(
          "div",
          { class: "x-form" },
          data.why_not
            ? data.anyway
              ? xray.insist("Replay anyway", () => xray.ask("replay"))
              : null
            : xray.button("Replay", () => xray.ask("replay")),
          data.recorded
            ? xray.button("Compare the engine's record with float32", () => xray.ask("measure"))
            : el("span", { class: "x-badge" }, "this engine recorded no probabilities: nothing to compare with"),
        ),
        data.why_not ? el("p", { class: "x-note" }, data.why_not) : null,
        el("div", { id: "x-replay", role: "status" }),
        el("div", { id: "x-measure", role: "status" }),
        off.length
          ? el(
              "ul",
              { class: "x-off" },
              ...off.map(([name, why]) => el("li", {}, el("span", { class: "x-badge bad" }, `no ${name.replaceAll("_", " ")}`), ` ${why}`)),
            )
          : null,
        el(
          "table",
          { class: "x-table x-card" },
          el("tbody", {}, ...rows.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, String(value))))),
        ),
      );
    },
    also(view, data) {
      if (view === "measure")
        xray.fill(
          app.$("#x-measure"),
          el(
            "p",
            { class: "x-facts" },
            xray.fact("largest difference of a probability", data.largest.toExponential(1)),
            xray.fact("mean difference", data.mean.toExponential(1)),
            xray.fact("tokens compared", data.tokens),
            xray.note(data.note),
          ),
        );
      if (view !== "replay") return;
      const r = data.replay,
        all = r.tokens === r.of && r.differs === null;
      xray.fill(
        app.$("#x-replay"),
        el("progress", { max: r.of, value: r.tokens, "aria-label": "Replay" }),
        el(
          "p",
          { class: all ? "x-good" : r.differs === null ? "" : "x-note" },
          r.differs !== null
            ? `Token ${r.differs + 1} of ${r.of} differs: it was ${r.expected}, now ${r.got === null ? "the reply ends" : r.got}. ${r.why}`
            : all
              ? `All ${r.of} tokens are the same.`
              : `${r.tokens} of ${r.of} tokens agree so far`,
        ),
        el("pre", { class: "x-text" }, r.text),
      );
    },
  };
})();
