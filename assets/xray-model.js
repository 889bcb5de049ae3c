/* X-ray views that look into the model: attention, layers, architecture, and the card to reproduce a reply. */
(() => {
  const app = window.chatapp, xray = app.xray, el = app.el;

  /* Attention: thumbnails of every head; the chosen one as a matrix and as lines. */
  let chosen = null, hovered = null;
  const decoded = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const triangle = (n) => (n * (n + 1)) / 2;
  const weight = (head, row, column) => head[triangle(row) + column];
  const headOf = (data, layer, head) => {
    const bytes = data.decoded[layer], size = triangle(data.tokens.length);
    return bytes.subarray(head * size, (head + 1) * size);
  };
  const colour = () => getComputedStyle(document.body).getPropertyValue("--moss").trim();

  function matrix(canvas, head, n, scale) {
    canvas.width = n * scale;
    canvas.height = n * scale;
    const pen = canvas.getContext("2d");
    pen.fillStyle = colour();
    for (let row = 0; row < n; row++) for (let column = 0; column <= row; column++) {
      const value = weight(head, row, column) / 255;
      if (value < 0.004) continue;
      pen.globalAlpha = Math.min(1, Math.sqrt(value));
      pen.fillRect(column * scale, row * scale, scale, scale);
    }
  }

  function lines(data, head) {
    const n = data.tokens.length, step = 18, width = 300, canvas = el("canvas", { class: "whole", width: width * 2, height: n * step * 2, role: "img", "aria-label": "Lines from each token to the tokens it looked at" });
    canvas.style.cssText = `width:${width}px;height:${n * step}px`;
    const pen = canvas.getContext("2d");
    const draw = () => {
      pen.setTransform(2, 0, 0, 2, 0, 0);
      pen.clearRect(0, 0, width, n * step);
      pen.font = "12px ui-monospace, monospace";
      pen.textBaseline = "middle";
      const ink = getComputedStyle(document.body).getPropertyValue("--ink").trim();
      for (let row = 0; row < n; row++) {
        if (hovered !== null && row !== hovered) continue;
        for (let column = 0; column <= row; column++) {
          const value = weight(head, row, column) / 255;
          if (value < 0.02) continue;
          pen.globalAlpha = hovered === null ? value * 0.6 : Math.sqrt(value);
          pen.strokeStyle = colour();
          pen.lineWidth = hovered === null ? 1 : 1 + 3 * value;
          pen.beginPath();
          pen.moveTo(110, row * step + step / 2);
          pen.lineTo(190, column * step + step / 2);
          pen.stroke();
        }
      }
      pen.globalAlpha = 1;
      pen.fillStyle = ink;
      data.tokens.forEach((token, i) => {
        const text = xray.visible(token).slice(0, 13);
        pen.globalAlpha = hovered === null || hovered === i ? 1 : 0.45;
        pen.textAlign = "right";
        pen.fillText(text, 104, i * step + step / 2);
        pen.globalAlpha = hovered === null ? 1 : 0.35 + 0.65 * Math.sqrt(hovered >= i ? weight(head, hovered, i) / 255 : 0);
        pen.textAlign = "left";
        pen.fillText(text, 196, i * step + step / 2);
      });
    };
    canvas.addEventListener("mousemove", (event) => { const row = Math.floor(event.offsetY / step); if (row !== hovered) { hovered = row; draw(); } });
    canvas.addEventListener("mouseleave", () => { hovered = null; draw(); });
    canvas.tabIndex = 0;
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!move) return;
      event.preventDefault();
      hovered = Math.min(n - 1, Math.max(0, (hovered ?? -1) + move));
      draw();
    });
    draw();
    return canvas;
  }

  function bigger(data, place) {
    const [layer, head] = chosen;
    const weights = headOf(data, layer, head), n = data.tokens.length;
    const square = el("canvas", { role: "img", "aria-label": `Attention matrix of layer ${layer}, head ${head}: rows look at columns` });
    matrix(square, weights, n, Math.max(1, Math.floor(440 / n)));
    const told = el("p", { class: "x-facts", "aria-live": "polite" }, "Point at the matrix: row looks at column");
    square.addEventListener("mousemove", (event) => {
      const row = Math.floor((event.offsetY / square.clientHeight) * n), column = Math.floor((event.offsetX / square.clientWidth) * n);
      if (column <= row && row < n) told.textContent = `${xray.visible(data.tokens[row])} looks at ${xray.visible(data.tokens[column])}: ${xray.percent(weight(weights, row, column) / 255)}`;
    });
    place.replaceChildren(el("h3", {}, `Layer ${layer}, head ${head}`), told, el("div", { class: "x-pair" }, el("div", { class: "x-scroll" }, square), el("div", { class: "x-scroll x-lines" }, lines(data, weights))));
  }

  xray.views.attention = {
    params: () => xray.attention || {},
    draw(data, body) {
      const n = data.tokens.length, layers = Object.keys(data.layers).map(Number);
      const view = { ...data, decoded: Object.fromEntries(layers.map((layer) => [layer, decoded(data.layers[layer])])) };
      if (!chosen || !layers.includes(chosen[0])) chosen = [layers[layers.length - 1], 0];
      const place = el("div", { class: "x-head" });
      const thumbs = layers.map((layer) => el("div", { class: "x-layer" }, el("span", {}, `L${layer}`), ...Array.from({ length: data.heads }, (_, head) => {
        const canvas = el("canvas", { "aria-hidden": "true" });
        matrix(canvas, headOf(view, layer, head), n, 1);
        const button = el("button", { type: "button", class: "x-thumb", "aria-label": `Layer ${layer}, head ${head}`, title: `Layer ${layer}, head ${head}` }, canvas);
        button.addEventListener("click", () => {
          chosen = [layer, head];
          hovered = null;
          body.querySelectorAll(".x-thumb.on").forEach((b) => b.classList.remove("on"));
          button.classList.add("on");
          bigger(view, place);
        });
        if (chosen[0] === layer && chosen[1] === head) button.classList.add("on");
        return button;
      })));
      const field = (label, value) => el("input", { type: "text", value, "aria-label": label, size: 10 });
      const which = field("Layers, as 0-3,7 or all", data.asked), from = field("First token", data.first), until = field("Last token", data.first + n);
      const again = () => { xray.attention = { layers: which.value, first: Number(from.value) || 0, last: Number(until.value) || null }; delete xray.data.attention; xray.show("attention"); };
      body.replaceChildren(
        el("p", { class: "x-facts" }, xray.fact(`of ${data.of_layers} layers`, layers.length), xray.fact("heads", data.heads), xray.fact("tokens", n), el("span", { class: "x-badge" }, data.note)),
        el("p", { class: "x-form" }, el("label", {}, "layers ", which), el("label", {}, "tokens ", from), el("label", {}, "to ", until), el("button", { type: "button", class: "x-do", on: { click: again } }, "Look"), el("span", { class: "x-fact" }, data.cost)),
        place, el("h3", {}, "All heads"), el("div", { class: "x-scroll x-thumbs" }, ...thumbs));
      bigger(view, place);
    },
  };

  /* Layers: one column a token, one row a layer. */
  xray.views.layers = {
    params: () => ({ first: xray.lensFirst || 0, count: 16 }),
    draw(data, body) {
      const name = (id) => xray.visible(data.names[id] ?? "");
      const head = el("tr", {}, el("th", { scope: "col" }, "layer"), ...data.reply.map((text, n) => el("th", { scope: "col", title: `Token ${data.first + n + 1} of the reply` }, xray.visible(text))));
      const rows = data.layers.map((layer, number) => el("tr", {}, el("th", { scope: "row" }, number ? String(number) : "embedding"), ...layer.map((cell) => {
        const [id, p] = cell.top[0], hit = cell.next && cell.next.rank === 1;
        const title = cell.top.map(([i, q]) => `${name(i)}  ${xray.percent(q)}`).join("\n") + (cell.next ? `\nthe token that came: ${xray.percent(cell.next.p)}, rank ${cell.next.rank}` : "");
        return el("td", { class: hit ? "hit" : null, style: `--heat:${p.toFixed(3)}`, title, tabindex: -1 }, name(id));
      })));
      const move = (by) => () => { xray.lensFirst = Math.max(0, data.first + by); delete xray.data.layers; xray.show("layers"); };
      body.replaceChildren(
        el("p", { class: "x-form" }, el("button", { type: "button", class: "x-do", disabled: data.first === 0, on: { click: move(-16) } }, "Earlier tokens"), el("button", { type: "button", class: "x-do", on: { click: move(16) }, disabled: data.last }, "Later tokens"), el("span", { class: "x-badge" }, data.note), el("span", { class: "x-fact" }, "framed: the layer already says the token that came")),
        el("div", { class: "x-scroll", tabindex: 0, role: "region", "aria-label": "Layers by tokens" }, el("table", { class: "x-lens" }, el("thead", {}, head), el("tbody", {}, ...rows.reverse()))));
    },
  };

  /* Architecture */
  const branch = (node, open) => {
    const times = node.times > 1 ? ` × ${node.times}` : "", own = Object.entries(node.own).map(([name, p]) => `${name} [${p.shape.join(" × ")}] ${p.dtype}`).join("  ");
    const label = [el("b", {}, `${node.name}${node.times > 1 ? `…${node.last}` : ""}`), ` ${node.kind}${times} `, el("span", { class: "x-fact" }, `${xray.number(node.parameters * (node.times || 1))} · ${xray.bytes(node.memory * (node.times || 1))}`), own ? el("code", {}, own) : null, node.detail ? el("span", { class: "x-fact" }, node.detail) : null];
    if (!node.children.length) return el("div", { class: "x-leaf" }, ...label);
    return el("details", { open }, el("summary", {}, ...label), ...node.children.map((child) => branch(child, open && child.times > 1)));
  };
  const picture = (s) => el("div", { class: "x-blocks", role: "img", "aria-label": `Tokens go through an embedding, ${s.layers} blocks of attention and feed-forward, a norm and the head` },
    ...[["token ids", ""], ["embedding", `${xray.number(s.vocabulary)} × ${s.hidden}`], [`block × ${s.layers}`, `attention ${s.heads} heads${s.kv_heads !== s.heads ? `, ${s.kv_heads} for keys and values` : ""} · feed-forward ${s.hidden} → ${s.feed_forward} → ${s.hidden}`], ["norm and head", `${s.hidden} → ${xray.number(s.vocabulary)} logits`], ["next token", "softmax, then the draw"]].map(([name, text]) => el("div", {}, el("b", {}, name), el("span", {}, text))));

  xray.views.model = {
    draw(data, body) {
      const s = data.summary, near = el("div", { id: "x-near" });
      const token = el("input", { type: "number", min: 0, max: s.vocabulary - 1, value: 100, "aria-label": "Token id" });
      const how = { rotary: `Positions: rotary. ${s.positions.frequencies?.length} frequencies turn queries and keys; wavelengths from ${s.positions.wavelengths?.[0].toFixed(1)} to ${xray.number(Math.round(s.positions.wavelengths?.at(-1) || 0))} tokens.`, learned: `Positions: a learned table ${s.positions.table}, ${s.positions.shape?.join(" × ")}, added to the token embeddings.`, other: "Positions: neither a learned table nor rotary frequencies were found in this model." }[s.positions.kind];
      body.replaceChildren(
        el("p", { class: "x-facts" }, xray.fact("parameters", xray.number(s.parameters)), s.parameters_with_ties !== s.parameters ? xray.fact("counting tied weights twice", xray.number(s.parameters_with_ties)) : null, xray.fact("of weights", xray.bytes(s.memory)), xray.fact("of keys and values per token", xray.bytes(s.kv_bytes_per_token)), xray.fact("context", xray.number(s.context || 0)), el("span", { class: "x-badge" }, data.note)),
        picture(s), el("p", {}, how), el("h3", {}, "Nearest tokens by embedding"), el("p", { class: "x-form" }, el("label", {}, "token id ", token), el("button", { type: "button", class: "x-do", on: { click: () => xray.ask("neighbours", { token: Number(token.value) }) } }, "Find neighbours")), near,
        el("h3", {}, "Modules"), el("div", { class: "x-tree" }, branch(data.tree, true)));
    },
    also(view, data) {
      if (view !== "neighbours") return;
      app.$("#x-near").replaceChildren(el("p", {}, el("code", {}, xray.visible(data.token.text)), ` is nearest to`), xray.bars(data.neighbours.map((entry) => [entry.id, Math.max(0, entry.cosine), entry.text])));
    },
  };

  /* Reproduce */
  xray.views.card = {
    draw(data, body) {
      const c = data.card, rows = [["model", c.model], ["revision", c.revision || "not recorded"], ["engine", c.engine], ["device and dtype", `${c.device} · ${c.dtype}`], ["versions", Object.entries(c.versions).map((v) => v.join(" ")).join(" · ")], ...Object.entries(c.sampling).map(([name, value]) => [name.replaceAll("_", " "), Array.isArray(value) ? value.join(" | ") || "none" : value ?? "none"]), ["date given to the template", c.date || "none"], ["prompt", `${c.prompt_ids.length} ids`], ["reply", `${c.reply_ids.length} ids`], ["ended by", c.stop_reason]];
      body.replaceChildren(el("table", { class: "x-table x-card" }, el("tbody", {}, ...rows.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, String(value)))))),
        data.why_not ? el("p", { class: "x-note" }, data.why_not) : el("p", {}, el("button", { type: "button", class: "x-do", on: { click: () => xray.ask("replay") } }, "Replay")), el("div", { id: "x-replay", role: "status" }));
    },
    also(view, data) {
      if (view !== "replay") return;
      const r = data.replay, all = r.tokens === r.of && r.differs === null;
      app.$("#x-replay").replaceChildren(el("progress", { max: r.of, value: r.tokens, "aria-label": "Replay" }), el("p", { class: all ? "x-good" : r.differs === null ? "" : "x-note" }, r.differs !== null ? `Token ${r.differs + 1} of ${r.of} differs: it was ${r.expected}, now ${r.got === null ? "the reply ends" : r.got}.` : all ? `All ${r.of} tokens are the same.` : `${r.tokens} of ${r.of} tokens agree so far`), el("pre", { class: "x-text" }, r.text));
    },
  };
})();
