/* What the page has of a conversation after news of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loaded, plain } from "./page.js";

const app = loaded("viewed.js");
const row = (id, text = id) => ({ id, blocks: [text], line: { facts: [], at: 2, of: 3, previous: "p", next: "n", running: true } });
const first = app.viewed(app.NOTHING, { version: "v1", order: ["a", "b"], rows: [row("a"), row("b")], running: null });

test("rows that did not come again stay, those that left the path go", () => {
  const view = app.viewed(first, { version: "v2", order: ["a", "c"], rows: [row("c")], running: "c" });
  assert.equal(view.rows.a, first.rows.a);
  assert.deepEqual(plain([Object.keys(view.rows), view.changed, view.leaf, view.running]), [["a", "c"], ["c"], "c", "c"]);
});

test("only the first news of a conversation opens it", () => {
  assert.equal(first.opened, true);
  assert.equal(app.viewed(first, { version: "v2", order: [], rows: [] }).opened, false);
  assert.equal(app.viewed(first, { version: "v2", order: [], rows: [] }).leaf, null);
});

test("a reply grows at its end and keeps its place among its versions", () => {
  const grown = row("a", "<p>one</p>");
  app.grow(grown, { line: { facts: ["5 tokens"], at: 1, of: 1, previous: null, next: null }, blocks: [[1, "<p>two</p>"]] });
  assert.deepEqual(plain(grown.blocks), ["<p>one</p>", "<p>two</p>"]);
  const { at, of, previous, next, facts } = grown.line;
  assert.deepEqual(plain({ at, of, previous, next, facts }), { at: 2, of: 3, previous: "p", next: "n", facts: ["5 tokens"] });
});

test("a line that did not come stays", () => {
  const grown = row("a");
  app.grow(grown, { line: null, blocks: [[0, "more"]] });
  assert.deepEqual(plain(grown.line), row("a").line);
});

test("a block without HTML ends the reply there", () => {
  const grown = { ...row("a"), blocks: ["1", "2", "3"] };
  app.grow(grown, {
    line: {},
    blocks: [
      [0, "one"],
      [1, ""],
      [2, ""],
    ],
  });
  assert.deepEqual(plain(grown.blocks), ["one"]);
});
