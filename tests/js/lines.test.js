/* Lines of JSON from the door: whole, wherever the network cut them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loaded } from "./page.js";

const bytes = new TextEncoder().encode('{"words":"naïve 🎉"}\n{"words":"two"}\n{"done":true}\n{"words":"never read"}\n');

const stream = (chunks, { broken = false } = {}) =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      if (broken) controller.error(new Error("cut"));
      else controller.close();
    },
  });

async function read(source) {
  const heard = [];
  const whole = await loaded("core.js").readLines(source, (line) => {
    if (line.words) heard.push(line.words);
    return line.done;
  });
  return [whole, heard];
}

test("a line is whole however its bytes were cut, also within a letter", async () => {
  for (let size = 1; size <= bytes.length; size += 1) {
    const chunks = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.slice(at, at + size));
    assert.deepEqual(await read(stream(chunks)), [true, ["naïve 🎉", "two"]], `chunks of ${size} bytes`);
  }
});

test("a stream that ends before its last line says so", async () => {
  assert.deepEqual(await read(stream([bytes.slice(0, 30)])), [false, ["naïve 🎉"]]);
});

test("a connection that breaks is an end, not a failure", async () => {
  const [whole] = await read(stream([], { broken: true }));
  assert.equal(whole, false);
});

test("what `last` throws reaches whoever reads", async () => {
  const refuse = () => {
    throw new Error("the server refused");
  };
  await assert.rejects(loaded("core.js").readLines(stream([bytes]), refuse), /the server refused/);
});
