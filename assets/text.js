/* The page Any text: a text, one model or two, and tabs. It is the host of X-ray's drawing here, as xray.js is beside a chat. */
(() => {
  const app = window.chatapp;
  const { el } = app;
  const xray = { turn: null, views: {}, asked: {}, root: () => app.$("#xray"), whole: () => true };
  const text = { tabs: [], models: [], longest: 0, data: {} };
  Object.assign(app, { xray, text });
  let shown = null;
  let asking = new AbortController();

  const form = () => app.$("#text-form");
  const field = (name) => form().elements[name];
  text.chosen = () => [field("one").value, field("other").value].filter(Boolean);
  text.label = (name) => text.models.find((model) => model.name === name)?.label || name;

  /* A tab: { name, label, about, ask(signal, heard), draw(data, body) }.
     `ask` is left out where the door's stream answers the tab's name. */
  text.tab = (tab) => text.tabs.push(tab);

  function status(words, share) {
    const bar = words && share !== undefined ? el("progress", { max: 1, value: share, "aria-label": words }) : "";
    app.$("#text-status").replaceChildren(words || "", bar);
    app.$("#text-status").hidden = !words;
  }
  xray.status = status;

  const question = (more = {}) => ({ text: field("text").value, models: text.chosen(), ...more });

  /* What was refused, and what can be done about it: `offer` is a model that can be loaded. */
  function refused(error, offer) {
    const load = () => show(shown, true);
    const label = () => `Load ${text.label(offer)}`;
    const box = el("div", { class: "x-why", role: "alert" }, el("p", {}, error.message), offer ? xray.button(label(), load) : null);
    app.$("#text-body").replaceChildren(box);
  }

  async function stream(tab, load, heard, signal) {
    let offer = "";
    const line = (said) => {
      if (signal.aborted) return;
      offer = said.offer || offer;
      if (said.words) status(said.words, said.share);
      if (said.data) heard(said.data);
    };
    try {
      await app.lines("text-look", question({ view: tab.name, load, asked: xray.asked[tab.name] || {} }), line, signal);
    } catch (error) {
      throw Object.assign(error, { offer });
    }
  }

  async function show(tab, load = false) {
    shown = tab;
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    mark(tab);
    const body = app.$("#text-body");
    body.replaceChildren();
    status(tab.name === "tokens" ? "Cutting the text" : "Asking the server");
    const heard = (data) => {
      if (signal.aborted) return;
      text.data[tab.name] = data;
      tab.draw(data, body);
    };
    try {
      if (tab.post) heard(await app.post(tab.post, question()));
      else await stream(tab, load, heard, signal);
    } catch (error) {
      if (!signal.aborted) refused(error, error.offer);
    }
    if (signal.aborted) return;
    status("");
    if (load) text.refresh();
  }
  xray.again = (params = null) => {
    if (params) xray.asked[shown.name] = { ...xray.asked[shown.name], ...params };
    return show(shown);
  };

  function mark(tab) {
    for (const button of app.$("#text-tabs").children) {
      const here = button.dataset.view === tab.name;
      button.setAttribute("aria-selected", String(here));
      button.tabIndex = here ? 0 : -1;
    }
    app.$("#text-view").textContent = tab.label;
    app.$("#text-about").replaceChildren(...xray.say(tab.about));
    app.$("#text-body").setAttribute("aria-labelledby", `text-tab-${tab.name}`);
    address();
  }

  /* The models and the tab are in the address; the text is not: it may be long, and private. */
  function address() {
    const url = new URL(location);
    const [one, other] = text.chosen();
    for (const [name, value] of Object.entries({ model: one, with: other, view: shown.name }))
      value ? url.searchParams.set(name, value) : url.searchParams.delete(name);
    history.replaceState(null, "", url);
    keep();
  }

  function drawTabs() {
    const made = text.tabs.map((tab) =>
      el(
        "button",
        {
          type: "button",
          role: "tab",
          id: `text-tab-${tab.name}`,
          "data-view": tab.name,
          "aria-controls": "text-body",
          on: { click: () => show(tab) },
        },
        tab.label,
      ),
    );
    app.$("#text-tabs").replaceChildren(...made);
    app.tabKeys(app.$("#text-tabs"));
  }

  /* Once a model is loaded it goes by another name: its label stays. */
  const kept = (name, label) =>
    (text.models.find((model) => model.name === name) || text.models.find((model) => model.label === label))?.name;
  function choices(name, first) {
    const select = field(name);
    const now = select.value;
    const before = select.selectedOptions[0]?.dataset.label;
    const option = ({ name: value, label, loaded, encoder }) => {
      const facts = [encoder ? "encoder" : "", loaded ? "loaded" : ""].filter(Boolean).join(", ");
      return el("option", { value, "data-label": label }, facts ? `${label} (${facts})` : label);
    };
    select.replaceChildren(...first, ...text.models.map(option));
    select.value = (now && kept(now, before)) || select.options[0]?.value || "";
  }

  async function models() {
    const said = await app.post("text");
    text.models = said.models;
    text.longest = said.longest;
    choices("one", []);
    choices("other", [el("option", { value: "" }, "no other")]);
    app.$("#text-remark").textContent = said.refused;
    app.$("#text-remark").hidden = !said.refused;
    counted();
    return said.login;
  }
  text.refresh = () => models().catch(app.failed);

  function counted() {
    const count = [...field("text").value].length;
    app.$("#text-count").textContent = `${count.toLocaleString("en")} of at most ${text.longest.toLocaleString("en")} characters`;
    app.$("#text-count").classList.toggle("bad", count > text.longest);
  }

  /* What was typed and chosen stays in this browser, under the login: others may use it after them. */
  let place = "";
  const keep = () => app.store.set(place, { text: field("text").value, models: text.chosen() });
  function recall(login) {
    place = login ? `${login}.text` : "text";
    const kept = app.store.get(place);
    const box = field("text");
    if (kept && box.value === box.defaultValue) box.value = kept.text;
    counted();
    form().addEventListener("input", keep);
    return kept?.models || [];
  }

  /* Those of the address, where it names any; else those that were chosen before, as far as they are here. */
  function choose(before) {
    const query = new URL(location).searchParams;
    if (query.has("model") || query.has("with")) {
      asked("one", query.get("model"));
      asked("other", query.get("with"));
    } else if (before.every((name) => text.models.some((model) => model.name === name))) {
      for (const [place, name] of before.entries()) field(["one", "other"][place]).value = name;
    }
  }

  /* An address may name a model by its id, its short name or its folder. */
  function asked(name, wanted) {
    const found = text.models.find((model) => model.name === wanted || model.label === wanted);
    if (found) field(name).value = found.name;
    else if (wanted) app.toast(`${wanted} is not among the models that can be chosen here.`, { failed: true });
  }

  app.on("begin", async () => {
    const query = new URL(location).searchParams;
    drawTabs();
    form().addEventListener("submit", (event) => {
      event.preventDefault();
      show(shown || text.tabs[0]);
    });
    form().addEventListener("input", counted);
    form().addEventListener("change", (event) => event.target.matches("select") && show(shown || text.tabs[0]));
    try {
      choose(recall(await models()));
    } catch (error) {
      app.failed(error);
      return;
    }
    if (text.models.length) show(text.tabs.find((tab) => tab.name === query.get("view")) || text.tabs[0]);
    else app.$("#text-body").replaceChildren(el("p", {}, "No model is loaded yet. Come back when there is one."));
  });

  let known = "";
  app.on("tasks", (tasks) => {
    const now = JSON.stringify(tasks.map(({ id, state }) => [id, state]));
    if (known && known !== now) text.refresh();
    known = now;
  });
})();
