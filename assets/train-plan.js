/* The page Train: what a run would be, before it begins: a look at corpus and tokens, steps, minutes, memory, disk. */
(() => {
  const app = window.chatapp;
  const { train, el } = app;
  let asked = null;

  const cells = (look) =>
    el("p", { class: "r-tokens" }, ...look.map(({ id, text }) => el("span", { title: `token ${id}` }, text.replaceAll("\n", "⏎"))));

  const numbers = ({ steps, minutes, memory, disk, free_memory: room, free_disk: space }) =>
    [
      `${train.count(steps)} steps`,
      `about ${train.time(minutes * 60)}, by three steps that were measured`,
      `${train.bytes(memory)} of memory (${train.bytes(room)} are free)`,
      `${train.bytes(disk)} on the disk (${train.bytes(space)} are free)`,
    ].join(" · ");

  function drawn({ plan, refused }) {
    const rows = train.facts(plan).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
    const words = [train.rows(plan), ...plan.notes].map((said) => el("p", { class: "r-hint" }, said));
    const wrong = refused.map((said) => el("p", { class: "refusal" }, said));
    const look = [el("h3", {}, "The first tokens"), cells(plan.look)];
    return [
      el("h2", {}, "The plan"),
      el("p", { class: "r-state" }, numbers(plan)),
      ...wrong,
      ...words,
      el("dl", { class: "r-facts" }, ...rows),
      ...look,
    ];
  }

  train.plan = async (text, refuse) => {
    const now = Symbol("plan");
    asked = now;
    refuse("");
    const words = "Reading the corpus, making the tokenizer, measuring three steps";
    const bar = el("progress", { "aria-label": words });
    const box = () => app.$("#r-plan");
    box().replaceChildren(el("p", { class: "r-hint", role: "status" }, words), bar);
    try {
      const said = await app.post("train-plan", { text });
      if (asked === now) box()?.replaceChildren(...drawn(said));
    } catch (error) {
      if (asked !== now) return;
      box()?.replaceChildren();
      refuse(error.message);
    }
  };
})();
