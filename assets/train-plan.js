/* The page Train: what a run would be, before it begins: a look at corpus and tokens, steps, minutes, memory, disk. */
(() => {
  const app = window.chatapp;
  const { train, el } = app;
  let asked = new AbortController();

  const cells = (look) =>
    el("p", { class: "r-tokens" }, ...look.map(({ id, text }) => el("span", { title: `token ${id}` }, text.replaceAll("\n", "⏎"))));

  train.planNumbers = ({ steps, minutes, memory, disk, free_memory: room, free_disk: space }) =>
    [
      `${train.count(steps)} steps`,
      `about ${train.time(minutes * 60)}, by three steps that were measured`,
      `${train.bytes(memory)} of memory (${train.bytes(room)} are free)`,
      `${train.bytes(disk)} on the disk (${train.bytes(space)} are free)`,
    ].join(" · ");

  train.planDrawn = ({ plan, refused }) => {
    const rows = train.facts(plan).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
    const words = [train.rows(plan), ...plan.notes].map((said) => el("p", { class: "r-hint" }, said));
    const wrong = refused.map((said) => el("p", { class: "refusal" }, said));
    const look = [el("h3", {}, "The first tokens"), cells(plan.look)];
    return [
      el("h2", {}, "The plan"),
      el("p", { class: "r-state" }, train.planNumbers(plan)),
      ...wrong,
      ...words,
      el("dl", { class: "r-facts" }, ...rows),
      ...look,
    ];
  };

  /* Whoever leaves, or asks anew, ends the work for it. */
  train.leavePlan = () => asked.abort();

  /* `drawn` makes the plan's elements of what `name` answers to `body`. */
  train.plan = async (name, body, drawn, refuse) => {
    train.leavePlan();
    asked = new AbortController();
    const { signal } = asked;
    refuse("");
    const box = app.$("#r-plan");
    const said = el("p", { class: "r-hint", role: "status" }, "Beginning");
    const cancel = el("button", { type: "button", class: "act", on: { click: () => asked.abort() || box.replaceChildren() } }, "Cancel");
    const bar = el("progress", { "aria-label": "The plan" });
    box.replaceChildren(said, bar, cancel);
    const heard = ({ words, data }) => {
      if (signal.aborted) return;
      if (words && words !== said.textContent) said.textContent = words;
      if (data) box.replaceChildren(...drawn(data));
    };
    try {
      await app.lines(name, body, heard, signal);
    } catch (error) {
      if (signal.aborted) return;
      box.replaceChildren();
      refuse(error.message);
    }
  };
})();
