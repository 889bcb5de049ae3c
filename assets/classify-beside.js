/* The page Classify: the same text by the other method, its probabilities beside those of the first. */
(() => {
  const app = window.chatapp;
  const { classify, el } = app;
  const HEAD = "a trained head";
  const ZERO = "zero-shot";
  let asking = new AbortController();

  const probability = (data, label) => data.rows.find((row) => row.label === label)?.probability;
  const best = (data) => data.rows[data.decided].label;

  /* What is asked of the other method: a chat model gets the labels of the head. Nothing where there is no model for it. */
  function other(asked, data) {
    if (asked.labels) {
      const [head] = classify.models;
      return head && { kind: HEAD, label: head.label, asked: { model: head.name } };
    }
    const [chat] = classify.chats;
    const labels = data.rows.map(({ label }) => label);
    return chat && { kind: ZERO, label: chat.label, asked: { model: chat.name, labels, prompt: classify.prompted() } };
  }

  function verdict(one, two) {
    const says = (data) => `${data.model} says ${best(data)} (${classify.percent(probability(data, best(data)))})`;
    const agree = best(one) === best(two);
    return `${agree ? "They agree" : "They do not agree"}: ${says(one)}, ${says(two)}.`;
  }

  function drawn(columns) {
    const all = columns.flatMap(({ data }) => data.rows.map(({ label }) => label));
    const labels = [...new Set(all)].sort((a, b) => (probability(columns[0].data, b) ?? 0) - (probability(columns[0].data, a) ?? 0));
    const head = columns.map(({ kind, data }) => el("th", { scope: "col" }, data.model, el("small", {}, ` ${kind}`)));
    const cell = ({ data }, label) => {
      const share = probability(data, label);
      const shown = share === undefined ? [el("td", {}, "–")] : [classify.shareCell(share)];
      if (best(data) === label) shown[0].classList.add("decided");
      return shown[0];
    };
    const line = (label) => el("tr", {}, el("th", { scope: "row" }, label), ...columns.map((column) => cell(column, label)));
    const rows = el("tbody", {}, ...labels.slice(0, classify.SHOWN).map(line));
    const table = el("table", { class: "k-steps" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Label"), ...head)), rows);
    return el("div", { class: "k-wide", tabindex: 0, role: "region", "aria-label": "Both methods" }, table);
  }

  async function ask(asked, first, place) {
    asking = new AbortController();
    const { signal } = asking;
    const words = el("p", { class: "status", role: "status" }, "Asking the server");
    place.replaceChildren(words);
    const heard = ({ words: said, data }) => {
      if (said) words.textContent = said;
      if (!data || signal.aborted) return;
      const columns = [first, { kind: asked.kind, data }];
      place.replaceChildren(el("p", {}, verdict(first.data, data)), drawn(columns));
      asking.abort(); // its words take a reading each, and are not shown here
    };
    try {
      await app.lines("classify-look", { text: first.data.text, ...asked.asked }, heard, signal);
    } catch (error) {
      if (!signal.aborted) place.replaceChildren(el("p", { class: "refusal", role: "alert" }, error.message));
    }
  }

  /* Null where there is no other method. */
  classify.drawBeside = (data, asked) => {
    asking.abort();
    const found = other(asked, data);
    if (!found) return null;
    const first = { kind: asked.labels ? ZERO : HEAD, data };
    const place = el("div");
    const labels = asked.labels ? "It knows the labels that it was taught." : "It is asked for the same labels.";
    const button = el("button", { type: "button", class: "act" }, `Ask ${found.label} too`);
    button.addEventListener("click", () => ask(found, first, place));
    place.append(button);
    const section = classify.section("5 · The other method beside it", `The same text by ${found.kind}, ${found.label}. ${labels}`, place);
    section.id = "k-beside";
    return section;
  };
})();
