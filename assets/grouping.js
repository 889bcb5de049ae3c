/* The list's order: pinned ones first, then by the reader's own days; and where a search hit. Values only, nothing is drawn here. */
(() => {
  const app = window.chatapp;
  const DAY = 86_400_000;

  function day(updated, now) {
    const then = new Date(updated * 1000);
    const midnight = new Date(now);
    midnight.setHours(0, 0, 0, 0);
    const days = (midnight - then) / DAY;
    if (days <= 0) return "Today";
    if (days <= 1) return "Yesterday";
    if (days <= 7) return "Previous 7 days";
    const year = then.getFullYear() === midnight.getFullYear() ? undefined : "numeric";
    return then.toLocaleDateString("en", { month: "long", year });
  }

  /* Imports may bring no time at all, or one that no calendar has. */
  const known = (date) => date.getTime() > 0;

  const whole = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
  app.date = (seconds) => {
    const then = new Date(seconds * 1000);
    return known(then) ? whole.format(then) : "";
  };

  /* When, as short as it can be said: the time today, the day before that, the year where it is another one. */
  app.moment = (seconds, now = new Date()) => {
    const then = new Date(seconds * 1000);
    if (!known(then)) return "";
    const time = then.toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    if (then.toDateString() === now.toDateString()) return time;
    const year = then.getFullYear() === now.getFullYear() ? undefined : "numeric";
    return `${then.toLocaleDateString("en", { day: "numeric", month: "short", year })}, ${time}`;
  };

  /* [heading, rows] in the order of the rows, Pinned before all; what was searched for is one group. */
  app.grouped = (rows, { query = "", now = new Date() } = {}) => {
    if (query) return rows.length ? [["Found", rows]] : [];
    const groups = new Map([["Pinned", []]]);
    for (const row of rows) {
      const heading = row.pinned ? "Pinned" : day(row.updated, now);
      if (!groups.has(heading)) groups.set(heading, []);
      groups.get(heading).push(row);
    }
    return [...groups].filter(([, list]) => list.length);
  };

  /* A text cut where it was hit: [words, whether they are a hit]. `ranges` are [start, end] pairs of letters. */
  app.hits = (text, ranges) => {
    const letters = Array.from(text);
    const parts = [];
    let at = 0;
    const add = (end, hit) => {
      if (end > at) parts.push([letters.slice(at, end).join(""), hit]);
      at = end;
    };
    for (const [start, end] of ranges || []) {
      add(start, false);
      add(end, true);
    }
    add(letters.length, false);
    return parts;
  };
})();
