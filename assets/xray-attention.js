/* X-ray's attention: thumbnails of every head, the chosen one as a matrix and as lines; a second model beside it; bertviz in a frame. */
(() => {
  const app = window.chatapp,
    xray = app.xray,
    el = app.el;
  const STEP = 19,
    WIDTH = 300,
    LEFT = 116,
    RIGHT = 184;
  const triangle = (n) => (n * (n + 1)) / 2;
  const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const weight = (head, row, column) => head[triangle(row) + column] / 255;
  const chosen = {};

  function matrix(canvas, head, n, scale) {
    canvas.width = n * scale;
    canvas.height = n * scale;
    const pen = canvas.getContext("2d");
    pen.fillStyle = xray.colour("--moss");
    for (let row = 0; row < n; row++)
      for (let column = 0; column <= row; column++) {
        const value = weight(head, row, column);
        if (value < 0.004) continue;
        pen.globalAlpha = Math.sqrt(value);
        pen.fillRect(column * scale, row * scale, scale, scale);
      }
    return canvas;
  }

  /* Tokens twice, a line from each to those it looked at; one token alone while it is pointed at or chosen by arrow keys. */
  function lines(tokens, head, tell) {
    const n = tokens.length,
      canvas = el("canvas", {
        class: "x-links",
        width: WIDTH * 2,
        height: n * STEP * 2,
        tabindex: 0,
        role: "img",
        "aria-label": "Lines from each token to the tokens it looked at. Arrow keys choose a token.",
      });
    canvas.style.cssText = `width:${WIDTH}px;height:${n * STEP}px`;
    const pen = canvas.getContext("2d");
    let hovered = null;
    const middle = (i) => i * STEP + STEP / 2;
    const links = () => {
      pen.strokeStyle = xray.colour("--moss");
      for (let row = hovered ?? 0; row <= (hovered ?? n - 1); row++)
        for (let column = 0; column <= row; column++) {
          const value = weight(head, row, column);
          if (value < 0.02) continue;
          pen.globalAlpha = hovered === null ? value * 0.6 : Math.sqrt(value);
          pen.lineWidth = hovered === null ? 1 : 1 + 3 * value;
          pen.beginPath();
          pen.moveTo(LEFT + 6, middle(row));
          pen.lineTo(RIGHT - 6, middle(column));
          pen.stroke();
        }
    };
    const draw = () => {
      pen.setTransform(2, 0, 0, 2, 0, 0);
      pen.clearRect(0, 0, WIDTH, n * STEP);
      links();
      pen.font = "12px ui-monospace, SFMono-Regular, Menlo, monospace";
      pen.textBaseline = "middle";
      pen.fillStyle = xray.colour("--ink");
      tokens.forEach((token, i) => {
        const text = xray.visible(token).slice(0, 14),
          looked = hovered === null ? 1 : hovered >= i ? weight(head, hovered, i) : 0;
        pen.globalAlpha = hovered === null || hovered === i ? 1 : 0.4;
        pen.textAlign = "right";
        pen.fillText(text, LEFT, middle(i));
        pen.globalAlpha = 0.35 + 0.65 * Math.sqrt(looked);
        pen.textAlign = "left";
        pen.fillText(text, RIGHT, middle(i));
      });
      pen.globalAlpha = 1;
      if (hovered !== null) tell(hovered);
    };
    const point = (row) => {
      if (row !== hovered) {
        hovered = row;
        draw();
      }
    };
    canvas.addEventListener("mousemove", (event) => point(Math.min(n - 1, Math.max(0, Math.floor(event.offsetY / STEP)))));
    canvas.addEventListener("mouseleave", () => point(null));
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!move) return;
      event.preventDefault();
      point(Math.min(n - 1, Math.max(0, (hovered ?? -1) + move)));
    });
    draw();
    return canvas;
  }

  function bigger(data, place, [layer, head]) {
    const size = triangle(data.tokens.length),
      n = data.tokens.length,
      all = data.decoded[layer],
      weights = all.subarray(head * size, (head + 1) * size);
    const square = matrix(
      el("canvas", {
        class: "x-matrix",
        role: "img",
        "aria-label": `Attention matrix of layer ${layer}, head ${head}: rows look at columns`,
      }),
      weights,
      n,
      Math.max(1, Math.floor(480 / n)),
    );
    const told = el("p", { class: "x-told", "aria-live": "polite" }, "Point at a token or a cell: a row looks at columns.");
    const name = (i) => `“${xray.visible(data.tokens[i])}”`;
    const most = (row) => {
      const top = Array.from({ length: row + 1 }, (_, i) => [weight(weights, row, i), i])
        .sort((a, b) => b[0] - a[0])
        .slice(0, 3);
      told.textContent = `${name(row)} looks at ${top.map(([value, i]) => `${name(i)} ${xray.percent(value)}`).join(", ")}`;
    };
    square.addEventListener("mousemove", (event) => {
      const row = Math.floor((event.offsetY / square.clientHeight) * n),
        column = Math.floor((event.offsetX / square.clientWidth) * n);
      if (column <= row && row < n)
        told.textContent = `${name(row)} looks at ${name(column)}: ${xray.percent(weight(weights, row, column))}`;
    });
    xray.fill(
      place,
      el("h3", {}, `Layer ${layer}, head ${head}`),
      told,
      el("div", { class: "x-pair" }, square, el("div", { class: "x-scroll x-lines" }, lines(data.tokens, weights, most))),
    );
  }

  /* One model: the chosen head above, all heads of the recorded layers below. */
  function panel(given, side) {
    const layers = Object.keys(given.layers).map(Number),
      n = given.tokens.length,
      size = triangle(n);
    const data = { ...given, decoded: Object.fromEntries(layers.map((layer) => [layer, bytesOf(given.layers[layer])])) };
    if (!chosen[side] || !layers.includes(chosen[side][0]) || chosen[side][1] >= data.heads) chosen[side] = [layers[layers.length - 1], 0];
    const place = el("div", { class: "x-head" }),
      box = el("section", { class: "x-column" });
    const thumb = (layer, head) => {
      const button = el(
        "button",
        { type: "button", class: "x-thumb", "aria-label": `Layer ${layer}, head ${head}`, title: `Layer ${layer}, head ${head}` },
        matrix(el("canvas", { "aria-hidden": "true" }), data.decoded[layer].subarray(head * size, (head + 1) * size), n, 1),
      );
      const here = chosen[side][0] === layer && chosen[side][1] === head;
      button.classList.toggle("on", here);
      button.setAttribute("aria-pressed", String(here));
      button.addEventListener("click", () => {
        chosen[side] = [layer, head];
        box.querySelectorAll(".x-thumb").forEach((b) => {
          b.classList.toggle("on", b === button);
          b.setAttribute("aria-pressed", String(b === button));
        });
        bigger(data, place, chosen[side]);
      });
      return button;
    };
    box.append(
      el(
        "p",
        { class: "x-facts" },
        el("b", {}, data.name),
        xray.fact(`of ${data.of_layers} layers`, layers.length),
        xray.fact("heads", data.heads),
        xray.fact("tokens", n),
        xray.note(data.note),
        data.cut ? xray.note(data.cut) : null,
        el("span", { class: "x-fact" }, data.cost),
      ),
      place,
      el("h3", {}, "All heads"),
      el(
        "div",
        { class: "x-scroll x-thumbs", tabindex: 0, role: "region", "aria-label": "Every head" },
        ...layers
          .toReversed()
          .map((layer) =>
            el(
              "div",
              { class: "x-layer" },
              el("span", {}, `L${layer}`),
              ...Array.from({ length: data.heads }, (_, head) => thumb(layer, head)),
            ),
          ),
      ),
    );
    bigger(data, place, chosen[side]);
    return box;
  }

  function form(data) {
    const fields = {
      layers: xray.field("layers", data.asked, { placeholder: "0-3,7 or all" }),
      first: xray.field("from token", data.first, { inputmode: "numeric" }),
      last: xray.field("to", data.last, { inputmode: "numeric" }),
      other: xray.field("compare with", data.other?.name || xray.asked.attention?.other || "", {
        placeholder: "another loaded model",
        class: "wide",
      }),
    };
    const value = (name) => fields[name].querySelector("input").value.trim();
    const params = () => ({
      layers: value("layers"),
      first: Number(value("first")) || 0,
      last: Number(value("last")) || 0,
      other: value("other"),
    });
    const price = el("output", { class: "x-fact" });
    const count = (text) =>
      text === "all"
        ? data.of_layers
        : text.split(",").reduce((sum, part) => {
            const [low, high] = part.split("-").map(Number);
            return sum + Math.max(0, (high ?? low) - low + 1 || 0);
          }, 0);
    const tell = () => {
      const { layers, last } = params(),
        cells = (last || data.last) ** 2 * data.heads * count(layers);
      price.textContent = `costs ${(cells / 1e6).toFixed(1)} of at most 40 million weights, about ${xray.bytes(cells * 2)}`;
    };
    const look = () => {
      const { other, ...rest } = params();
      xray.again(other ? { ...rest, other } : rest);
    };
    const row = el("div", { class: "x-form" }, ...Object.values(fields), xray.button("Look", look), price);
    row.addEventListener("input", tell);
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input")) look();
    });
    tell();
    const frame = (kind) => () => {
      const { other, ...rest } = params(),
        few = count(rest.layers) > 6 ? { ...rest, layers: "" } : rest;
      xray.ask("tutorial", { kind, ...few });
    };
    return [
      row,
      el(
        "details",
        { class: "x-bertviz" },
        el("summary", {}, "The tutorial's bertviz views (at most 64 tokens, 6 layers)"),
        el("div", { class: "x-form" }, xray.button("Head view", frame("head")), xray.button("Model view", frame("model"))),
        el("div", { id: "x-frame" }),
      ),
    ];
  }

  xray.views.attention = {
    draw(data, body) {
      const [row, bertviz] = form(data);
      xray.fill(body, row, el("div", { class: "x-columns" }, panel(data, "own"), data.other ? panel(data.other, "other") : ""), bertviz);
    },
    also(view, data) {
      if (view === "tutorial" && data.page)
        xray.fill(
          app.$("#x-frame"),
          el("iframe", { sandbox: "allow-scripts", srcdoc: data.page, title: `bertviz ${data.kind} view`, class: "x-iframe" }),
        );
    },
  };
})();
