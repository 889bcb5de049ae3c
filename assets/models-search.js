/* What can be had: good first models until somebody searches, then what the Hub has. */
(() => {
  const app = window.chatapp;
  const { models } = app;
  const MORE = 20;
  const FITS = {
    fits: ["good", "fits here"],
    tight: ["", "just fits"],
    "too large": ["bad", "too large here"],
    unknown: ["", "size unknown"],
  };
  const ID = /^[\w.-]+\/[\w.-]+(?:@[\w./-]+)?(?::[\w ./-]+\.gguf)?$/i;
  const FIRST = 5;
  let all = false;
  let asked = null;
  let count = 0;

  models.fit = ({ verdict, words }) => {
    const [kind, text] = FITS[verdict];
    return app.el("span", { class: `badge ${kind}`, title: words }, text);
  };
  models.badge = ([short, words]) => app.el("span", { class: "badge", title: words }, short);

  const open = (name) => {
    location.hash = models.address(name);
  };

  function row({ name, gated, fit, can = [] }, words) {
    const link = app.el("a", { href: models.address(name) }, name);
    const badges = [
      ...can.map(models.badge),
      gated ? models.badge(["gated", "Its owner asks you to accept terms first."]) : "",
      models.fit(fit),
    ];
    return app.el(
      "li",
      { "data-name": name },
      app.el("div", { class: "words" }, link, app.el("p", {}, words.filter(Boolean).join(" · "))),
      app.el("div", { class: "badges" }, ...badges),
    );
  }

  const pick = (one) => row({ ...one, can: one.purpose ? [[one.purpose, one.words]] : [] }, [one.size, one.words]);

  function hubRow(one) {
    const languages = one.languages.slice(0, 6).join(", ");
    const lacks = one.xray && `X-ray lacks ${one.xray}`;
    return row({ ...one, gated: one.gate }, [one.size, one.licence, `${one.downloads} downloads`, `${one.likes} likes`, languages, lacks]);
  }

  const say = (words, kind = "remark") => app.el("p", { class: kind, role: kind === "refusal" ? "alert" : null }, words);

  function drawPicks() {
    if (asked) return;
    const { picks } = models.now;
    const rows = app.el("ul", { class: "models" }, ...picks.slice(0, all ? picks.length : FIRST).map(pick));
    const rest = models.act(`Show all ${picks.length}`, () => {
      all = true;
      drawPicks();
    });
    const more = app.el("div", { class: "acts" }, all ? null : rest);
    app.$("#found").replaceChildren(say("Good first models, small first"), rows, more);
  }

  function drawFound({ rows, more }) {
    const again = more && models.act("More", () => search(count + MORE));
    const none = say("Nothing was found. Try fewer words, or narrow less.");
    const list = rows.length ? app.el("ul", { class: "models" }, ...rows.map(hubRow)) : none;
    const back = models.act("Back to good first models", () => {
      asked = null;
      app.$("#search-hub").reset();
      drawPicks();
    });
    app.$("#found").replaceChildren(list, app.el("div", { class: "acts" }, again || null, back));
  }

  async function search(rows = MORE) {
    const form = new FormData(app.$("#search-hub"));
    const mine = { ...Object.fromEntries(form), rows };
    asked = mine;
    count = rows;
    app.$("#found").replaceChildren(say("Asking the Hub …"));
    try {
      const found = await app.post("models-search", mine);
      if (asked !== mine) return;
      if (found.named.includes("://")) {
        models.load(found.named); // a server, which is asked at once what it has
        drawPicks();
      } else if (found.named) open(found.named);
      else drawFound(found);
    } catch (error) {
      if (asked === mine)
        app.$("#found").replaceChildren(
          say(error.message, "refusal"),
          models.act("Try again", () => search(rows)),
        );
    }
  }

  function submit(event) {
    event.preventDefault();
    const text = event.target.elements.text.value.trim();
    if (ID.test(text)) open(text);
    else search();
  }

  app.on("models", drawPicks);
  app.on("begin", () => {
    app.$("#search-hub").addEventListener("submit", submit);
    app.$("#search-hub").addEventListener("change", (event) => {
      if (event.target.tagName === "SELECT" && asked) search();
    });
  });
})();
