/* The tabs Attention, Layers, Neighbours and bertviz: X-ray's own drawing, of a text and for one model or two. */
(() => {
  const app = window.chatapp;
  const { xray, text, el } = { xray: app.xray, text: app.text, el: app.el };
  const SIDES = ["own", "other"];
  const columns = (nodes) => el("div", { class: "x-columns" }, ...nodes);

  /* Which layers are asked for, where not all were small enough to be sent at once. */
  function layersAsked(data) {
    const field = xray.field("layers", xray.asked.attention?.layers || "", { placeholder: "0-3,7 or all", class: "wide" });
    const box = field.querySelector("input");
    const look = () => xray.again({ layers: box.value.trim() });
    box.addEventListener("keydown", (event) => event.key === "Enter" && look());
    const costs = data.models.map(({ name, asked, of_layers: of, cost }) => xray.told(`${name}: layers ${asked} of ${of}; ${cost}.`));
    return [el("div", { class: "x-form" }, field, xray.button("Look at these", look)), ...costs];
  }

  text.tab({
    name: "attention",
    label: "Attention",
    about:
      "How much each token took over from the others, in every {layer} and {head}. " +
      "A model that writes sees the tokens before it only; an {encoder} sees all, before and behind.",
    draw(data, body) {
      const panels = data.models.map((model, n) => xray.views.attention.panel(model, SIDES[n]));
      xray.fill(body, ...layersAsked(data), columns(panels));
    },
  });

  function lens(model) {
    const place = el("div", {});
    if (model.why_not) place.append(el("p", { class: "x-small" }, model.why_not));
    else xray.views.layers.draw(model, place);
    return el("section", { class: "x-column" }, el("h3", {}, model.name), place);
  }
  text.tab({
    name: "layers",
    label: "Layers",
    about:
      "What each {layer} would have said before each token of the text if it were the last one ({logit lens}): read from below upwards.",
    draw: (data, body) => xray.fill(body, columns(data.models.map(lens))),
  });

  function near(model) {
    const box = el("div", { class: "x-cells", role: "group", "aria-label": `Choose a token of ${model.name}` });
    const kind = (row) => (row.kind === "special" ? "kind-special" : "striped");
    xray.cells.list(box, model, { kind, click: true });
    const cellOf = model.cells.find((cell) => cell.includes(model.chosen));
    for (const node of box.querySelectorAll(".x-cell")) node.classList.toggle("chosen", Number(node.dataset.at) === cellOf[0]);
    xray.pickable(box, ".x-cell", (node) => xray.again({ at: model.rows[Number(node.dataset.at)].start }));
    const bars = xray.bars(model.neighbours.map((entry) => [entry.id, Math.max(0, entry.cosine), entry.text]));
    const words = ` (id ${model.token.id}) is nearest to these, by {cosine similarity}:`;
    const said = el("p", { class: "x-fact" }, el("code", {}, xray.visible(model.token.text)), ...xray.say(words));
    return el("section", { class: "x-column" }, el("h3", {}, model.name), box, said, bars);
  }
  text.tab({
    name: "neighbours",
    label: "Neighbours",
    about:
      "Which tokens of the whole {vocabulary} have an {embedding} most like that of a token of the text: " +
      "what the model took for alike before it read anything. Choose a token.",
    draw: (data, body) => xray.fill(body, columns(data.models.map(near))),
  });

  function frame(model) {
    const look = { sandbox: "allow-scripts", srcdoc: model.page, title: `bertviz of ${model.name}`, class: "x-iframe" };
    return el("section", {}, el("h3", {}, model.name), el("p", { class: "x-small" }, model.words), el("iframe", look));
  }
  text.tab({
    name: "bertviz",
    label: "bertviz",
    about: "The tutorial's own pictures of {attention} (Vig, 2019), of the last 64 tokens and the last 6 layers.",
    draw(data, body) {
      const button = (kind, label) =>
        xray.button(label, () => xray.again({ kind }), { "aria-pressed": String(data.kind === kind), class: "x-do" });
      const buttons = [button("head", "Head view"), button("model", "Model view")];
      xray.fill(body, el("div", { class: "x-form" }, ...buttons), ...data.models.map(frame));
    },
  });
})();
