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
    for (const head of block.querySelectorAll(".code-head:not(:has(button))")) head.append(wrapCode(), copyCode());
    block.html = html;
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
