/* X-ray's view Architecture: what the model is made of. */
(() => {
  const app = window.chatapp;
  const { xray, el } = { xray: app.xray, el: app.el };

  function branch(node, open) {
    const many = node.times || 1;
    const own = Object.entries(node.own)
      .map(([name, p]) => `${name} [${p.shape.join(" × ")}] ${p.dtype}`)
      .join("  ");
    const size = `${xray.number(node.parameters * many)} · ${xray.bytes(node.memory * many)}`;
    const label = [
      el("b", {}, many > 1 ? `${node.name}…${node.last}` : node.name),
      ` ${node.kind}${many > 1 ? ` × ${many}` : ""} `,
      el("span", { class: "x-fact" }, size),
      own ? el("code", {}, own) : null,
      node.detail ? el("span", { class: "x-fact" }, node.detail) : null,
    ];
    if (!node.children.length) return el("div", { class: "x-leaf" }, ...label);
    const below = node.children.map((child) => branch(child, Math.max(0, open - 1)));
    return el("details", { open: open > 0 }, el("summary", {}, ...label), ...below);
  }

  function picture(s) {
    const apart = s.kv_heads !== s.heads ? `, ${s.kv_heads} for {keys and values}` : "";
    const block = `{attention} ${s.heads} {heads|head}${apart} · {feed-forward} ${s.hidden} → ${s.feed_forward} → ${s.hidden}`;
    const parts = [
      ["{token ids|token id}", ""],
      ["{embedding}", `${xray.number(s.vocabulary)} × ${s.hidden}`],
      [`{block|layer} × ${s.layers}`, block],
      ["norm and head", `${s.hidden} → ${xray.number(s.vocabulary)} {logits|logit}`],
      ["next token", "{softmax}, then the draw"],
    ];
    const part = ([name, text]) => el("div", {}, el("b", {}, ...xray.say(name)), el("span", {}, ...xray.say(text)));
    return el("div", { class: "x-blocks" }, ...parts.map(part));
  }

  function positions({ kind, frequencies, wavelengths, table, shape }) {
    if (kind === "learned") return `A learned table ${table}, ${shape.join(" × ")}, added to the {embedding} of each token.`;
    if (kind !== "rotary") return "Neither a learned table nor rotary frequencies were found in this model.";
    const longest = xray.number(Math.round(wavelengths.at(-1) || 0));
    const lengths = `wavelengths from ${wavelengths[0].toFixed(1)} to ${longest} tokens`;
    return `{Rotary|rotary}: ${frequencies.length} frequencies turn queries and keys; ${lengths}.`;
  }

  /* The turns that rotary frequencies make over 64 positions: rows are frequencies, columns positions. */
  function waves({ frequencies }) {
    const label = "Cosine of the rotation at positions 0 to 63, one row a frequency: fast ones above, slow ones below";
    const canvas = el("canvas", { class: "x-waves", width: 64, height: frequencies.length, role: "img", "aria-label": label });
    const pen = canvas.getContext("2d");
    pen.fillStyle = xray.colour("--moss");
    frequencies.forEach((f, row) => {
      for (let at = 0; at < 64; at++) {
        pen.globalAlpha = (1 + Math.cos(at * f)) / 2;
        pen.fillRect(at, row, 1, 1);
      }
    });
    return canvas;
  }

  function facts(s, note) {
    const twice = s.parameters_with_ties !== s.parameters;
    return [
      xray.fact("{parameters}", xray.number(s.parameters)),
      twice ? xray.fact("counting {tied weights} twice", xray.number(s.parameters_with_ties)) : null,
      xray.fact(`of weights as {${s.dtype}|dtype}`, xray.bytes(s.memory)),
      xray.fact("of {KV cache} per token", xray.bytes(s.kv_bytes_per_token)),
      xray.fact("{context}", xray.number(s.context || 0)),
      xray.note(note),
    ].filter(Boolean);
  }

  /* Why the start page names another size. */
  function served({ engine, dtype, memory }) {
    const words = `The chat runs this model with ${engine} as {${dtype}|quantization}: ${memory || "memory not known"}.`;
    return xray.told(`${words} X-ray reads the same weights in full numbers.`);
  }

  /* What each part of a block does, by the name of its module. */
  const does = ({ name, words }) => el("li", {}, name ? el("code", {}, name) : null, name ? " " : null, words);

  function neighbours(s) {
    const token = xray.field("token id", 100, { type: "number", min: 0, max: s.vocabulary - 1 });
    const number = token.querySelector("input");
    const find = () => xray.ask("neighbours", { token: Number(number.value) });
    number.addEventListener("keydown", (event) => event.key === "Enter" && find());
    const hint = xray.told("Which tokens does the model treat alike? Find ids in the Tokenizer view's search.");
    return el("div", { class: "x-form" }, token, xray.button("Find neighbours", find), xray.place("neighbours"), hint);
  }

  xray.views.model = {
    draw(data, body) {
      const s = data.summary;
      xray.fill(
        body,
        el("p", { class: "x-facts" }, ...facts(s, data.note)),
        data.served ? served(data.served) : null,
        picture(s),
        el("h3", {}, "What a block does"),
        el("ul", { class: "x-does" }, ...data.block.map(does)),
        el("h3", {}, "Positions"),
        xray.told(positions(s.positions)),
        s.positions.kind === "rotary" ? waves(s.positions) : null,
        el("h3", {}, "Nearest tokens by embedding"),
        neighbours(s),
        el("div", { id: "x-near" }),
        el("h3", {}, "Modules"),
        el("div", { class: "x-tree" }, branch(data.tree, 2)),
      );
    },
    also(view, data) {
      if (view !== "neighbours") return;
      const words = " is nearest to these (cosine similarity of the input {embeddings|embedding}):";
      const near = data.neighbours.map((entry) => [entry.id, Math.max(0, entry.cosine), entry.text]);
      xray.fill(
        app.$("#x-near"),
        el("p", { class: "x-fact" }, el("code", {}, xray.visible(data.token.text)), ...xray.say(words)),
        xray.bars(near),
      );
    },
  };
})();
