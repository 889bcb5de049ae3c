/* The box: Enter sends, Shift+Enter breaks the line, Esc stops; what is typed is kept until the server has it. */
(() => {
  const app = window.chatapp;
  const box = () => app.$("#message");
  const key = () => app.rail.conversation || "new";
  /* What this tab has in the box goes before what another tab of the same conversation typed last; a new tab finds that. */
  const draft = (of) => app.store.get(app.mine("draft." + of), sessionStorage) ?? app.store.get(app.mine("draft." + of)) ?? "";
  const keep = (of, text) => [sessionStorage, localStorage].forEach((kind) => app.store.set(app.mine("draft." + of), text, kind));
  let shownFor = null;
  let timer = 0;

  function grow() {
    const area = box();
    area.style.height = "auto";
    area.style.height = Math.min(area.scrollHeight, innerHeight * 0.4) + "px";
  }
  function typed() {
    grow();
    if (!app.temporary && app.status.tab) keep(key(), box().value);
    drawSend();
    clearTimeout(timer);
    timer = setTimeout(() => app.measure(box().value), 300);
  }
  app.fill = (text) => { box().value = text; typed(); box().focus(); };

  function submit() {
    const text = box().value;
    if (!text.trim()) return;
    if (app.pending) { app.pending.again = true; return; }
    const pending = { nonce: app.act("send", { text }), text, key: key() };
    app.pending = pending;
    drawSend();
    /* No answer at all: the connection was cut. The words are still in the box. */
    setTimeout(() => { if (app.pending === pending) { app.pending = null; drawSend(); app.toast("The server did not answer. Your message is still in the box."); } }, 20000);
  }
  function clear(text) {
    const area = box();
    area.value = area.value === text ? "" : area.value.startsWith(text) ? area.value.slice(text.length) : area.value;
    typed();
  }
  /* The server answered: only now what was sent leaves the box. Refused words stay. */
  function answered(rail) {
    const sent = app.pending;
    if (!sent || sent.nonce !== rail.nonce) return;
    app.pending = null;
    if (!rail.ok) return;
    keep(sent.key, null);
    clear(sent.text);
    if (sent.again) setTimeout(submit, 0);
  }

  function drawSend() {
    const button = app.$("#send"), running = app.rail.running;
    const mode = running ? "stop" : "send";
    if (button.dataset.do !== mode) {
      Object.assign(button.dataset, { do: mode });
      button.innerHTML = app.icons[mode];
      button.setAttribute("aria-label", running ? "Stop" : "Send");
      button.title = running ? "Stop (Esc)" : "Send (Enter)";
    }
    button.disabled = !running && (!box().value.trim() || !!app.pending);
  }
  const stop = () => app.rail.running && app.act("stop", { turn: app.rail.running });

  app.on("rail", (rail) => {
    if (!rail.nonce || !box()) return;
    answered(rail);
    if (shownFor !== key() || rail.did === "open") {
      const moved = shownFor !== null && shownFor !== key() && rail.did === "send";
      shownFor = key();
      if (!moved && !app.pending && (rail.did === "open" || !box().value)) { box().value = draft(key()); }
      typed();
    }
    if (app.wasRunning !== rail.running) { app.wasRunning = rail.running; app.measure(box().value); }
    drawSend();
  });

  /* Typed before it was known whose it is. */
  let known = false;
  app.on("status", (status) => { if (status.tab && !known && box()) { known = true; if (box().value) typed(); } });

  let counted = false;
  app.on("status", (status) => { if (status.state === "ready" && !counted && box()) { counted = true; app.measure(box().value); } });

  const number = (n) => n.toLocaleString("en");
  app.on("meter", (meter) => {
    const node = app.$("#meter");
    if (!node) return;
    node.hidden = !meter.context;
    if (!meter.context) return;
    const share = (n) => Math.min(100, (100 * n) / meter.context) + "%";
    app.$(".used", node).style.width = share(meter.used);
    app.$(".reserved", node).style.width = share(meter.reserved);
    const left = meter.dropped ? ` · ${meter.dropped} oldest left out` : "";
    const words = meter.over ? `Too long: ${number(meter.used)} + ${number(meter.reserved)} reserved of ${number(meter.context)} tokens`
      : `${number(meter.used)} used + ${number(meter.reserved)} reserved of ${number(meter.context)}${left}`;
    app.$(".words", node).textContent = words;
    node.setAttribute("aria-label", "Context: " + words);
    node.classList.toggle("over", !!meter.over);
    node.classList.toggle("dropping", !!meter.dropped);
  });

  /* Capture phase: Enter that ends an IME composition must never reach a handler that sends. */
  document.addEventListener("keydown", (event) => {
    const composing = event.isComposing || event.keyCode === 229;
    if (event.target.id === "message" && event.key === "Enter" && !event.shiftKey) {
      if (composing) return;
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && !composing && app.rail.running && !document.querySelector("dialog[open]") && app.$("#menu").hidden) {
      if (event.target.closest?.(".editor, .renaming")) return;
      event.preventDefault();
      stop();
    }
  }, true);
  document.addEventListener("input", (event) => { if (event.target.id === "message") typed(); });
  app.commands = { ...app.commands, send: submit, stop, example: (button) => { app.fill(button.dataset.text); submit(); } };
})();
