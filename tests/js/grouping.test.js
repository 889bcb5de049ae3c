/* The list's groups by the reader's own days, and where a search hit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loaded, plain } from "./page.js";

const app = loaded("grouping.js");
const now = new Date(2026, 2, 10, 15, 0);
const at = (...date) => new Date(...date).getTime() / 1000;
const row = (id, updated, pinned = false) => ({ id, updated, pinned });
const headings = (rows, more = {}) =>
  plain(app.grouped(rows, { now, ...more }).map(([heading, list]) => [heading, list.map(({ id }) => id)]));

test("days are calendar days, not spans of 24 hours", () => {
  const rows = [
    row("this morning", at(2026, 2, 10, 0, 1)),
    row("last night", at(2026, 2, 9, 23, 59)),
    row("the day before", at(2026, 2, 8, 23, 59)),
    row("last month", at(2026, 1, 14)),
    row("last year", at(2025, 11, 31)),
  ];
  assert.deepEqual(headings(rows), [
    ["Today", ["this morning"]],
    ["Yesterday", ["last night"]],
    ["Previous 7 days", ["the day before"]],
    ["February", ["last month"]],
    ["December 2025", ["last year"]],
  ]);
});

test("pinned ones stand first, whatever their day", () => {
  const rows = [row("new", at(2026, 2, 10)), row("old", at(2020, 1, 1), true)];
  assert.deepEqual(headings(rows), [
    ["Pinned", ["old"]],
    ["Today", ["new"]],
  ]);
});

test("what was searched for is one group, in the order of the answer", () => {
  const rows = [row("b", at(2020, 1, 1)), row("a", at(2026, 2, 10), true)];
  assert.deepEqual(headings(rows, { query: "x" }), [["Found", ["b", "a"]]]);
  assert.deepEqual(headings([], { query: "x" }), []);
});

test("hits are cut by letters, not by UTF-16 halves, and no word is lost", () => {
  const cut = (text, ranges) => plain(app.hits(text, ranges));
  assert.deepEqual(cut("🎉 zebra day", [[2, 7]]), [
    ["🎉 ", false],
    ["zebra", true],
    [" day", false],
  ]);
  assert.deepEqual(cut("all", [[0, 3]]), [["all", true]]);
  assert.deepEqual(cut("none"), [["none", false]]);
  assert.deepEqual(cut(""), []);
});

test("a moment is said as shortly as it can be", () => {
  const said = (...date) => app.moment(at(...date), now);
  assert.equal(said(2026, 2, 10, 0, 5), "00:05");
  assert.equal(said(2026, 2, 9, 23, 59), "Mar 9, 23:59");
  assert.equal(said(2025, 11, 31, 8, 0), "Dec 31, 2025, 08:00");
  for (const unknown of [0, -5, 1e300, undefined]) assert.deepEqual([app.moment(unknown, now), app.date(unknown)], ["", ""]);
});
