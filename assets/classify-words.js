/* The page Classify: which words decided, coloured by what is lost without them, with the numbers. */
(() => {
  const app = window.chatapp;
  const { classify, el } = app;
  const TOLD = 3;

  function word({ start, end, probability, log_odds: odds }, text, most) {
    const heat = most ? Math.abs(odds) / most : 0;
    const title = `Without it: log-odds ${classify.signed(-odds, 3)}, probability ${classify.signed(-100 * probability, 2)} points`;
    return el(
      "span",
      { class: odds < 0 ? "k-word against" : "k-word", style: `--heat:${heat.toFixed(3)}`, title },
      el("span", {}, text.slice(start, end)),
      el("small", {}, classify.signed(odds)),
    );
  }

  /* The strongest in a sentence: from which probability to which. */
  function told({ start, end, probability }, data) {
    const { label, probability: whole } = data.rows[data.decided];
    const found = `without “${data.read.slice(start, end)}” ${label} ${probability > 0 ? "falls" : "rises"} from`;
    return `${found} ${classify.percent(whole)} to ${classify.percent(whole - probability)}`;
  }

  const named = (section) => Object.assign(section, { id: "k-decided" });

  classify.drawWords = (data) => {
    const title = "4 · Which words decided";
    if (!data.words) return named(classify.section(title, "Leaving out each word …"));
    if (data.why_not) return named(classify.section(title, data.why_not));
    const { label } = data.rows[data.decided];
    const about =
      `Each word is left out once and the text read again. The number is what ${label} loses of its log-odds without the word: ` +
      "above zero it speaks for it, below against it. Two words that say the same hide one another.";
    const most = Math.max(...data.words.map(({ log_odds: odds }) => Math.abs(odds)));
    const strongest = [...data.words].sort((a, b) => Math.abs(b.log_odds) - Math.abs(a.log_odds)).slice(0, TOLD);
    const sentence = strongest.map((one) => told(one, data)).join("; ");
    const section = classify.section(
      title,
      about,
      el("div", { class: "k-words", dir: "auto" }, ...data.words.map((one) => word(one, data.read, most))),
      el("p", {}, `${sentence[0].toUpperCase()}${sentence.slice(1)}.`),
    );
    return named(section);
  };
})();
