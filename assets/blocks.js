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
    const open = [...block.querySelectorAll("details")].map((fold) => fold.open);
    block.innerHTML = html;
    block.querySelectorAll("details").forEach((fold, n) => {
      if (n < open.length) fold.open = open[n];
    });
    for (const head of block.querySelectorAll(".code-head:not(:has(button))")) head.append(copyCode());
    block.html = html;
  }

  const copyCode = () => tool("Copy the code", "copy", (event) => copier(() => codeOf(event.currentTarget))(event));
  const codeOf = (button) => button.closest(".code").querySelector("code").textContent;

  app.blocks = { fill, place };
})();
