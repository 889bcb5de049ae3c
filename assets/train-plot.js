/* Curves as SVG, by a few functions: a scale, round numbers on it, a line through points, and a place that is marked. */
(() => {
  const app = window.chatapp;
  const plot = {};
  app.plot = plot;
  const MOST_POINTS = 500;
  const GAP = 13;

  /* Three to six round numbers between. */
  plot.ticks = (low, high) => {
    const raw = (high - low) / 4 || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((one) => one >= raw * 0.999);
    const first = Math.ceil(low / step - 1e-9);
    const last = Math.floor(high / step + 1e-9);
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => Number(((first + n) * step).toPrecision(12)));
  };

  /* Steps across the picture: as they are, or early ones wide (by the logarithm), where a model learns fastest. */
  plot.across = ({ last, from, to, wide }) => {
    const at = wide ? (step) => Math.log1p(step) / Math.log1p(last || 1) : (step) => step / (last || 1);
    const back = wide ? (share) => Math.expm1(share * Math.log1p(last || 1)) : (share) => share * (last || 1);
    const x = (step) => from + at(step) * (to - from);
    x.step = (place) => Math.round(back(Math.min(1, Math.max(0, (place - from) / (to - from)))));
    return x;
  };

  plot.up =
    ({ low, high, from, to }) =>
    (value) =>
      from + ((Math.min(high, Math.max(low, value)) - low) / (high - low)) * (to - from);

  /* The ends of an axis: a little more than the values take, and never nothing. */
  plot.span = (values, { zero = false } = {}) => {
    const known = values.filter(Number.isFinite);
    if (!known.length) return { low: 0, high: 1 };
    const low = Math.min(...known);
    const high = Math.max(...known);
    const margin = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    return { low: zero ? 0 : low - margin, high: high + margin };
  };

  /* Few enough to be drawn at once: each an average of its neighbours, so that no spike is made up and none is all there is. */
  plot.thinned = (points, most = MOST_POINTS) => {
    const every = Math.ceil(points.length / most);
    if (every <= 1) return points;
    const found = [];
    for (let start = 0; start < points.length; start += every) {
      const some = points.slice(start, start + every);
      const mean = (n) => some.reduce((sum, point) => sum + point[n], 0) / some.length;
      found.push([mean(0), mean(1)]);
    }
    return found;
  };

  plot.line = (points, x, y) =>
    plot
      .thinned(points)
      .map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`)
      .join(" ");

  /* Labels beside levels that lie close together: each as near to its level as the others let it. */
  plot.apart = (places, { low, high }) => {
    const order = places.map((place, n) => [place, n]).sort((one, other) => one[0] - other[0]);
    const found = [];
    let least = low;
    for (const [place, n] of order) {
      found[n] = Math.max(place, least);
      least = found[n] + GAP;
    }
    const over = Math.max(0, least - GAP - high);
    return found.map((place) => place - over);
  };

  /* The last of these points at or before a step; null where there is none. */
  plot.before = (points, step) => points.findLast(([at]) => at <= step) ?? null;

  plot.shown = (value, digits = 3) => {
    const size = Math.abs(value);
    if (size >= 10000) return value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 });
    return size && size < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(digits)));
  };
})();
