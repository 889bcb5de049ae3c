/* X-ray's view Attention: every head small, the chosen one large; a second model beside it; bertviz in a frame. */
(() => {
  const app = window.chatapp;
  const { xray, el } = { xray: app.xray, el: app.el };
  const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const ALL = "all heads";
  const kept = { withoutFirst: false, kind: ALL, chosen: {}, row: {} };

  /* A kind that this model has no head of, chosen for another one, hides nothing. */
  const wanted = (data) => {
    const here = Object.values(data.kinds).flat();
    return here.some(({ kind }) => kind === kept.kind) ? kept.kind : ALL;
  };
  const kindOf = (data, [layer, head]) => data.kinds[layer][head];
  const headOf = (data, [layer, head]) => {
    const n = data.tokens.length;
    const size = data.whole ? n * n : xray.heads.triangle(n);
    data.decoded ||= Object.fromEntries(Object.entries(data.layers).map(([name, bytes]) => [name, bytesOf(bytes)]));
    return new xray.heads.Head(
      data.decoded[layer].subarray(head * size, (head + 1) * size),
      n,
      kept.withoutFirst && data.first === 0,
      data.whole,
    );
  };
  const all = (data) => Object.keys(data.layers).flatMap((layer) => Array.from({ length: data.heads }, (_, head) => [Number(layer), head]));

  /* The first head shown is one that looks back at one of the earlier tokens, not the one that only rests on the first. */
  const telling = (data) => all(data).reduce((best, one) => (kindOf(data, one).earlier > kindOf(data, best).earlier ? one : best));
  const valid = (data, one) => one && data.kinds[one[0]] && one[1] < data.heads;

  const SAID = {
    "first token": "Most of it goes to the first token, the {attention sink}: this head found nothing to look for here.",
    "previous token": "Mostly each token looks at the one before it: such heads carry the order of the words.",
    itself: "Mostly each token looks at itself: little is taken over from others.",
    "earlier tokens": "It looks back at single earlier tokens: the most telling kind.",
    "other tokens": "It looks at single other tokens, before or behind: the most telling kind.",
    "next token": "Mostly each token looks at the one behind it.",
    "last token": "Most of it goes to the last token: in an {encoder} that is often its place to rest.",
    "spread out": "It spreads its weight over many tokens.",
  };

  function describe(head, row, name) {
    const top = head.top(row, 3).filter(([value]) => value > 0.004);
    const said = top.map(([value, column]) => `${name(column)} ${xray.percent(value)}`).join(", ");
    return said ? `${name(row)} looks at ${said}` : `${name(row)} looks at nothing but the first token`;
  }

  function large(data, place, side) {
    const one = kept.chosen[side];
    const head = headOf(data, one);
    const name = (i) => `“${xray.visible(data.tokens[i])}”`;
    const told = el("p", { class: "x-told", "aria-live": "polite" });
    const choose = (row) => {
      kept.row[side] = row;
      told.textContent = describe(head, row, name);
      text.show(head, row);
      lines?.show(row);
    };
    const cell = (row, column) => {
      told.textContent = `${name(row)} looks at ${name(column)}: ${xray.percent(head.weight(row, column))}`;
    };
    const lines = xray.heads.lines(data.tokens, head, choose);
    const text = xray.heads.text(data.tokens, choose);
    const label = `Attention matrix of layer ${one[0]}, head ${one[1]}: rows look at columns`;
    const few = `Lines are drawn for at most ${xray.heads.most} tokens: set “from token” and “to” above.`;
    const drawn = lines
      ? el("div", { class: "x-scroll x-lines", tabindex: 0, role: "region", "aria-label": "Lines" }, lines)
      : xray.told(few);
    const kind = kindOf(data, one);
    xray.fill(
      place,
      el("h3", {}, `Layer ${one[0]}, head ${one[1]}`),
      el("p", { class: "x-fact" }, el("b", {}, kind.kind), ". ", ...xray.say(SAID[kind.kind])),
      told,
      text,
      el("div", { class: "x-pair" }, xray.heads.matrix(head, label, cell), drawn),
    );
    choose(Math.min(kept.row[side] ?? Math.max(0, data.tokens.length - 2), data.tokens.length - 1));
  }

  function thumb(data, one, side, take) {
    const [layer, head] = one;
    const { kind } = kindOf(data, one);
    const here = kept.chosen[side].join() === one.join();
    const label = `Layer ${layer}, head ${head}`;
    const look = {
      class: here ? "x-thumb on" : "x-thumb",
      "aria-pressed": String(here),
      "aria-label": `${label}: ${kind}`,
      title: `${label}: ${kind}`,
    };
    const button = el("button", { type: "button", ...look }, xray.heads.small(headOf(data, one)));
    button.hidden = ![ALL, kind].includes(wanted(data));
    button.addEventListener("click", () => take(one, button));
    return button;
  }

  function thumbs(data, side, place) {
    const box = el("div", { class: "x-scroll x-thumbs", tabindex: 0, role: "region", "aria-label": "Every head" });
    const take = (one, button) => {
      kept.chosen[side] = one;
      box.querySelectorAll(".x-thumb").forEach((other) => {
        other.classList.toggle("on", other === button);
        other.setAttribute("aria-pressed", String(other === button));
      });
      large(data, place, side);
    };
    const layers = Object.keys(data.layers).map(Number).toReversed();
    const heads = (layer) => Array.from({ length: data.heads }, (_, head) => thumb(data, [layer, head], side, take));
    box.append(...layers.map((layer) => el("div", { class: "x-layer" }, el("span", {}, `L${layer}`), ...heads(layer))));
    return box;
  }

  /* Which heads are shown small, and whether the first token counts. */
  function switches(data, redraw) {
    const kinds = Object.values(data.kinds).flat();
    const count = (kind) => kinds.filter((one) => one.kind === kind).length;
    const option = (kind) =>
      el("option", { value: kind, selected: kind === wanted(data) }, kind === ALL ? ALL : `${kind} (${count(kind)})`);
    const found = Object.keys(SAID).filter(count);
    const select = el("select", { "aria-label": "Show heads that look at" }, ...[ALL, ...found].map(option));
    const box = el("input", { type: "checkbox", checked: kept.withoutFirst });
    select.addEventListener("change", () => {
      kept.kind = select.value;
      redraw();
    });
    box.addEventListener("change", () => {
      kept.withoutFirst = box.checked;
      redraw();
    });
    const without = el("label", { class: "x-switch" }, box, " without the first token");
    const field = el("label", { class: "x-field" }, el("span", {}, "show heads that look at"), select);
    return el("div", { class: "x-form" }, field, data.first === 0 ? without : null, xray.told("Why? {attention sink}"));
  }

  /* One model: the chosen head above, all heads of the recorded layers below. */
  function panel(data, side) {
    if (!valid(data, kept.chosen[side])) kept.chosen[side] = telling(data);
    const place = el("div", { class: "x-head" });
    const box = el("section", { class: "x-column" });
    const facts = [
      el("b", {}, data.name),
      xray.fact(`of ${data.of_layers} {layers|layer}`, Object.keys(data.layers).length),
      xray.fact("{heads|head}", data.heads),
      xray.fact("tokens", data.tokens.length),
      xray.note(data.note),
      xray.note(data.cut),
    ];
    const redraw = () => {
      const below = [el("h3", {}, "All heads"), thumbs(data, side, place)];
      xray.fill(box, el("p", { class: "x-facts" }, ...facts.filter(Boolean)), switches(data, redraw), place, ...below);
      large(data, place, side);
    };
    redraw();
    return box;
  }

  const counted = (text, whole) => {
    if (text === "all") return whole;
    const run = (part) => {
      const [low, high] = part.split("-").map(Number);
      return Math.max(0, (high ?? low) - low + 1 || 0);
    };
    return text.split(",").reduce((sum, part) => sum + run(part), 0);
  };

  function form(data) {
    const other = data.other?.name || xray.asked.attention?.other || "";
    const fields = {
      layers: xray.field("layers", data.asked, { placeholder: "0-3,7 or all" }),
      first: xray.field("from token", data.first, { inputmode: "numeric" }),
      last: xray.field("to", data.last, { inputmode: "numeric" }),
      other: xray.field("compare with", other, { placeholder: "another loaded model", class: "wide" }),
    };
    const value = (name) => fields[name].querySelector("input").value.trim();
    const asked = () => ({ layers: value("layers"), first: Number(value("first")) || 0, last: Number(value("last")) || 0 });
    const price = el("output", { class: "x-fact" });
    const tell = () => {
      const cells = (asked().last || data.last) ** 2 * data.heads * counted(value("layers"), data.of_layers);
      price.textContent = `costs ${(cells / 1e6).toFixed(1)} of at most 40 million weights, about ${xray.bytes(cells * 2)}`;
    };
    const look = () => xray.again(value("other") ? { ...asked(), other: value("other") } : asked());
    const row = el("div", { class: "x-form" }, ...Object.values(fields), xray.button("Look", look), price);
    row.addEventListener("input", tell);
    row.addEventListener("keydown", (event) => event.key === "Enter" && event.target.matches("input") && look());
    tell();
    return [row, bertviz(asked)];
  }

  function bertviz(asked) {
    const show = (kind) => () => xray.ask("tutorial", { kind, ...asked() });
    const buttons = [xray.button("Head view", show("head")), xray.button("Model view", show("model"))];
    const title = el("summary", {}, "The tutorial's bertviz views (the last 64 tokens, 6 layers)");
    const row = el("div", { class: "x-form" }, ...buttons, xray.place("tutorial"));
    return el("details", { class: "x-bertviz" }, title, row, el("div", { id: "x-frame" }));
  }

  xray.views.attention = {
    panel,
    draw(data, body) {
      const [row, frame] = form(data);
      xray.fill(body, row, el("div", { class: "x-columns" }, panel(data, "own"), data.other ? panel(data.other, "other") : ""), frame);
    },
    also(view, data, done) {
      if (view !== "tutorial" || !done) return;
      const look = { sandbox: "allow-scripts", srcdoc: data.page, title: `bertviz ${data.kind} view`, class: "x-iframe" };
      xray.fill(app.$("#x-frame"), el("iframe", look));
      xray.here("tutorial", data.words);
    },
  };
})();
