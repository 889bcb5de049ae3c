/* The page Train: where steps and values stand in a picture, and what a loss means in words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loaded, plain } from "./page.js";

const { plot, train } = loaded("train-plot.js", "train-words.js");

test("ticks are round numbers between the ends", () => {
  assert.deepEqual(plain(plot.ticks(1.87, 3.2)), [2, 2.5, 3]);
  assert.deepEqual(plain(plot.ticks(0, 0.002)), [0, 0.0005, 0.001, 0.0015, 0.002]);
  assert.deepEqual(plain(plot.ticks(0, 1000)), [0, 250, 500, 750, 1000]);
});

for (const wide of [false, true])
  test(`a place in the picture leads back to its step${wide ? ", early steps wide" : ""}`, () => {
    const x = plot.across({ last: 500, from: 40, to: 540, wide });
    assert.deepEqual([x(0), x(500)], [40, 540]);
    for (const step of [0, 1, 7, 100, 499, 500]) assert.equal(x.step(x(step)), step);
    assert.deepEqual([x.step(-20), x.step(9999)], [0, 500]);
    assert.equal(x(10) > 100, wide);
  });

test("a run of one step, and of none, is a picture too", () => {
  const x = plot.across({ last: 0, from: 0, to: 10, wide: true });
  assert.equal(x(0), 0);
  assert.deepEqual(plain(plot.span([])), { low: 0, high: 1 });
  const { low, high } = plot.span([2]);
  assert.ok(low < 2 && high > 2);
});

test("values beyond the ends stay at the edge", () => {
  const y = plot.up({ low: 0, high: 2, from: 100, to: 0 });
  assert.deepEqual([y(0), y(1), y(2), y(9)], [100, 50, 0, 0]);
});

test("many points become few averages, few stay as they are", () => {
  const points = Array.from({ length: 1000 }, (_, n) => [n, n % 2]);
  const few = plain(plot.thinned(points, 100));
  assert.equal(few.length, 100);
  assert.ok(few.every(([, value]) => value === 0.5));
  assert.equal(plot.thinned(points, 1000), points);
});

test("labels of levels that lie close together do not lie over one another, and stay inside", () => {
  const places = plain(plot.apart([50, 20, 22], { low: 10, high: 60 }));
  assert.deepEqual(places, [50, 20, 33]);
  const low = plain(plot.apart([58, 59, 60], { low: 10, high: 60 }));
  assert.equal(Math.max(...low), 60);
  assert.ok(low[1] - low[0] >= 13 && low[2] - low[1] >= 13);
});

test("of a step, the last value before it", () => {
  const points = [
    [0, 3.1],
    [10, 2.5],
  ];
  assert.equal(plot.before(points, 9)[1], 3.1);
  assert.equal(plot.before(points, 10)[1], 2.5);
  assert.equal(plot.before([[5, 1]], 4), null);
});

test("a loss is nothing, letters, words, then order, by the corpus' own lines", () => {
  const baselines = { uniform: 3.1, unigram: 2.6, bigram: 1.9 };
  const said = (bits) => train.phase(bits, baselines).match(/nothing|letters|words|order/g)[0];
  assert.deepEqual([3.2, 3.08, 2.9, 2.61, 2.59, 1.91, 1.89, 0.5].map(said), [
    "nothing",
    "nothing",
    "letters",
    "letters",
    "words",
    "words",
    "order",
    "order",
  ]);
  assert.equal(train.phase(2, undefined), "");
  assert.equal(train.phase(undefined, baselines), "");
});

test("numbers are said with the unit that fits", () => {
  assert.deepEqual([45, 600, 40000].map(train.time), ["45 s", "10 min", "11 h"]);
  assert.deepEqual([10235, 2_500_000, 3e9].map(train.bytes), ["10 kB", "2.5 MB", "3.0 GB"]);
  assert.deepEqual(
    [0, 0.0002, 1.2345, 314.8, 52300].map((value) => plot.shown(value)),
    ["0", "2.0e-4", "1.23", "315", "52.3K"],
  );
});

test("what padding costs is said", () => {
  const rows = { count: 1200, length: 128, padding: 0.83, packed: false, times_the_work: 6.1 };
  assert.match(train.rows({ rows }), /1,200 padded rows of 128 tokens, 83 % of them padding: 6.1 times the work/);
  assert.match(train.rows({ rows: { ...rows, packed: true } }), /packed blocks/);
});

test("a run that has ended says what the whole text said of it, one that runs what was measured last", () => {
  const run = (about, points) => ({
    about,
    words: "",
    points: (kind) => points[kind] ?? [],
    of: () => [],
    last: () => 40,
    tuned: about.kind === "tune",
  });
  const points = { validation: [[30, 2.5]], loss: [[40, 2.1]] };
  const stopped = { state: "stopped", total_steps: 80 };
  assert.equal(train.standing(run(stopped, points)), "stopped · step 40 of 80 · 2.50 bits per byte at step 30");
  const done = { state: "done", total_steps: 40, result: { validation: 2.4321 } };
  assert.equal(train.standing(run(done, points)), "done · step 40 of 40 · 2.43 bits per byte");
  const tuned = { state: "done", kind: "tune", result: { before: 5.6, after: 2.62 } };
  assert.equal(train.standing(run(tuned, points)), "done · 2.62 nats per token");
});
