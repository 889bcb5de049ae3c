/* The page Classify: a file of texts, what is predicted of each, and how good that is where the labels are known. */
(() => {
  const app = window.chatapp;
  const { classify, el } = app;
  const FILES = ".csv,.jsonl,.txt";
  let asking = null;

  function matrix({ labels, measured }) {
    const most = Math.max(...measured.matrix.flat(), 1);
    const cell = (count, a, b) =>
      el("td", { style: `--heat:${(count / most).toFixed(3)}`, class: a === b ? "right" : "wrong" }, count.toLocaleString("en"));
    const line = (counts, a) => el("tr", {}, el("th", { scope: "row" }, labels[a]), ...counts.map((count, b) => cell(count, a, b)));
    const head = el("tr", {}, el("td", {}, "true ↓ predicted →"), ...labels.map((label) => el("th", { scope: "col" }, label)));
    const drawn = el("table", { class: "k-matrix" }, el("thead", {}, head), el("tbody", {}, ...measured.matrix.map(line)));
    return el("div", { class: "k-wide", tabindex: 0, role: "region", "aria-label": "Confusion matrix" }, drawn);
  }

  function rows(found) {
    const names = ["Text", ...(found.measured ? ["True"] : []), "Predicted", "Probability"];
    const line = ({ text, truth, label, probability }) =>
      el(
        "tr",
        { class: truth && truth !== label ? "wrong" : null },
        el("td", { dir: "auto" }, text),
        truth ? el("td", {}, truth) : null,
        el("td", {}, label),
        el("td", { class: "k-number" }, classify.percent(probability)),
      );
    const head = el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, name)));
    const drawn = el("table", { class: "k-rows" }, el("thead", {}, head), el("tbody", {}, ...found.rows.map(line)));
    return el("div", { class: "k-wide tall", tabindex: 0, role: "region", "aria-label": "Predictions" }, drawn);
  }

  /* The file is made here, so that the server keeps nothing of it. */
  function keep(csv, name) {
    const address = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
    el("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  function result(found, name) {
    const counts = found.measured
      ? found.words
      : `${found.count.toLocaleString("en")} texts classified; without labels there is nothing to measure.`;
    const cut = found.cut ? el("p", { class: "k-note" }, `${found.cut.toLocaleString("en")} of them are longer than what is read.`) : null;
    const first = found.measured ? ", the wrong ones first" : "";
    const shown =
      found.count > found.rows.length ? `The first ${found.rows.length} of ${found.count.toLocaleString("en")} rows${first}.` : "";
    const download = el("button", { type: "button", class: "act" }, "Download the predictions");
    download.addEventListener("click", () => keep(found.csv, `${name.replace(/\.\w+$/, "")}.predictions.csv`));
    return [
      el("p", { class: "k-verdict" }, `${found.model}: ${counts}`),
      cut,
      found.measured ? matrix(found) : null,
      el("div", { class: "fields" }, download, el("span", { class: "hint" }, shown)),
      rows(found),
    ].filter(Boolean);
  }

  async function classifyFile(file, place) {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    const stop = el("button", { type: "button", class: "act", on: { click: () => asking.abort() } }, "Stop");
    const words = el("span", {}, "Reading the file");
    const bar = el("progress", { max: 1, value: 0, "aria-label": "Texts classified" });
    place.replaceChildren(el("p", { class: "status", role: "status" }, words, bar, stop));
    const heard = (said) => {
      if (said.words) words.textContent = said.words;
      if (said.share !== undefined) bar.value = said.share;
      if (said.data) place.replaceChildren(...result(said.data, file.name));
    };
    try {
      await app.lines(
        "classify-table",
        { ...classify.asked(), name: file.name, text: await file.text(), ...classify.columns() },
        heard,
        signal,
      );
    } catch (error) {
      const said = signal.aborted ? "Stopped." : error.message;
      place.replaceChildren(el("p", { class: signal.aborted ? "hint" : "refusal", role: "alert" }, said));
    }
  }

  const field = (name, label, hint) =>
    el("label", {}, label, el("input", { type: "text", name, placeholder: hint, autocomplete: "off", spellcheck: "false" }));

  classify.drawTable = () => {
    const place = el("div", { id: "k-result" });
    const text = field("text_column", "Column of the texts", "text, sentence, review");
    const label = field("label_column", "Column of the labels", "label, class");
    classify.columns = () => ({ text_column: app.$("input", text).value.trim(), label_column: app.$("input", label).value.trim() });
    const input = el("input", { type: "file", accept: FILES, hidden: true, "aria-label": "A table of texts" });
    input.addEventListener("change", () => {
      if (input.files[0]) classifyFile(input.files[0], place);
      input.value = "";
    });
    const open = el("button", { type: "button", class: "act", on: { click: () => input.click() } }, "Choose a file");
    const about =
      "A .csv whose first line names its columns, a .jsonl, or a .txt with a text a line. Where a column holds the true labels, " +
      "accuracy and confusion matrix are measured. The file is not kept.";
    return classify.section("A table of texts", about, el("div", { class: "fields" }, text, label, input, open), place);
  };
})();
