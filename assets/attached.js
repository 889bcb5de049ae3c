/* Text files that go with a message. They are a part of its words, at their end, so whatever shows or counts words knows them:

   File: notes.md
   ```
   what is in it
   ```
*/
(() => {
  const app = window.chatapp;
  const LARGEST = 1_000_000;

  /* Longer than any run of backticks in the text, which so cannot end it. */
  const fence = (text) => "`".repeat(Math.max(3, ...(text.match(/`+/g) || []).map((run) => run.length + 1)));

  /* Made once for each file: a message is put together at every key. */
  const blocks = new WeakMap();
  function block(file) {
    const marks = blocks.has(file) ? "" : fence(file.text);
    if (marks) blocks.set(file, `File: ${file.name}\n${marks}\n${file.text}\n${marks}`);
    return blocks.get(file);
  }

  const join = (words, files) => [words, ...files.map(block)].filter(Boolean).join("\n\n");

  const HEAD = /(?:^|\n\n)File: ([^\n]+)\n(`{3,})\n/y;
  function fileAt(text, at) {
    HEAD.lastIndex = at;
    const [, name, marks] = HEAD.exec(text) || [];
    const from = HEAD.lastIndex;
    const to = marks ? text.indexOf(`\n${marks}`, from) : -1;
    return to < 0 ? null : { name, text: text.slice(from, to), end: to + 1 + marks.length };
  }

  /* Files one after the other, from there to the very end; null where something else is there. */
  function filesFrom(text, at) {
    const files = [];
    for (let end = at; end < text.length; ) {
      const file = fileAt(text, end);
      if (!file) return null;
      files.push({ name: file.name, text: file.text });
      end = file.end;
    }
    return files;
  }

  /* The opposite of `join`. */
  function split(text) {
    for (const { index } of text.matchAll(/(?:^|\n\n)File: /g)) {
      const files = filesFrom(text, index);
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

  const KINDS = [
    [/\.pdf$/i, "is a PDF, whose words are not read here. Save it as text first, or paste the words."],
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

  /* A text file as { name, text }. Throws a sentence. */
  async function read(file) {
    const known = KINDS.find(([kind]) => kind.test(file.name));
    if (known) refuse(file.name, known[1]);
    if (file.size > LARGEST) refuse(file.name, `has ${number(file.size)} bytes; at most ${number(LARGEST)} can be attached.`);
    let text = "";
    try {
      text = decoded(new Uint8Array(await file.arrayBuffer()));
    } catch (error) {
      refuse(file.name, error.name === "TypeError" ? "is not text in UTF-8, so no model here can read it." : "could not be read.");
    }
    if (text.includes("\0")) refuse(file.name, "is not text, so no model here can read it.");
    if (!text.trim()) refuse(file.name, "is empty.");
    return { name: file.name.replace(/\s+/g, " "), text: text.replaceAll("\r\n", "\n").replace(/\n+$/, "") };
  }

  app.attached = { join, split, show, folded, chip, read };
})();
