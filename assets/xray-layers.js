/* X-ray's view Layers: one column a token, one row a layer. */
(() => {
  const app = window.chatapp;
  const { xray, el } = { xray: app.xray, el: app.el };
  const AT_ONCE = 16;

  function tableOf(data) {
    const name = (id) => xray.visible(data.names[id] ?? "");
    const column = (text, n) => el("th", { scope: "col", title: `Token ${data.numbered + n}` }, xray.visible(text));
    const cell = (one, layer, n) => {
      const [id, p] = one.top[0];
      const look = { class: one.next?.rank === 1 ? "hit" : null, style: `--heat:${p.toFixed(3)}` };
      return el("td", { ...look, tabindex: -1, "data-layer": layer, "data-token": n }, name(id));
    };
    const row = (cells, layer) =>
      el("tr", {}, el("th", { scope: "row" }, layer ? String(layer) : "embedding"), ...cells.map((one, n) => cell(one, layer, n)));
    const head = el("tr", {}, el("th", { scope: "col" }, "layer"), ...data.reply.map(column));
    return el("table", { class: "x-lens" }, el("thead", {}, head), el("tbody", {}, ...data.layers.map(row).reverse()));
  }

  /* What one layer would have said before one token. */
  function detail(data, layer, n) {
    const one = data.layers[layer][n];
    const came = one.next
      ? xray.fact(`for “${xray.visible(data.reply[n])}”, which came, {rank} ${one.next.rank}`, xray.percent(one.next.p))
      : null;
    const top = one.top.map(([id, p]) => [id, p, data.names[id] ?? ""]);
    return [el("h3", {}, layer ? `After layer ${layer}` : "Embedding", el("span", { class: "x-facts" }, came ?? "")), xray.bars(top)];
  }

  xray.views.layers = {
    params: () => ({ first: 0, count: AT_ONCE }),
    draw(data, body) {
      const move = (by) => () => xray.again({ first: Math.max(0, data.first + by) });
      const told = el("div", { id: "x-detail", class: "x-small", "aria-live": "polite" });
      const box = el("div", { class: "x-scroll", tabindex: 0, role: "region", "aria-label": "Layers by tokens" }, tableOf(data));
      const pick = (cell) => xray.fill(told, ...detail(data, Number(cell.dataset.layer), Number(cell.dataset.token)));
      xray.pickable(box, "td", pick, () => data.reply.length);
      const earlier = xray.button("Earlier tokens", move(-AT_ONCE), { disabled: data.first === 0 });
      const later = xray.button("Later tokens", move(AT_ONCE), { disabled: data.last });
      const hit = el("span", { class: "x-fact" }, el("i", { class: "x-frame" }), "the layer already says the token that came");
      xray.fill(
        body,
        el("div", { class: "x-form" }, earlier, later, xray.note(data.note), hit),
        box,
        told,
        el("h3", {}, "How the answer forms"),
        xray.told("{Probability|probability} of the token that came, after each layer: each adds to the {residual}."),
        el("div", { class: "x-forms" }, ...data.reply.map((text, n) => forming(data, text, n))),
      );
    },
  };

  function forming(data, text, n) {
    const values = data.layers.map((layer) => layer[n].next?.p ?? 0);
    const step = 100 / Math.max(1, values.length - 1);
    const points = values.map((p, k) => `${(k * step).toFixed(1)},${(30 - 28 * p).toFixed(1)}`).join(" ");
    const last = values[values.length - 1];
    const label = `From ${xray.percent(values[0])} to ${xray.percent(last)}`;
    const figure = el("figure", { class: "x-form-line" });
    const line = `<polyline points="${points}"/>`;
    figure.innerHTML = `<svg viewBox="0 0 100 31" preserveAspectRatio="none" role="img" aria-label="${label}">${line}</svg>`;
    figure.append(el("figcaption", {}, el("code", {}, xray.visible(text)), ` ${xray.percent(last)}`));
    return figure;
  }
})();
