/* A page without a browser: the scripts run as they are served, on a window that has only what they touch while they load. */
import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";

const storage = () => {
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
};

/* window.chatapp after these files of assets/ ran. */
export function loaded(...names) {
  const window = { chatapp: {} };
  const page = { window, localStorage: storage(), sessionStorage: storage(), crypto, TextDecoder, Date, Uint8Array };
  const context = createContext(page);
  for (const name of names)
    runInContext(readFileSync(new URL(`../../assets/${name}`, import.meta.url), "utf8"), context, { filename: name });
  return window.chatapp;
}

/* Values of the page's own realm as ours, so that they can be compared. */
export const plain = (value) => JSON.parse(JSON.stringify(value));
