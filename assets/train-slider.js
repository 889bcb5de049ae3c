/* The page Train: one slider over the steps. Samples, curves, and what X-ray shows of a prompt all follow it. */
(() => {
  const app = window.chatapp;
  const { train, text, xray, plot, el } = app;
  const SETTLES = 150;
  const PLAYS = 900;
  let asking = new AbortController();
  let waits = 0;

  const act = (words, click, more = {}) => el("button", { type: "button", class: "act", on: { click }, ...more }, words);

  /* Of the validation text, where no loss of the training came later. */
  const bitsAt = (run, step) => {
    const [held, loss] = ["validation", "loss"].map((kind) => plot.before(run.points(kind, "bits_per_byte"), step) ?? [-1]);
    return (held[0] >= loss[0] ? held : loss)[1];
  };

  function words(run) {
    const bits = bitsAt(run, run.step);
    const phase = train.phase(bits, run.about.baselines);
    const said = bits === undefined ? [] : [`${bits.toFixed(2)} bits per byte`, phase];
    return [`Step ${train.count(run.step)} of ${train.count(run.about.total_steps ?? run.last())}`, ...said.filter(Boolean)].join(" · ");
  }

  /* Empty lines by the dozen, which a young model writes, take no room. */
  const short = (written) => written.replaceAll(/\n{2,}/g, (all) => `${"⏎".repeat(all.length)}\n`);

  function drawSamples(run) {
    const found = run.sampled.get(run.step);
    const one = ({ prompt, text: written }) => el("li", {}, el("b", {}, prompt), short(written));
    const list = found ? el("ul", {}, ...found.map(one)) : el("p", { class: "r-hint" }, "It writes after the run’s three prompts …");
    if (found || !run.samples.querySelector("ul")) {
      run.samples.replaceChildren(el("h2", {}, "What it writes", el("small", {}, "at this step")), list);
    }
    run.samples.setAttribute("aria-busy", String(!found));
  }

  /* The snapshot writes when somebody looks at it: learning is not held up by it. */
  async function sample(run) {
    const { step } = run;
    if (run.sampled.has(step)) return;
    run.sampled.set(step, null); // asked for once
    try {
      const { samples } = await app.post("train-samples", { id: run.id, step });
      run.sampled.set(step, samples);
    } catch (error) {
      run.sampled.delete(step);
      if (run.step === step) run.samples.replaceChildren(el("p", { class: "refusal", role: "alert" }, error.message));
      return;
    }
    if (run.step === step) drawSamples(run);
  }

  /* Show a step: the nearest snapshot. */
  function goTo(run, step) {
    const { steps } = run;
    if (!steps.length) return;
    const near = steps.reduce((best, one) => (Math.abs(one - step) < Math.abs(best - step) ? one : best));
    run.follows = near === steps.at(-1);
    if (near === run.step) return;
    run.step = near;
    drawStep(run);
    clearTimeout(waits);
    waits = setTimeout(() => look(run), SETTLES);
  }

  function drawStep(run) {
    const { steps } = run;
    Object.assign(run.range, { max: Math.max(0, steps.length - 1), disabled: steps.length < 2 });
    run.range.value = steps.indexOf(run.step);
    run.told.textContent = words(run);
    run.range.setAttribute("aria-valuetext", run.told.textContent);
    run.chat.textContent = `Chat with step ${train.count(run.step)}`;
    run.beside.hidden = run.step === steps.at(-1);
    drawSamples(run);
    train.markCurves(run);
  }

  /* Snapshots that came: a slider at the end stays there. */
  train.snapshots = (run) => {
    const { steps } = run;
    const empty = !steps.length;
    run.box.hidden = run.look.hidden = empty;
    if (empty) return;
    const before = run.step;
    if (before === null || run.follows) run.step = steps.at(-1);
    drawStep(run);
    if (before === null || (before !== run.step && !run.busy)) look(run);
  };

  function play(run, button) {
    const stop = () => {
      clearInterval(run.playing);
      run.playing = 0;
      button.textContent = "Play";
    };
    if (run.playing) return stop();
    button.textContent = "Pause";
    if (run.step === run.steps.at(-1)) goTo(run, run.steps[0]);
    run.playing = setInterval(() => {
      const next = run.steps[run.steps.indexOf(run.step) + 1];
      if (next === undefined || !button.isConnected) return stop();
      return goTo(run, next);
    }, PLAYS);
    return undefined;
  }

  train.talk = async (id, step) => {
    try {
      const { model } = await app.post("train-chat", { id, step });
      location.assign(`./?model=${encodeURIComponent(model)}`);
    } catch (error) {
      app.failed(error);
    }
  };

  async function beside(run) {
    try {
      const asked = await app.post("train-beside", { id: run.id, step: run.step });
      const { id } = await app.post("compare-begin", asked);
      location.assign(`./compare#${id}`);
    } catch (error) {
      app.failed(error);
    }
  }

  /* The slider, which stays in sight, and the samples at its step. */
  train.slider = (run) => {
    run.range = el("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Step of the run" });
    run.range.addEventListener("input", () => goTo(run, run.steps[Number(run.range.value)]));
    run.told = el("output", { class: "r-told" });
    run.chat = act("Chat with this step", () => train.talk(run.id, run.step));
    run.beside = act("Beside the last one", () => beside(run), { title: "Both answer this run's prompts, in Compare" });
    const player = act("Play", () => play(run, player), { title: "From the first step to the last" });
    const row = el("div", { class: "r-row" }, player, run.chat, run.beside);
    run.box = el("section", { class: "r-slider", "aria-label": "Step" }, run.told, run.range, row);
    run.samples = el("section", { class: "r-samples" });
    run.sampled = new Map();
    run.goTo = (step) => goTo(run, step);
    return [run.box, run.samples];
  };

  /* Inside the model at this step: X-ray's own views, of a prompt. */
  let tab = null;
  xray.status = (said, share) => {
    const bar = said && share !== undefined ? el("progress", { max: 1, value: share, "aria-label": said }) : "";
    app.$("#r-status")?.replaceChildren(said || "", bar);
  };

  async function look(run) {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const body = app.$("#r-body");
    const { step } = run;
    const question = { id: run.id, step, view: tab.name, prompt: run.prompt.value, asked: xray.asked[tab.name] || {} };
    run.busy = true;
    sample(run);
    const line = ({ words: said, share, data }) => {
      if (signal.aborted) return;
      if (said) xray.status(said, share);
      if (data) tab.draw(data, body);
    };
    try {
      await app.lines("train-look", question, line, signal);
    } catch (error) {
      if (!signal.aborted) body.replaceChildren(el("p", { class: "refusal", role: "alert" }, error.message));
    }
    if (signal.aborted) return;
    xray.status("");
    run.busy = false;
    if (run.step !== step) look(run);
  }

  function choose(run, chosen) {
    tab = chosen;
    for (const button of run.tabs.children) {
      const here = button.dataset.view === tab.name;
      button.setAttribute("aria-selected", String(here));
      button.tabIndex = here ? 0 : -1;
    }
    app.$("#r-about").replaceChildren(...xray.say(tab.about));
    app.$("#r-body").replaceChildren();
    app.$("#r-body").setAttribute("aria-labelledby", `r-tab-${tab.name}`);
    look(run);
  }

  function drawTabs(run) {
    const made = text.tabs.map((one) => {
      const known = { type: "button", role: "tab", id: `r-tab-${one.name}`, "data-view": one.name, "aria-controls": "r-body" };
      const here = one === tab;
      return el(
        "button",
        { ...known, "aria-selected": String(here), tabindex: here ? 0 : -1, on: { click: () => choose(run, one) } },
        one.label,
      );
    });
    run.tabs = el("div", { class: "x-tabs", role: "tablist", "aria-label": "Views" }, ...made);
    app.tabKeys(run.tabs);
    return run.tabs;
  }

  train.inside = (run) => {
    tab ||= text.tabs[0];
    run.prompt = el("input", { type: "text", "aria-label": "A prompt", maxlength: 1000, spellcheck: "false" });
    run.prompt.value = run.written.recipe.prompts?.[0] ?? "";
    xray.again = (params = null) => {
      if (params) xray.asked[tab.name] = { ...xray.asked[tab.name], ...params };
      return look(run);
    };
    run.prompt.addEventListener("change", () => look(run));
    const about = el("p", { id: "r-about", class: "r-hint" }, ...xray.say(tab.about));
    const status = el("div", { id: "r-status", role: "status", class: "r-hint" });
    const body = el("div", { id: "r-body", role: "tabpanel", tabindex: 0, "aria-labelledby": `r-tab-${tab.name}` });
    const head = el("h2", {}, "Inside the model", el("small", {}, "at this step, after this prompt"));
    run.look = el("section", { id: "xray", class: "r-look" }, head, run.prompt, drawTabs(run), about, status, body);
    return [run.look];
  };

  text.tab({
    name: "next",
    label: "Next token",
    about: "The ten likeliest {tokens|token} after the prompt, with their {probability}. {Entropy|entropy} says how undecided it is.",
    draw(data, body) {
      const [{ top, bits, name }] = data.models;
      const sure = xray.fact(`{entropy}, bits: as undecided as among ${plot.shown(2 ** bits)} alike`, bits.toFixed(2));
      xray.fill(body, el("p", { class: "x-facts" }, el("b", {}, name), " ", sure), xray.bars(top));
    },
  });
})();
