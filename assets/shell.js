/* What every page has: the sidebar that folds, menus, light and dark. */
(() => {
  const app = window.chatapp;

  /* Runs when the page's own markup can be reached: when the HTML is read, or before that, where `stands` is called. */
  const waiting = [];
  app.ready = (run) => waiting.push(run);
  app.stands = () => {
    for (const run of waiting.splice(0)) run();
  };
  document.addEventListener("DOMContentLoaded", app.stands);

  /* Folds. Below these widths a side lies over the page, and is not remembered. */
  app.narrow = { left: 768, right: 1180, more: 0 };
  app.folded = (side) => document.body.classList.contains(`no-${side}`);
  const sayFold = (side) =>
    document.querySelectorAll(`[data-do="fold-${side}"]`).forEach((button) => {
      button.setAttribute("aria-expanded", String(!app.folded(side)));
    });
  app.sayFolds = () => Object.keys(app.narrow).forEach(sayFold);
  app.fold = (side, hide, keep = true) => {
    document.body.classList.toggle(`no-${side}`, hide);
    if (keep && innerWidth >= app.narrow[side]) app.store.set(`fold.${side}`, hide);
    sayFold(side);
  };

  /* Folded where it would lie over the page, else as it was left; so, too, when the window becomes narrower or wider. */
  app.foldAsWide = (side) => {
    const over = matchMedia(`(width < ${app.narrow[side]}px)`);
    const set = () => app.fold(side, over.matches || app.store.get(`fold.${side}`) === true, false);
    over.addEventListener("change", set);
    set();
  };

  /* Menus */
  function place(menu, button) {
    const at = button.getBoundingClientRect();
    const up = at.top > innerHeight / 2;
    menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${up ? at.top - menu.offsetHeight - 6 : at.bottom + 6}px`;
  }

  function menuKey(event, menu, away) {
    const all = [...menu.children];
    const at = all.indexOf(document.activeElement);
    const does = {
      Escape: away,
      Tab: away,
      ArrowDown: () => all[(at + 1) % all.length].focus(),
      ArrowUp: () => all[(at - 1 + all.length) % all.length].focus(),
    };
    if (!does[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    does[event.key]();
  }

  app.menu = (button, items) => {
    const menu = app.$("#menu");
    const away = () => {
      menu.hidden = true;
      button.focus();
    };
    const entry = ({ text, danger, run }) => {
      const click = () => {
        away();
        run();
      };
      return app.el("button", { type: "button", role: "menuitem", class: danger ? "danger" : null, disabled: !run, on: { click } }, text);
    };
    menu.replaceChildren(...items.map(entry));
    menu.hidden = false;
    place(menu, button);
    menu.firstChild.focus();
    menu.onkeydown = (event) => menuKey(event, menu, away);
  };

  /* Light or dark: what was chosen here, else what the system says. */
  const chosen = () => new URL(location).searchParams.get("__theme") || app.store.get("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => {
    const theme = chosen();
    document.body.classList.toggle("dark", theme ? theme === "dark" : system.matches);
  };
  system.addEventListener("change", paint);

  /* Buttons that name their command. */
  app.commands = {
    "fold-left": () => app.fold("left", !app.folded("left")),
    skip: () => (app.$("#message") || app.$(".sheet")).focus(),
    theme: () => {
      document.body.classList.toggle("dark");
      app.store.set("theme", document.body.classList.contains("dark") ? "dark" : "light");
    },
  };

  function command(event) {
    const button = event.target.closest?.("[data-do]");
    const run = button && !button.closest("#bot .markdown") && app.commands[button.dataset.do];
    if (run) {
      event.preventDefault();
      run(button);
    } else if (!event.target.closest?.("#menu, .touch") && app.$("#menu")) app.$("#menu").hidden = true;
  }

  /* A tap beside a side that lies over the page folds it. */
  function beside(event) {
    if (event.target.id !== "main" || innerWidth >= app.narrow.right) return;
    if (app.phone()) app.fold("left", true);
    app.fold("right", true, false);
  }
  document.addEventListener("click", (event) => {
    command(event);
    beside(event);
  });

  app.ready(() => {
    paint();
    new MutationObserver(paint).observe(document.body, { attributeFilter: ["class"] }); // Gradio paints as the system says, later
    app.foldAsWide("left");
    if (document.body.matches(".plain")) app.tell("begin");
  });
})();
