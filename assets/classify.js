/* The page Classify: a text, a classifier, and what they give. */
(() => {
  const app = window.chatapp;
  const { classify, el } = app;
  let asking = new AbortController();
  let longest = 0;
  let place = "classify";

  const form = () => app.$("#k-form");
  const field = (name) => form().elements[name];
  const ZERO = "zero-shot ";
  const zero = () => field("model").value.startsWith(ZERO);
  classify.prompted = () => field("prompt").value;
  classify.asked = () => {
    if (!zero()) return { model: field("model").value };
    const labels = field("labels")
      .value.split(",")
      .map((label) => label.trim());
    return { model: field("model").value.slice(ZERO.length), labels, prompt: classify.prompted() };
  };

  function status(words, share) {
    const bar = words && share !== undefined ? el("progress", { max: 1, value: share, "aria-label": words }) : "";
    app.$("#k-status").replaceChildren(words || "", bar);
    app.$("#k-status").hidden = !words;
  }

  const refused = (error) => app.$("#k-body").replaceChildren(el("p", { class: "refusal", role: "alert" }, error.message));

  function draw(data, asked) {
    const before = app.$("#k-body input[type=range]");
    if (before && data.words) {
      app.$("#k-decided").replaceWith(classify.drawWords(data));
      return;
    }
    const beside = classify.drawBeside(data, asked);
    const parts = [...classify.drawSteps(data), classify.drawWords(data), beside, classify.drawFacts(data)];
    app.$("#k-body").replaceChildren(...parts.filter(Boolean));
  }

  async function look() {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const asked = classify.asked();
    app.$("#k-body").replaceChildren();
    status("Asking the server");
    const heard = (said) => {
      if (signal.aborted) return;
      if (said.words) status(said.words, said.share);
      if (said.data) draw(said.data, asked);
    };
    try {
      await app.lines("classify-look", { text: field("text").value, ...asked }, heard, signal);
    } catch (error) {
      if (!signal.aborted) refused(error);
    }
    if (!signal.aborted) status("");
  }

  function counted() {
    const count = [...field("text").value].length;
    app.$("#k-count").textContent = `${count.toLocaleString("en")} of at most ${longest.toLocaleString("en")} characters`;
    app.$("#k-count").classList.toggle("bad", count > longest);
  }

  function card() {
    const chosen = classify.models.find(({ name }) => name === field("model").value);
    app.$("#k-card").textContent = chosen?.words || "";
    app.$("#k-zero").hidden = !zero();
  }

  function choices({ models, chats }) {
    const option = (before) => (row) => el("option", { value: before + row.name }, row.label);
    const group = (label, rows, before) => (rows.length ? [el("optgroup", { label }, ...rows.map(option(before)))] : []);
    const all = [...group("A trained head", models, ""), ...group("Zero-shot, by a chat model", chats, ZERO)];
    const before = field("model").value;
    field("model").replaceChildren(...all);
    if ([...field("model").options].some(({ value }) => value === before)) field("model").value = before;
  }

  /* What can be chosen; the choice stays where it is still there. */
  classify.refresh = async () => {
    const said = await app.post("classify");
    Object.assign(classify, said);
    longest = said.longest;
    choices(said);
    field("labels").value ||= said.labels.join(", ");
    field("prompt").value ||= said.prompt;
    const none = !field("model").options.length;
    field("model").disabled = none;
    app.$("[type=submit]", form()).disabled = none;
    counted();
    card();
    return said;
  };

  const nothing = () =>
    el(
      "p",
      { class: "k-note" },
      classify.refused
        ? `No classifier is loaded yet. ${classify.refused}`
        : "There is no trained classifier on this machine yet. Train one below in minutes, or fetch one of the Hub on the page Models.",
    );

  /* Below the text: what a table gives, and a training, for the person at this machine. */
  function drawMore() {
    const some = field("model").options.length || !classify.refused;
    const parts = [some ? classify.drawTable() : "", classify.refused ? "" : classify.drawTrain()];
    app.$("#k-more").replaceChildren(...parts.filter(Boolean));
    classify.drawTraining();
  }

  /* A classifier came: it is the first one, and chosen. */
  classify.restart = async () => {
    if (!classify.models.length) app.$("#k-body").replaceChildren();
    await classify.refresh();
    field("model").selectedIndex = 0;
    card();
  };

  /* What was typed stays in this browser, under the login: others may use it after them. */
  function recall(login) {
    place = login ? `${login}.classify` : "classify";
    const kept = app.store.get(place);
    if (kept && field("text").value === field("text").defaultValue) field("text").value = kept;
    form().addEventListener("input", () => app.store.set(place, field("text").value));
  }

  /* A reply of the chat, for which somebody came: shown at once. True where there is one. */
  function given() {
    const reply = app.store.get("classify.given", sessionStorage);
    app.store.set("classify.given", null, sessionStorage);
    if (reply) field("text").value = reply;
    return Boolean(reply);
  }

  /* The address may name a classifier: one was chosen on the page Models. */
  function named() {
    const wanted = new URL(location).searchParams.get("model");
    const found = classify.models.find(({ name, label }) => name === wanted || label === wanted);
    if (found) field("model").value = found.name;
    else if (wanted) app.toast(`${wanted} is not among the classifiers that can be chosen here.`, { failed: true });
    card();
  }

  app.on("begin", async () => {
    form().addEventListener("submit", (event) => {
      event.preventDefault();
      look();
    });
    form().addEventListener("input", counted);
    field("model").addEventListener("change", card);
    try {
      recall((await classify.refresh()).login);
    } catch (error) {
      refused(error);
      return;
    }
    const came = given();
    named();
    counted();
    if (!classify.models.length) app.$("#k-body").replaceChildren(nothing());
    drawMore();
    if (came && field("model").value) look();
  });
})();
