/* One attention head drawn: as a matrix to zoom into, as lines, and as the text in which a token is chosen. */
(() => {
  const app = window.chatapp;
  const { xray, el } = { xray: app.xray, el: app.el };
  const LINE = { step: 19, width: 300, left: 116, right: 184, most: 120 };
  const ZOOM = { box: 300, largest: 24 };
  const triangle = (n) => (n * (n + 1)) / 2;

  /* Row i of a head is where token i looked: back only, or, in an encoder, over the `whole` text. Without the first token the rest of a
     row is scaled up to 1. */
  class Head {
    constructor(bytes, n, withoutFirst, whole) {
      Object.assign(this, { bytes, n, withoutFirst, whole });
    }
    /* How many tokens a row looks at. */
    sees(row) {
      return this.whole ? this.n : row + 1;
    }
    weight(row, column) {
      if (column >= this.sees(row)) return 0;
      const start = this.whole ? row * this.n : triangle(row);
      const value = this.bytes[start + column] / 255;
      if (!this.withoutFirst) return value;
      const rest = 1 - this.bytes[start] / 255;
      return column === 0 || rest < 0.02 ? 0 : Math.min(1, value / rest);
    }
    top(row, most) {
      const all = Array.from({ length: this.sees(row) }, (_, column) => [this.weight(row, column), column]);
      return all.sort((a, b) => b[0] - a[0]).slice(0, most);
    }
  }

  function small(head) {
    const canvas = el("canvas", { "aria-hidden": "true", width: head.n, height: head.n });
    const pen = canvas.getContext("2d");
    pen.fillStyle = xray.colour("--moss");
    for (let row = 0; row < head.n; row++)
      for (let column = 0; column < head.sees(row); column++) {
        const value = head.weight(row, column);
        if (value < 0.004) continue;
        pen.globalAlpha = Math.sqrt(value);
        pen.fillRect(column, row, 1, 1);
      }
    return canvas;
  }

  /* The canvas has the size of its window; the window scrolls over as much room as the zoomed matrix takes. */
  function matrix(head, label, tell) {
    const whole = small(head);
    const canvas = el("canvas", { class: "x-matrix", role: "img", "aria-label": label, width: ZOOM.box * 2, height: ZOOM.box * 2 });
    const room = el("div", { class: "x-room" }, canvas);
    const box = el("div", { class: "x-window", tabindex: 0, role: "region", "aria-label": `${label}. Scrolls when zoomed.` }, room);
    const pen = canvas.getContext("2d");
    const fit = ZOOM.box / head.n;
    let cell = fit;
    const draw = () => {
      pen.imageSmoothingEnabled = cell < 1;
      pen.clearRect(0, 0, canvas.width, canvas.height);
      const seen = ZOOM.box / cell;
      pen.drawImage(whole, box.scrollLeft / cell, box.scrollTop / cell, seen, seen, 0, 0, canvas.width, canvas.height);
    };
    const zoom = (by) => () => {
      cell = Math.max(fit, Math.min(ZOOM.largest, cell * by));
      room.style.width = room.style.height = `${head.n * cell}px`;
      draw();
    };
    box.addEventListener("scroll", draw);
    canvas.addEventListener("mousemove", (event) => {
      const row = Math.floor((event.offsetY + box.scrollTop) / cell);
      const column = Math.floor((event.offsetX + box.scrollLeft) / cell);
      if (row < head.n && column < head.sees(row)) tell(row, column);
    });
    zoom(1)();
    const buttons = [xray.button("Zoom in", zoom(2)), xray.button("Zoom out", zoom(0.5)), xray.button("Whole", zoom(0))];
    return el("div", {}, box, el("div", { class: "x-form" }, ...buttons));
  }

  const middle = (i) => i * LINE.step + LINE.step / 2;
  function link(pen, head, row, column, alone) {
    const value = head.weight(row, column);
    if (value < 0.02) return;
    pen.globalAlpha = alone ? Math.sqrt(value) : value * 0.6;
    pen.lineWidth = alone ? 1 + 3 * value : 1;
    pen.beginPath();
    pen.moveTo(LINE.left + 6, middle(row));
    pen.lineTo(LINE.right - 6, middle(column));
    pen.stroke();
  }
  function links(pen, head, chosen) {
    pen.strokeStyle = xray.colour("--moss");
    const rows = chosen === null ? Array.from({ length: head.n }, (_, row) => row) : [chosen];
    for (const row of rows) for (let column = 0; column < head.sees(row); column++) link(pen, head, row, column, chosen !== null);
  }
  function labels(pen, tokens, head, chosen) {
    pen.font = "12px ui-monospace, SFMono-Regular, Menlo, monospace";
    pen.textBaseline = "middle";
    pen.fillStyle = xray.colour("--ink");
    tokens.forEach((token, i) => {
      const text = xray.visible(token).slice(0, 14);
      const looked = chosen === null ? 1 : head.weight(chosen, i);
      pen.globalAlpha = chosen === null || chosen === i ? 1 : 0.4;
      pen.textAlign = "right";
      pen.fillText(text, LINE.left, middle(i));
      pen.globalAlpha = 0.35 + 0.65 * Math.sqrt(looked);
      pen.textAlign = "left";
      pen.fillText(text, LINE.right, middle(i));
    });
    pen.globalAlpha = 1;
  }

  /* Tokens twice, a line from each to those it looked at; one token alone while it is pointed at or chosen. */
  function lines(tokens, head, choose) {
    if (head.n > LINE.most) return null;
    const label = "Lines from each token to the tokens it looked at";
    const height = head.n * LINE.step;
    const canvas = el("canvas", { class: "x-links", width: LINE.width * 2, height: height * 2, role: "img", "aria-label": label });
    canvas.style.cssText = `width:${LINE.width}px;height:${height}px`;
    const pen = canvas.getContext("2d");
    canvas.show = (chosen) => {
      pen.setTransform(2, 0, 0, 2, 0, 0);
      pen.clearRect(0, 0, LINE.width, height);
      links(pen, head, chosen);
      labels(pen, tokens, head, chosen);
    };
    canvas.addEventListener("mousemove", (event) => choose(Math.min(head.n - 1, Math.max(0, Math.floor(event.offsetY / LINE.step)))));
    canvas.show(null);
    return canvas;
  }

  function follow(box, cell) {
    const hidden = cell.offsetTop < box.scrollTop || cell.offsetTop + cell.offsetHeight > box.scrollTop + box.clientHeight;
    if (hidden) box.scrollTop = cell.offsetTop - box.clientHeight / 2;
  }

  /* The text; the chosen token's row is the heat of the others. */
  function text(tokens, choose) {
    const box = el("div", {
      class: "x-cells x-text-heat",
      role: "group",
      "aria-label": "The text: choose a token to see where it looked",
    });
    const cells = tokens.map((token, n) => {
      const look = { class: "x-cell heat", role: "button", tabindex: -1, "data-at": n };
      if (!token.trim()) look["aria-label"] = xray.visible(token);
      const cell = el("span", look, token.includes("\n") ? xray.visible(token) : token || "∅");
      return token.includes("\n") ? [cell, el("br")] : [cell];
    });
    box.append(...cells.flat());
    box.show = (head, row) => {
      requestAnimationFrame(() => follow(box, cells[row][0])); // it may not stand in the page yet
      cells.forEach(([cell], column) => {
        cell.style.setProperty("--heat", Math.sqrt(head.weight(row, column)).toFixed(3));
        cell.classList.toggle("chosen", column === row);
        cell.tabIndex = column === row ? 0 : -1;
      });
    };
    xray.pickable(box, ".x-cell", (cell) => choose(Number(cell.dataset.at)));
    return box;
  }

  xray.heads = { Head, small, matrix, lines, text, triangle, most: LINE.most };
})();
