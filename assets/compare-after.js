/* The page Compare: what the numbers say once a run rests, where two replies part, and the files of a run. */
(() => {
  const app = window.chatapp;
  const { compare, el } = app;
  const FILES = [
    ["CSV", "csv", "A line for each reply, for a spreadsheet"],
    ["JSONL", "jsonl", "Every reply with its whole record"],
    ["Markdown", "markdown", "A text to read"],
    ["Report", "html", "One HTML file with plots, which needs no network"],
    ["grid.yaml", "yaml", "What was asked: open it here or give it to app.py compare"],
  ];

  compare.textOf = (cell) => {
    const box = document.createElement("div");
    box.innerHTML = cell.blocks?.join("") || "";
    return box.textContent;
  };

  /* The nodes and offsets of a range of characters. */
  function rangeOf(node, [from, to]) {
    const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    let before = 0;
    while (walker.nextNode()) {
      const { length } = walker.currentNode.data;
      if (from < before + length) {
        const range = document.createRange();
        range.setStart(walker.currentNode, from - before);
        range.setEnd(walker.currentNode, Math.min(to - before, length));
        return range;
      }
      before += length;
    }
    return null;
  }

  const shown = (run, prompt, column, replica) => run.cells.get(compare.key({ prompt, column, replica }));

  /* [range, words] of each place in a reply where another one goes its own way. */
  function places(run, cell) {
    const mine = compare.textOf(cell);
    const found = new Map();
    const note = (other, words) => {
      const at = other && compare.leaves(mine, compare.textOf(other));
      if (at) found.set(String(at), [at, [...(found.get(String(at))?.[1] || []), words]]);
    };
    for (const one of run.result.partings) {
      if (one.same || one.prompt !== cell.prompt) continue;
      if (one.column === cell.column && one.replica === cell.replica)
        note(shown(run, one.prompt, one.against, one.against_replica), `${one.against} goes on otherwise`);
      else if (one.against === cell.column && one.against_replica === cell.replica)
        note(shown(run, one.prompt, one.column, one.replica), `${one.column} goes on otherwise`);
    }
    return [...found.values()].sort(([a], [b]) => b[0] - a[0]);
  }

  /* Marks in its words where a reply leaves another, and the line that says it. */
  compare.parted = (run, cell, words) => {
    if (!run.result) return [];
    for (const [at, said] of places(run, cell)) {
      const range = rangeOf(words, at);
      if (range) range.surroundContents(el("mark", { class: "c-part", title: said.join("\n") }));
    }
    const mine = run.result.partings.find((one) => compare.key(one) === compare.key(cell));
    const line = () => el("div", { class: "c-facts c-parting" }, el("span", {}, mine.words), compare.acrossButton(run, mine));
    return mine ? [line()] : [];
  };

  function summary({ metrics, table }) {
    const names = [{ label: "Column" }, { label: "Replies" }, { label: "Failed", help: "replies that could not be made" }, ...metrics];
    const none = names.map((_, place) => place > 2 && table.every((line) => line[place] === "–"));
    const kept = (line) => line.filter((_, place) => !none[place]);
    const heads = kept(names).map(({ label, help }) => el("th", { scope: "col", title: help || null }, label));
    const lines = table
      .map(kept)
      .map(([name, ...rest]) => el("tr", {}, el("th", { scope: "row" }, name), ...rest.map((one) => el("td", {}, one))));
    const body = el("table", { class: "c-numbers-table" }, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...lines));
    return el("div", { class: "c-wide-numbers", tabindex: 0, role: "region", "aria-label": "Columns in numbers" }, body);
  }

  function verdicts(found) {
    if (!found.length) return [];
    const line = ({ sentence, differs }) => el("li", { class: differs ? "differs" : null }, sentence);
    const [differ, same] = [found.filter((one) => one.differs), found.filter((one) => !one.differs)];
    const looked = `${differ.length ? "Otherwise no" : "No"} difference beyond chance: ${same.length} looked at`;
    const rest = el("details", {}, el("summary", {}, looked), el("ul", {}, ...same.map(line)));
    const title = el("h2", {}, "What made the difference");
    return [title, differ.length ? el("ul", { class: "c-verdicts" }, ...differ.map(line)) : null, same.length ? rest : null];
  }

  function files(run) {
    const link = ([label, format, title]) => {
      const href = `ui/compare-file?${new URLSearchParams({ id: run.id, format, session: app.session })}`;
      return el("a", { class: "act", href, download: "", title }, label);
    };
    const click = () => app.asCode("compare-code", { id: run.id }, "The whole grid");
    const code = el("button", { type: "button", class: "act", title: "The grid as a Python program", on: { click } }, "The grid as code");
    return el(
      "div",
      { class: "c-row c-files", role: "group", "aria-label": "Download" },
      el("span", {}, "Download"),
      ...FILES.map(link),
      code,
    );
  }

  compare.drawResult = (run) => {
    const { result } = run;
    const some = result && run.cells.size;
    const made = some ? [...verdicts(result.verdicts), el("h2", {}, "Columns"), summary(result)] : [];
    const parts = [some ? files(run) : null, result ? el("h2", {}, "Replies") : null];
    run.after.replaceChildren(...made.filter(Boolean));
    run.files.replaceChildren(...parts.filter(Boolean));
    if (result) for (const spot of run.spots.values()) compare.drawCell(run, spot);
  };

  /* A chat of this one exchange; X-ray opens beside it. */
  compare.chat = async (run, { prompt, column, replica }, xray) => {
    try {
      const { conversation, turn } = await app.post("compare-chat", { id: run.id, prompt, column, replica });
      const query = new URLSearchParams(xray ? { c: conversation, xray: turn } : { c: conversation });
      location.href = `./?${query}`;
    } catch (error) {
      app.failed(error);
    }
  };
})();
