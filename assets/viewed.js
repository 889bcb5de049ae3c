/* What the page has of a conversation, and how news of it are taken in. Values only, nothing is drawn here. */
(() => {
  const app = window.chatapp;

  app.NOTHING = {
    conversation: null,
    version: "",
    order: [],
    rows: {},
    running: null,
    leaf: null,
    title: "",
    missing: false,
    answers: "",
    own: "",
  };

  /* The path as it is now: new rows replace old ones, the others stay. `opened` is the first news of a conversation. */
  app.viewed = (view, path) => {
    const fresh = Object.fromEntries(path.rows.map((row) => [row.id, row]));
    const rows = Object.fromEntries(path.order.map((id) => [id, fresh[id] || view.rows[id]]));
    const leaf = path.order.at(-1) ?? null;
    return { ...path, rows, changed: Object.keys(fresh), leaf, opened: view.version === "" };
  };

  /* A reply that grew: its line may change, its place among its versions does not; a block without HTML ends the reply there. */
  app.grow = (row, grown) => {
    const { at, of, previous, next } = row.line;
    if (grown.line) row.line = { ...row.line, ...grown.line, at, of, previous, next };
    for (const [index, html] of grown.blocks) {
      if (html === "") row.blocks.length = Math.min(row.blocks.length, index);
      else row.blocks[index] = html;
    }
  };
})();
