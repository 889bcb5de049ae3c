/* What the settings come to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loaded, plain } from "./page.js";

const { values } = loaded("settings-values.js");
const heat = { name: "temperature", default: 0.7, minimum: 0, maximum: 2, step: 0.05, basic: true, kind: "scores" };
const length = { name: "max_tokens", default: 512, minimum: 1, maximum: 32768, step: 1, basic: true, kind: "length" };
const least = { name: "min_p", default: 0, minimum: 0, maximum: 1, step: 0.01, basic: false, kind: "filter" };
const params = [heat, length, least];

test("an action is sent with what stands in the fields; what is empty or off is left to the server", () => {
  const typed = { temperature: "0.2", max_tokens: "", min_p: "0.1", seed: " 42 ", stop: "END\n\n\\n\\n" };
  assert.deepEqual(plain(values.asked(params, typed)), { temperature: 0.2, min_p: 0.1, seed: 42, stop: ["END", "\n\n"] });
  assert.deepEqual(plain(values.asked(params, typed, { min_p: "no", seed: "no", stop: "no" })), { temperature: 0.2 });
  assert.deepEqual(plain(values.asked(params, {})), {});
  assert.equal(values.asked(params, { seed: "abc" }).seed, "abc", "a wrong seed is the server's to explain");
});

test("only what is still a value is taken from what a browser kept", () => {
  const kept = { temperature: 1.3, max_tokens: 0, min_p: "0.1", gone: 1 };
  assert.deepEqual(plain(values.remembered(params, kept)), { temperature: 1.3 });
  assert.deepEqual(plain(values.remembered(params, null)), {});
});

test("the slider of a length doubles, and ends at the context", () => {
  const all = values.stops(8190);
  assert.deepEqual(plain(all.slice(0, 7)), [1, 2, 4, 8, 16, 24, 32]);
  assert.deepEqual([all.at(-1), all.at(-2)], [8190, 6144]);
  const { min, max, place, value } = values.scale(length, 8190);
  for (let at = min; at <= max; at += 1) assert.equal(place(value(at)), at);
  assert.equal(value(place(500)), 512);
  assert.deepEqual(plain(values.stops(1)), [1]);
  assert.equal(values.scale(heat, 2).value(0.35), 0.35);
});

test("the most of a length is the context, once that is known", () => {
  assert.equal(values.most(length, undefined), 32768);
  assert.equal(values.most(length, { context: 256 }), 256);
  assert.equal(values.most(heat, { context: 256 }), 2);
});

test("what cannot be becomes the nearest that can, and nothing becomes the default", () => {
  assert.deepEqual(
    ["", "9", "-1", "0.33", "x"].map((text) => values.nearest(heat, text, 2)),
    [0.7, 2, 0, 0.33, 0.7],
  );
  assert.equal(values.nearest(length, "3.7", 8190), 4);
});

test("only what stands under More is counted there", () => {
  assert.equal(values.changed(params, { temperature: "1", min_p: "0.1", seed: "4", stop: "x" }), 3);
  assert.equal(values.changed(params, { temperature: "1", min_p: "0", seed: " ", stop: "" }), 0);
  assert.equal(values.changed(params, { min_p: "" }), 0);
});

test("a reply repeats by temperature 0 or by a seed", () => {
  assert.match(values.repeats({ temperature: 0, seed: 4 }), /temperature is 0/);
  assert.match(values.repeats({ temperature: 1, seed: 0 }), /seed 0/);
  assert.equal(values.repeats({ temperature: 1 }), "");
});

test("a text has the name of its preset, the chosen one first, and else none", () => {
  const presets = [
    { id: "None", text: "" },
    { id: "Brief", text: "Be brief." },
    { id: "own Short", text: "Be brief." },
  ];
  const name = (text, chosen) => values.named(text, presets, chosen)?.id;
  assert.equal(name("Be brief.\n"), "Brief");
  assert.equal(name("Be brief.", "own Short"), "own Short");
  assert.equal(name("  ", "Brief"), "None");
  assert.equal(name("Be brief!", "Brief"), undefined);
});
