/* A term explains itself where it stands: by mouse, by keyboard, by touch. The texts come from one list on the server. */
(() => {
  const app = window.chatapp;
  const { xray, el } = { xray: app.xray, el: app.el };
  let shown = null;

  const tip = () => {
    const known = app.$("#x-tip");
    if (known) return known;
    const made = el("div", { id: "x-tip", role: "tooltip", hidden: true });
    made.addEventListener("pointerleave", () => hide());
    app.$("#xray").append(made);
    return made;
  };

  function show(button) {
    const { text, anchor } = app.terms[button.dataset.term];
    const box = tip();
    shown = button;
    const all = el("a", { href: `./glossary#${anchor}`, target: "_blank", rel: "noopener" }, "Glossary");
    box.replaceChildren(el("b", {}, button.dataset.term), ` ${text} `, all);
    box.hidden = false;
    button.setAttribute("aria-describedby", "x-tip");
    const at = button.getBoundingClientRect();
    const below = at.bottom + box.offsetHeight + 8 < innerHeight;
    box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - box.offsetWidth - 8))}px`;
    box.style.top = `${below ? at.bottom + 4 : at.top - box.offsetHeight - 4}px`;
  }

  function hide() {
    shown?.removeAttribute("aria-describedby");
    shown = null;
    tip().hidden = true;
  }

  /* The way from the word to its explanation, which may be read with the mouse on it. */
  const left = (event) => {
    if (event.relatedTarget?.closest?.("#x-tip") || event.target === document.activeElement) return;
    hide();
  };

  xray.term = (name, text = name) => {
    const button = el("button", { type: "button", class: "x-term", "data-term": name }, text);
    button.addEventListener("pointerenter", () => show(button));
    button.addEventListener("pointerleave", left);
    button.addEventListener("focus", () => show(button));
    button.addEventListener("blur", (event) => event.relatedTarget?.closest?.("#x-tip") || hide());
    button.addEventListener("click", () => show(button));
    return button;
  };

  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape" || !shown) return;
      event.stopPropagation();
      hide();
    },
    true,
  );
  document.addEventListener("scroll", () => shown && hide(), true);
  document.addEventListener("pointerdown", (event) => shown && !event.target.closest("#x-tip, .x-term") && hide());
})();
