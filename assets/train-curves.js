/* The page Train: the curves of a run, and of another one beside it; the step that the slider shows is marked in each. */
(() => {
  const app = window.chatapp;
  const { train, plot, el } = app;
  const LARGE = { width: 640, height: 300, left: 40, right: 92, top: 10, bottom: 26 };
  const NARROW = { width: 360, height: 250, left: 34, right: 84, top: 10, bottom: 24 };
  const SMALL = { width: 300, height: 120, left: 46, right: 10, top: 8, bottom: 20 };
  /* So few points are drawn as points, too: between them nothing was measured. */
  const FEW = 25;

  const grid = (box, y, at, right) =>
    `<path class="grid" d="M${box.left} ${y(at).toFixed(1)}H${right}"/>` +
    `<text class="tick" x="${box.left - 6}" y="${(y(at) + 4).toFixed(1)}" text-anchor="end">${plot.shown(at)}</text>`;

  function stepTicks(x, last, wide) {
    const at = wide ? [0, 1, 10, 100, 1000, 10000, 100000].filter((step) => step <= last) : plot.ticks(0, last).filter(Number.isInteger);
    return at.map((step) => [x(step), train.count(step)]);
  }

  function levels(box, y, drawn) {
    const right = box.width - box.right;
    const places = plot.apart(
      drawn.map(({ value }) => y(value)),
      { low: box.top + 8, high: box.height - box.bottom },
    );
    const one = ({ name, label, value }, n) =>
      `<path class="level ${name}" d="M${box.left} ${y(value).toFixed(1)}H${right}"/>` +
      `<text class="level ${name}" x="${right + 6}" y="${(places[n] + 4).toFixed(1)}">${label} ${plot.shown(value)}</text>`;
    return drawn.map(one).join("");
  }

  /* { title, box, lines: [{ name, kind, points }], levels, last, wide, zero } → a figure; `figure.mark(step)` moves the mark. */
  function picture({ title, box, lines, drawn = [], last, wide, zero }, choose) {
    const right = box.width - box.right;
    const floor = box.height - box.bottom;
    const values = [...lines.flatMap(({ points }) => points.map(([, value]) => value)), ...drawn.map(({ value }) => value)];
    const x = plot.across({ last, from: box.left, to: right, wide });
    const ends = plot.span(values, { zero });
    const y = plot.up({ ...ends, from: floor, to: box.top });
    const steps = stepTicks(x, last, wide).map(([place, words]) => {
      const anchor = place > right - 20 ? "end" : "middle";
      return `<text class="tick" x="${place.toFixed(1)}" y="${box.height - 8}" text-anchor="${anchor}">${words}</text>`;
    });
    const curves = lines.map(({ kind, points }) => {
      const dots = points.length <= FEW ? points : [];
      const dot = ([step, value]) => `<circle class="${kind}" cx="${x(step).toFixed(1)}" cy="${y(value).toFixed(1)}" r="2.5"/>`;
      return `<polyline class="${kind}" points="${plot.line(points, x, y)}"/>${dots.map(dot).join("")}`;
    });
    const figure = el("figure", { class: "r-plot" }, el("figcaption", {}, title));
    const place = el("div", { class: "r-drawn" });
    const grids = plot.ticks(ends.low, ends.high).map((at) => grid(box, y, at, right));
    const inside = [...grids, ...steps, levels(box, y, drawn), ...curves, '<path class="mark" d=""/>'].join("");
    place.innerHTML = `<svg viewBox="0 0 ${box.width} ${box.height}" role="img" aria-label="${title}">${inside}</svg>`;
    figure.append(place);
    figure.mark = (step) => app.$(".mark", place).setAttribute("d", step === null ? "" : `M${x(step).toFixed(1)} ${box.top}V${floor}`);
    hear(place, box, x, choose);
    return figure;
  }

  /* A click, or a finger that moves over the picture, chooses the step there. */
  function hear(place, box, x, choose) {
    const at = (event) => {
      const { left, width } = place.firstChild.getBoundingClientRect();
      return x.step(((event.clientX - left) / width) * box.width);
    };
    place.addEventListener("pointerdown", (event) => choose(at(event)));
    place.addEventListener("pointermove", (event) => event.buttons && choose(at(event)));
  }

  const lineOf = (run, kind, name, shown, look) => ({ name: shown, kind: look, points: run.points(kind, name) });

  function lossLines(run, other) {
    const { name, held } = train.unit(run);
    const own = [lineOf(run, "loss", name, "training", "loss"), lineOf(run, "validation", name, held, "validation")];
    const beside = other
      ? [
          lineOf(other, "loss", name, `${other.about.name}: training`, "loss other"),
          lineOf(other, "validation", name, `${other.about.name}: ${held}`, "validation other"),
        ]
      : [];
    return [...own, ...beside].filter(({ points }) => points.length);
  }

  function legend(run, lines) {
    const known = run.about.baselines;
    const line = ({ name, kind }) => el("li", {}, el("i", { class: kind }), name);
    const level = ([name, label, words]) => el("li", {}, el("i", { class: `level ${name}` }), el("b", {}, label), ` ${words}`);
    return el("ul", { class: "r-legend" }, ...lines.map(line), ...(known ? train.LEVELS.filter(([name]) => known[name]).map(level) : []));
  }

  const SMALLS = [
    ["learning_rate", "Learning rate"],
    ["grad_norm", "Gradient norm"],
    ["tokens_per_second", "Tokens per second"],
  ];

  /* All pictures of a run, drawn anew into their place; `mark` moves the mark in all of them. */
  train.drawCurves = (run, place) => {
    const { other, wide } = run;
    const last = Math.max(run.last(), other?.last() ?? 0, 1);
    const lines = lossLines(run, other);
    const known = run.about.baselines ?? {};
    const drawn = train.LEVELS.filter(([name]) => known[name]).map(([name, label]) => ({ name, label, value: known[name] }));
    const choose = (step) => run.goTo?.(step);
    if (!lines.length) {
      place.replaceChildren(el("p", { class: "r-hint" }, "The curves begin with the first steps."));
      run.figures = [];
      return;
    }
    const large = picture({ title: train.unit(run).title, box: app.phone() ? NARROW : LARGE, lines, drawn, last, wide }, choose);
    const smalls = SMALLS.map(([name, title]) => [title, run.points("loss", name)]).filter(([, points]) => points.length);
    run.figures = [
      large,
      ...smalls.map(([title, points]) =>
        picture({ title, box: SMALL, lines: [{ kind: "small", points }], last, wide, zero: true }, choose),
      ),
    ];
    const [first, ...rest] = run.figures;
    place.replaceChildren(el("div", { class: "r-large" }, first, legend(run, lines)), el("div", { class: "r-smalls" }, ...rest));
    train.markCurves(run);
  };

  train.markCurves = (run) => {
    for (const figure of run.figures ?? []) figure.mark(run.step);
  };
})();
