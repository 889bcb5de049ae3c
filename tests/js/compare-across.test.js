/* Numbers of the page Compare's "Side by side", as they stand under each other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loaded } from "./page.js";

const { compare } = loaded("compare-grid.js", "compare-across.js");

test("a probability has two digits after the point, and only what is certain or cut is round", () => {
  const shown = [1, 0.99999, 0.6590123, 0.0051, 0.00005, 0.00001, 0].map(compare.percent);
  assert.deepEqual(shown, ["100 %", "> 99.99 %", "65.90 %", "0.51 %", "0.01 %", "< 0.01 %", "0 %"]);
});
