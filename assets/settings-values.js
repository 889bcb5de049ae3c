/* What the settings come to: limits, the stops of a slider, what an action is sent with. Values only, nothing is drawn here. */
(() => {
  const app = window.chatapp;

  /* A length is doubled rather than counted: 1, 2, 4, 8, 16, 24, 32, 48 … to the most there may be. */
  function stops(most) {
    const made = [1, 2, 4, 8];
    for (let at = 16; at < most; at *= 2) made.push(at, 1.5 * at);
    return [...made.filter((stop) => stop < most), most];
  }

  function closest(all, value) {
    const far = (one) => Math.abs(Math.log(one / Math.max(1, value)));
    return all.reduce((best, one, n) => (far(one) < far(all[best]) ? n : best), 0);
  }

  /* Where a slider goes from and to, and which of its places stands for which value. */
  function scale({ minimum, step, kind }, most) {
    if (kind !== "length") return { min: minimum, max: most, step, place: (value) => value, value: (place) => place };
    const all = stops(most);
    return { min: 0, max: all.length - 1, step: 1, place: (value) => closest(all, value), value: (place) => all[place] };
  }

  /* The most that a setting can be: a length ends where the context does, once that is known. */
  const most = ({ maximum, kind }, limits) => (kind === "length" && limits ? Math.min(maximum, Math.max(1, limits.context)) : maximum);

  /* What stands for a text that was typed: the default for none, else the nearest value that is allowed. */
  function nearest({ default: usual, minimum, step }, text, top) {
    if (text.trim() === "" || Number.isNaN(Number(text))) return usual;
    const whole = Number.isInteger(step) ? Math.round(Number(text)) : Number(text);
    return Math.min(top, Math.max(minimum, whole));
  }

  const seed = (text) => (/^\d+$/.test(text) ? Number(text) : text);
  const lines = (text) =>
    text
      .split("\n")
      .filter(Boolean)
      .map((line) => line.replaceAll("\\n", "\n"));

  /* What an action is sent with. Fields that are empty or switched off are left out, and the server takes the default. */
  function asked(params, typed, off = {}) {
    const settings = {};
    for (const { name } of params) if (typed[name]?.trim() && !off[name]) settings[name] = Number(typed[name]);
    if (typed.seed?.trim() && !off.seed) settings.seed = seed(typed.seed.trim());
    if (typed.stop && !off.stop) settings.stop = lines(typed.stop);
    return settings;
  }

  /* What a browser kept, as far as it is still a value: settings come and go, and storage is anybody's. */
  function remembered(params, kept) {
    const known = params.map(({ name, minimum, maximum }) => [name, kept?.[name], minimum, maximum]);
    const good = ([, value, minimum, maximum]) => typeof value === "number" && value >= minimum && value <= maximum;
    return Object.fromEntries(known.filter(good));
  }

  /* How many of the settings under "More" differ from their defaults. */
  function changed(params, typed) {
    const more = params.filter(({ name, basic, default: usual }) => !basic && typed[name]?.trim() && Number(typed[name]) !== usual);
    return more.length + (typed.seed?.trim() ? 1 : 0) + (typed.stop ? 1 : 0);
  }

  /* Why a reply comes out the same each time; '' where it need not. */
  function repeats({ temperature, seed: set }) {
    if (temperature === 0) return "temperature is 0, so the likeliest token is taken each time";
    return set === undefined ? "" : `seed ${set} is set, and it repeats the same draws`;
  }

  /* The preset that a text is, the chosen one before others of the same text; null for words that are nobody's preset. */
  function named(text, presets, chosen = "") {
    const same = presets.filter((preset) => preset.text.trim() === text.trim());
    return same.find(({ id }) => id === chosen) ?? same[0] ?? null;
  }

  app.values = { stops, scale, most, nearest, asked, remembered, changed, repeats, named };
})();
