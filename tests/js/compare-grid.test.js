/* A grid in the form of the page Compare and as the server reads it; and the word at which two replies part. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loaded, plain } from "./page.js";

const { compare } = loaded("compare-grid.js");

test("the example is a grid of two temperatures and three prompts", () => {
  const grid = plain(compare.toGrid(compare.example()));
  assert.equal(grid.prompts.length, 3);
  assert.deepEqual(
    grid.columns.map(({ name, temperature }) => [name, temperature]),
    [
      ["cold", 0],
      ["hot", 1.3],
    ],
  );
  assert.equal(grid.replicas, 1);
});

test("a grid goes into the form and comes out the same", () => {
  const grid = {
    prompts: [{ prompt: "Where is {{town}}?", variables: { town: "Rome" } }, "Two\nlines"],
    variables: [{ land: "Italy" }],
    columns: [
      { name: "a", model: "org/name", system: "Be short.", top_k: 3, seed: 7, stop: ["###", "END"] },
      { name: "b", sweep: { temperature: [0, 0.5, 1] } },
      { name: "c", temperature: 1, sweep: { system: ["A pirate.", "A nurse."] } },
    ],
    replicas: 4,
    assert: [{ contains: "Rome" }, { json: true }, { length: { min: 1, max: 40 } }, { length: { max: 9 } }],
    judge: "org/name@abc",
  };
  assert.deepEqual(plain(compare.toGrid(compare.fromGrid(grid))), grid);
});

test("prompts of one line each are typed, others stay a list", () => {
  assert.deepEqual(plain(compare.promptsOf(["One", { prompt: "Two", variables: {}, assert: null }])), { prompts: "One\nTwo", list: null });
  assert.equal(compare.promptsOf([{ prompt: "One", assert: ["json"] }]).list.length, 1);
});

test("what is no number is handed on as it was typed, for the server to refuse", () => {
  const form = compare.example();
  form.columns[0].settings.temperature = "warm";
  form.columns[1].settings.temperature = " ";
  const [first, second] = compare.toGrid(form).columns;
  assert.equal(first.temperature, "warm");
  assert.ok(!("temperature" in second));
});

test("a copied column has a name of its own", () => {
  const named = (...names) => names.map((name) => ({ name }));
  assert.equal(compare.freeName("hot", named("hot", "hot 2")), "hot 3");
  assert.equal(compare.freeName("cold", named("hot")), "cold");
  assert.equal(compare.freeName("hot 2", named("hot", "hot 2")), "hot 3");
});

test("two texts part at a whole word of each", () => {
  const cut = (one, other) => {
    const at = compare.leaves(one, other);
    return at && one.slice(...at);
  };
  assert.equal(cut("The sea is blue.", "The sea is black."), "blue.");
  assert.equal(cut("The sea is black.", "The sea is blue."), "black.");
  assert.equal(cut("The sea", "The sea is"), null);
  assert.equal(cut("The sea is", "The sea").trim(), "is");
  assert.equal(cut("Le ciel", "Un ciel"), "Le");
  assert.equal(cut("same", "same"), null);
  assert.equal(cut("\nThe sea\n", "The ocean"), "sea");
});
