/* A reply's HTML, block by block, as the server rendered it. */
(() => {
  const app = window.chatapp;
  const { tool, copier } = app.under;

  /* Blocks that are as they were are not touched: a selection in them, an opened fold and a scrolled table stay. */
  function fill(home, blocks) {
    for (const [index, html] of blocks.entries()) place(home, index, html);
    while (home.children.length > blocks.length) home.lastChild.remove();
  }

  /* A block without HTML is gone; only last ones ever go. */
  function place(home, index, html) {
    if (html === "") {
      while (home.children.length > index) home.lastChild.remove();
      return;
    }
    while (home.children.length <= index) home.append(app.el("div", { class: "block" }));
    const block = home.children[index];
    if (block.html === html) return;
    const made = app.el("template");
    made.innerHTML = html;
    become(block, made.content);
    for (const head of block.querySelectorAll(".code-head:not(:has(button))")) head.append(wrapCode(), copyCode());
    block.html = html;
  }

  /* Whether a fold is open is the reader's to say, once it was clicked: until then a thought is open while it is written. */
  document.addEventListener("click", (event) => {
    const fold = event.target.closest?.("summary")?.parentElement;
    if (fold) fold.readers = true;
  });
  const dressed = (node) => Array.from(node.attributes || [], ({ name, value }) => (name === "open" ? "" : `${name}=${value} `)).join("");
  const alike = (one, other) => one.nodeName === other.nodeName && dressed(one) === dressed(other);

  /* A block that grew: what it had stays, so that a browser measures and paints its new words alone. Buttons in it are ours. */
  function become(home, made) {
    let old = home.firstChild;
    for (const node of [...made.childNodes]) {
      const next = old?.nextSibling;
      if (!old) home.append(node);
      else if (!alike(old, node)) old.replaceWith(node);
      else grow(old, node);
      old = next;
    }
    while (old) {
      const next = old.nextSibling;
      if (old.nodeName !== "BUTTON") old.remove();
      old = next;
    }
  }

  function grow(old, node) {
    if (old.nodeName === "#text") say(old, node.data);
    else become(old, node);
    if (old.nodeName === "DETAILS" && !old.readers) old.open = node.open;
  }

  /* What stays in front is not touched: a selection in it stays, too, where a mark that was typed as a sign goes ("one **tw"). */
  function say(text, words) {
    const before = text.data;
    let same = 0;
    while (same < words.length && words[same] === before[same]) same += 1;
    if (words !== before) text.replaceData(same, before.length - same, words.slice(same));
  }

  /* One wish for all code, kept. */
  const wrapped = () => document.body.classList.contains("wrap-code");
  const sayWrapped = (button) => button.setAttribute("aria-pressed", String(wrapped()));
  function wrap(on) {
    document.body.classList.toggle("wrap-code", on);
    app.store.set("wrap", on);
    document.querySelectorAll(".code-head .wrap").forEach(sayWrapped);
  }
  function wrapCode() {
    const button = tool("Break long lines", "wrap", () => wrap(!wrapped()));
    button.classList.add("wrap");
    sayWrapped(button);
    return button;
  }
  app.on("begin", () => wrap(app.store.get("wrap") === true));

  const copyCode = () => tool("Copy the code", "copy", (event) => copier(() => codeOf(event.currentTarget))(event));
  const codeOf = (button) => button.closest(".code").querySelector("code").textContent;

  app.blocks = { fill, place };
})();
