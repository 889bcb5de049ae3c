/* Files in a message: put at its end and found there again, whatever is in them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loaded, plain } from "./page.js";

const { join, split, read } = loaded("attached.js").attached;
const file = (text, name = "notes.md") => ({ name, text });
const again = (words, ...files) => plain(split(join(words, files)));

test("a message is words, then its files", () => {
  assert.equal(join("Read this.", [file("one\ntwo")]), "Read this.\n\nFile: notes.md\n```\none\ntwo\n```");
  assert.equal(join("", [file("one")]), "File: notes.md\n```\none\n```");
  assert.equal(join("No file.", []), "No file.");
});

test("what was put together comes apart again", () => {
  const inside = [
    "",
    "plain",
    "```python\nprint()\n```",
    "`````",
    "File: a.txt\n```\nb\n```",
    "\n\nFile: a.txt\n```\nb\n```\n\nmore",
    "$& $1 \\2",
  ];
  for (const words of ["", "Words", "two\n\nparagraphs", "File: no file, only said", "```\ncode\n```"]) {
    assert.deepEqual(again(words), { words, files: [] });
    for (const one of inside)
      for (const other of inside) {
        const files = [file(one, "a b.txt"), file(other)];
        assert.deepEqual(again(words, ...files), { words, files });
      }
  }
});

test("only the end of a message is files", () => {
  const typed = "File: notes.md\n```\none\n```\n\nWhat does it say?";
  assert.deepEqual(plain(split(typed)), { words: typed, files: [] });
  assert.deepEqual(again(typed, file("two")), { words: typed, files: [file("two")] });
});

test("a message of very many files, or of what looks like them, is read in a moment", () => {
  const one = "\n\nFile: a\n```\nb\n```";
  const longer = Array.from({ length: 1000 }, (_, n) => `\n\nFile: a\n${"`".repeat(1003 - n)}\nb`).join("");
  const begun = performance.now();
  assert.equal(split(`x${one.repeat(50_000)}`).files.length, 50_000);
  for (const text of [`x${one.repeat(50_000)}\n\nend`, `x${longer}`]) assert.deepEqual(plain(split(text)), { words: text, files: [] });
  assert.ok(performance.now() - begun < 5000); // it took hours
});

test("a file may hold any number of backticks", () => {
  const files = [file("` ".repeat(400_000))];
  assert.deepEqual(again("Look", ...files), { words: "Look", files });
});

const picked = (name, ...bytes) => ({
  name,
  size: bytes.length,
  arrayBuffer: async () => Uint8Array.from(bytes).buffer,
});

test("text is read from UTF-8, and from UTF-16 with its mark", async () => {
  assert.deepEqual(plain(await read(picked("ä  b.txt", 0xc3, 0xa9, 13, 10, 10))), { name: "ä b.txt", text: "é" });
  assert.equal((await read(picked("w.txt", 0xff, 0xfe, 0xe9, 0, 10, 0))).text, "é");
});

test("what is no text is refused in a sentence", async () => {
  const refused = (name, ...bytes) => read(picked(name, ...bytes)).then(assert.fail, (error) => error.message);
  assert.match(await refused("a.docx", 37), /^a\.docx is a document of an office program\./);
  assert.match(await refused("a.PNG", 37), /^a\.PNG is no text/);
  assert.match(await refused("a.bin", 0xff, 0x80), /^a\.bin is not text in UTF-8/);
  assert.match(await refused("a.dat", 65, 0), /^a\.dat is not text/);
  assert.match(await refused("a.txt", 32, 10), /^a\.txt is empty\./);
  const large = { ...picked("a.csv", 65), size: 1_000_001 };
  assert.match(await read(large).then(assert.fail, (error) => error.message), /has 1,000,001 bytes; at most 1,000,000/);
});
