/* The tab Files of a model: every file on the left, what it is for on the right. */
(() => {
  const app = window.chatapp;
  const { models, el } = { models: app.models, el: app.el };
  const files = {};
  models.files = files;

  files.bytes = (count) => {
    if (count < 1e5) return `${count.toLocaleString("en")} bytes`;
    return count < 1e8 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(1)} GB`;
  };
  files.number = (count) => count.toLocaleString("en");

  const here = (name) => Boolean(models.local(name)) || name.startsWith("/") || name === "smollm2";
  files.here = here;

  function lines(file) {
    const rows = (file.lines || []).map(({ key, value, words, known }) =>
      el(
        "tr",
        { class: known ? null : "unknown" },
        el("th", { scope: "row" }, key),
        el("td", {}, el("code", {}, value)),
        el("td", {}, words),
      ),
    );
    if (!rows.length) return null;
    const head = el("tr", {}, ...["Line", "Value", "What it means"].map((words) => el("th", { scope: "col" }, words)));
    return el("div", { class: "f-scroll" }, el("table", { class: "f-lines" }, el("thead", {}, head), el("tbody", {}, ...rows)));
  }

  function content(file) {
    if (!file.content) return null;
    const text = el("pre", { tabindex: "0", role: "region", "aria-label": `Content of ${file.name}` }, file.content);
    return el("details", { class: "f-content" }, el("summary", {}, "The file itself, to read"), text);
  }

  function about(name, file, tensors) {
    const kind = file.kind === "absent" ? "not here" : `${file.kind} · ${files.bytes(file.bytes)}`;
    const weighs = ["weights", "GGUF"].includes(file.kind) && tensors.count;
    return [
      el("h3", { tabindex: "-1" }, file.name, " ", el("small", {}, kind)),
      el("p", {}, file.explanation),
      file.problem ? el("p", { class: "refusal" }, file.problem) : null,
      files.sentence(name, file),
      files.template(file),
      weighs ? files.tensors(tensors) : null,
      lines(file),
      content(file),
    ].filter(Boolean);
  }

  /* One button a file; what is wrong with one is said in the list too, not by colour alone. */
  function entry(file, open) {
    const wrong = file.problem ? el("span", { class: "badge bad" }, "problem") : null;
    const size = file.kind === "absent" ? "not here" : `${file.kind} · ${files.bytes(file.bytes)}`;
    const words = el("span", {}, el("b", {}, file.name), el("small", {}, size));
    return el("button", { type: "button", class: file.kind === "absent" ? "absent" : null, on: { click: open } }, words, wrong);
  }

  function place(name, found) {
    const shown = el("div", { class: "f-about", "aria-live": "polite" });
    const list = el("div", { class: "f-list", role: "group", "aria-label": "Files" });
    const open = (file, button, focus) => {
      for (const other of list.querySelectorAll("button")) other.removeAttribute("aria-current");
      button.setAttribute("aria-current", "true");
      shown.replaceChildren(...about(name, file, found.tensors));
      if (focus) shown.querySelector("h3").focus({ preventScroll: matchMedia("(width > 760px)").matches });
    };
    const all = [...found.files, ...found.absent];
    const buttons = all.map((file) => {
      const button = entry(file, () => open(file, button, true));
      return button;
    });
    list.append(...buttons);
    const first = Math.max(
      0,
      all.findIndex(({ name: called }) => called === "config.json"),
    );
    if (all.length) open(all[first], buttons[first], false);
    return el("div", { class: "f-files" }, list, shown);
  }

  models.tab({
    name: "files",
    label: "Files",
    shows: here,
    async draw(name, body) {
      const found = await app.post("model-files", { name });
      body.append(place(name, found));
      if (found.note) body.append(el("p", { class: "remark" }, found.note));
    },
  });
})();
