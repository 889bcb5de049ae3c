/* Text files and PDFs that go with a message. Their words are a part of its own, at the end, so whatever counts words knows them:

   File: notes.md
   ```
   what is in it
   ```
*/
(() => {
  const app = window.chatapp;
  const LARGEST = 1_000_000;
  const LARGEST_PDF = 20_000_000;

  /* Longer than any run of backticks in the text, which so cannot end it. */
  const fence = (text) => "`".repeat((text.match(/`+/g) || []).reduce((most, run) => Math.max(most, run.length + 1), 3));

  /* Made once for each file: a message is put together at every key. */
  const blocks = new WeakMap();
  function block(file) {
    const marks = blocks.has(file) ? "" : fence(file.text);
    if (marks) blocks.set(file, `File: ${file.name}\n${marks}\n${file.text}\n${marks}`);
    return blocks.get(file);
  }

  const join = (words, files) => [words, ...files.map(block)].filter(Boolean).join("\n\n");

  /* Every run of backticks that begins a line, found once: a message that only looks like files must not take minutes to read. */
  function fencesOf(text) {
    const all = [...text.matchAll(/\n(`{3,})/g)].map(({ index, 1: marks }) => ({ index, length: marks.length }));
    return { all, at: new Map(all.map(({ index }, n) => [index, n])) };
  }

  /* Where the first fence from there on that is as long as this one begins; -1 where none is. */
  function closing({ all, at }, opened, length, from) {
    let n = at.get(opened) + 1;
    while (n < all.length && (all[n].length < length || all[n].index < from)) n++;
    return all[n]?.index ?? -1;
  }

  const HEAD = /(?:^|\n\n)File: ([^\n]+)\n(`{3,})\n/y;
  function fileAt(text, at, fences) {
    HEAD.lastIndex = at;
    const [, name, marks] = HEAD.exec(text) || [];
    if (!marks) return null;
    const from = HEAD.lastIndex;
    const to = closing(fences, from - marks.length - 2, marks.length, from);
    return to < 0 ? null : { name, text: text.slice(from, to), end: to + 1 + marks.length };
  }

  /* Files one after the other, from there to the very end; null where something else is there. `dead` are places that were tried. */
  function filesFrom(text, at, fences, dead) {
    const files = [];
    for (let end = at; end < text.length; ) {
      const file = dead.has(end) ? null : fileAt(text, end, fences);
      dead.add(end);
      if (!file) return null;
      files.push({ name: file.name, text: file.text });
      end = file.end;
    }
    return files;
  }

  /* The opposite of `join`. */
  function split(text) {
    const heads = [...text.matchAll(/(?:^|\n\n)File: /g)];
    const [fences, dead] = [heads.length ? fencesOf(text) : null, new Set()];
    for (const { index } of heads) {
      const files = filesFrom(text, index, fences, dead);
      if (files) return { words: text.slice(0, index), files };
    }
    return { words: text, files: [] };
  }

  const number = (n) => n.toLocaleString("en");
  const size = (text) => `${number(text.length)} character${text.length === 1 ? "" : "s"}`;

  /* A file in a message: folded, as it may be long, and not on the page before somebody opens it. */
  function folded({ name, text }) {
    const node = app.el("details", { class: "file" }, app.el("summary", { icon: "clip" }));
    node.firstChild.append(app.el("b", {}, name), app.el("span", {}, size(text)));
    node.addEventListener("toggle", () => node.lastChild.tagName === "PRE" || node.append(app.el("pre", {}, text)));
    return node;
  }

  /* A message of a person: the words, then the files. */
  function show(home, text) {
    const { words, files } = split(text);
    home.replaceChildren(...(words ? [words] : []), ...files.map(folded));
  }

  /* A file in the box, with the way out of it. */
  function chip({ name, text }, remove) {
    const out = app.button(`Remove ${name}`, "close", remove);
    return app.el("span", { class: "file", role: "listitem", title: size(text), icon: "clip" }, app.el("b", {}, name), out);
  }

  /* One that is still being read. */
  const pending = ({ name }) =>
    app.el("span", { class: "file reading", role: "listitem", icon: "clip" }, app.el("b", {}, name), app.el("span", {}, "is being read …"));

  const KINDS = [
    [/\.(docx?|odt|rtf|pptx?|xlsx?)$/i, "is a document of an office program. Save it as text or .csv first, or paste the words."],
    [/\.(png|jpe?g|gif|webp|heic|mp[34]|wav|mov)$/i, "is no text, and the models here read text only."],
  ];
  const refuse = (name, why) => {
    throw new Error(`${name} ${why}`);
  };

  /* Windows writes UTF-16 with a mark at the beginning; all else is UTF-8 or no text. */
  function decoded(bytes) {
    const marks = { "255,254": "utf-16le", "254,255": "utf-16be" };
    return new TextDecoder(marks[bytes.slice(0, 2).join()] || "utf-8", { fatal: true }).decode(bytes);
  }

  async function words(file) {
    try {
      return decoded(new Uint8Array(await file.arrayBuffer()));
    } catch (error) {
      const strange = error.name === "TypeError";
      return refuse(file.name, strange ? "is not text in UTF-8, so no model here can read it." : "could not be read.");
    }
  }

  /* The words of a PDF, which the server takes out of it. */
  async function wordsOfPdf(file) {
    let said = null;
    try {
      const answer = await fetch(`ui/pdf?session=${app.session}`, { method: "POST", body: file });
      said = await answer.json();
    } catch {
      refuse(file.name, "could not be read: the server does not answer. Try again.");
    }
    return said.error ? refuse(file.name, said.error.message) : said.text;
  }

  /* A text file or PDF as { name, text }. Throws a sentence. */
  async function read(file) {
    const known = KINDS.find(([kind]) => kind.test(file.name));
    if (known) refuse(file.name, known[1]);
    const pdf = /\.pdf$/i.test(file.name);
    const most = pdf ? LARGEST_PDF : LARGEST;
    if (file.size > most) refuse(file.name, `has ${number(file.size)} bytes; at most ${number(most)} can be attached.`);
    const text = await (pdf ? wordsOfPdf(file) : words(file));
    if (text.includes("\0")) refuse(file.name, "is not text, so no model here can read it.");
    if (!text.trim()) refuse(file.name, "is empty.");
    return { name: file.name.replace(/\s+/g, " "), text: text.replaceAll("\r\n", "\n").replace(/\n+$/, "") };
  }

  app.attached = { join, split, show, folded, chip, pending, read };
})();
