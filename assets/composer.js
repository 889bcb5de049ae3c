/* The box: Enter sends, Shift+Enter breaks the line, Esc stops; what is typed and attached is kept until the server has it. */
(() => {
  const app = window.chatapp;
  const box = () => app.$("#message");
  const key = () => app.view.conversation || "new";
  /* What this tab has in the box goes before what another tab of the same conversation typed last; a new tab finds that. */
  const stored = (of) => app.mine(`draft.${of}`);
  const draft = (of) => app.store.get(stored(of), sessionStorage) ?? app.store.get(stored(of)) ?? "";
  const keep = (of, text) => [sessionStorage, localStorage].map((kind) => app.store.set(stored(of), text, kind)).every(Boolean);
  const { join, split, chip, pending, read } = app.attached;
  let files = [];
  let reading = []; // { file, of }: one that is read, and the conversation it is for
  let shownFor = null;
  let timer = 0;
  let known = false;

  /* All that would be sent: what is typed, and the files. */
  const message = () => join(box().value, files);
  const nothing = () => !files.length && !box().value.trim();
  const readHere = () => reading.filter(({ of }) => of === key());

  /* A long draft is kept when the keys rest: storing a megabyte at each makes typing slow. */
  const LONG = 50_000;
  let unkept = null;
  function keepNow() {
    const kept = !unkept || keep(unkept.of, join(unkept.words, unkept.files));
    if (!kept) keepLess(unkept);
    unkept = null;
  }
  /* Where the browser's room for drafts is used up, words without their files: an older draft would be wrong. */
  let told = null;
  function keepLess({ of, words, files: all }) {
    keep(of, words);
    if (all.length && told !== of) app.toast("These files are too long to be kept here as a draft: send them before you leave the page.");
    told = of;
  }
  function keepDraft() {
    const waits = unkept;
    unkept = { of: key(), words: box().value, files };
    if (files.reduce((sum, { text }) => sum + text.length, unkept.words.length) < LONG) keepNow();
    else if (!waits) setTimeout(keepNow, 500);
  }
  window.addEventListener("pagehide", keepNow);

  function grow() {
    const area = box();
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, innerHeight * 0.4)}px`;
  }

  function typed() {
    grow();
    if (!app.temporary && known) keepDraft();
    drawSend();
    measureSoon(300);
  }

  function measureSoon(ms) {
    clearTimeout(timer);
    timer = setTimeout(() => app.measure(message()), ms);
  }

  function drawFiles() {
    const remove = (file) => () => hold(files.filter((one) => one !== file));
    const home = app.$("#attached");
    const at = home.scrollTop;
    home.replaceChildren(...files.map((file) => chip(file, remove(file))), ...readHere().map(({ file }) => pending(file)));
    home.scrollTop = at;
  }

  function hold(some) {
    files = some;
    drawFiles();
    typed();
    box().focus();
  }

  function redraw() {
    drawFiles();
    drawSend();
  }

  const MOST_SAID = 3;
  /* What can be read is attached, of the others it is said why not. One after the other, as the server reads one PDF at a time. */
  async function attach(list) {
    const picked = Array.from(list, (file) => ({ file, of: key() }));
    let missing = 0;
    const missed = (message) => {
      missing += 1;
      if (missing <= MOST_SAID) app.failed({ message });
    };
    reading.push(...picked);
    redraw();
    for (const one of picked) {
      const made = await read(one.file).catch((error) => missed(error.message));
      reading = reading.filter((other) => other !== one);
      redraw();
      if (made && one.of === key()) {
        hold([...files, made]);
        app.$("#attached").scrollTop = app.$("#attached").scrollHeight;
      } else if (made) missed(`${made.name} was not attached: another conversation was opened meanwhile.`);
    }
    if (missing > MOST_SAID) app.failed({ message: `${missing - MOST_SAID} more could not be attached.` });
  }

  function put(text) {
    const found = split(text);
    box().value = found.words;
    files = found.files;
    drawFiles();
  }

  app.fill = (text) => {
    put(text);
    typed();
    box().focus();
  };

  /* A message back into the box, before what stands there by now. */
  app.bringBack = (text) => {
    const [back, here] = [split(text), box().value];
    app.fill(join([back.words, here].filter((words) => words.trim()).join("\n"), [...back.files, ...files]));
  };

  /* Only once the server has it, what was sent leaves the box. Refused words stay; what was typed meanwhile, too. */
  async function submit() {
    const [words, sent] = [box().value, files];
    const text = message();
    if (nothing() || readHere().length) return;
    if (app.pending) {
      app.pending.again = true;
      return;
    }
    const pending = { text, key: key(), words, sent };
    app.pending = pending;
    drawSend();
    const done = await app.act("send", { text });
    app.pending = null;
    if (done) arrived(pending, done.conversation);
    drawSend();
    if (done && pending.again) submit();
  }

  /* A new conversation has its id by now, for which a file may still be read. */
  function arrived({ key: of, words, sent }, id) {
    if (unkept?.of === of) unkept = null;
    keep(of, null);
    for (const one of reading) if (one.of === of) one.of = id || of;
    clear(words, sent);
    app.tell("sent");
  }

  function clear(words, sent) {
    const area = box();
    if (area.value.startsWith(words)) area.value = area.value.slice(words.length);
    files = files.filter((file) => !sent.includes(file));
    drawFiles();
    shownFor = key();
    typed();
  }

  const BUTTON = {
    send: ["send", "Send", "Send (Enter)"],
    sending: ["send", "Sending", "The message is on its way"],
    stop: ["stop", "Stop", "Stop (Esc)"],
  };
  function drawSend() {
    const button = app.$("#send");
    const running = app.view.running;
    const sends = app.pending ? "sending" : "send";
    const mode = running ? "stop" : sends;
    const [icon, label, title] = BUTTON[mode];
    if (button.dataset.do !== mode) {
      button.dataset.do = mode;
      button.innerHTML = app.icons[icon];
      button.setAttribute("aria-label", label);
      button.title = title;
    }
    button.disabled = !running && (nothing() || !!app.pending || !!readHere().length);
  }

  const stop = () => app.view.running && app.act("stop", { turn: app.view.running });

  function bring() {
    if (!box() || !known || shownFor === key()) return;
    keepNow();
    shownFor = key();
    put(app.temporary ? "" : draft(key()));
    grow();
    drawSend();
  }
  app.on("moved", bring);
  /* Notices stand above the box, however high it is. */
  app.on("begin", () => {
    const tell = () => document.body.style.setProperty("--above-the-box", `${app.$("#bottom").offsetHeight + 8}px`);
    new ResizeObserver(tell).observe(app.$("#bottom"));
  });
  /* Whose drafts they are is known with the first news; what was typed before is theirs, too. */
  app.on("model", () => {
    if (known || !box()) return;
    known = true;
    if (message()) typed();
    else bring();
    shownFor = key();
  });
  app.on("path", () => {
    if (!app.begun) return;
    drawSend();
    measureSoon(50);
  });
  app.on("model", (model) => {
    if (model.state === "ready") measureSoon(50);
  });
  app.on("settings", () => measureSoon(150));

  const number = (n) => n.toLocaleString("en");
  app.on("meter", (meter) => {
    const node = app.$("#meter");
    node.hidden = !meter.context;
    if (!meter.context) return;
    const share = (n) => `${Math.min(100, (100 * n) / meter.context)}%`;
    app.$(".used", node).style.width = share(meter.used);
    app.$(".reserved", node).style.width = share(meter.reserved);
    const left = meter.dropped ? ` · ${meter.dropped} oldest left out` : "";
    const about = meter.estimated ? "about " : "";
    const sum = `${about}${number(meter.used)} used + ${number(meter.reserved)} reserved of ${number(meter.context)}`;
    const words = meter.over ? `Too long: ${sum} tokens` : sum + left;
    app.$(".words", node).textContent = words;
    node.setAttribute("aria-label", `Context: ${words}`);
    node.title = meter.estimated ? "An estimate: another server answers, and has the tokenizer." : "";
    node.classList.toggle("over", !!meter.over);
    node.classList.toggle("dropping", !!meter.dropped);
  });

  /* Escape belongs to whatever is open; else it ends the reply. */
  const stops = (event) =>
    app.view.running && !app.$("dialog[open]") && app.$("#menu").hidden && !event.target.closest?.(".editor, .renaming");

  function does(event) {
    const here = event.target.id === "message";
    if (here && event.key === "Enter" && !event.shiftKey) return submit;
    if (here && event.key === "ArrowUp" && nothing()) return app.editLast;
    return event.key === "Escape" && stops(event) ? stop : null;
  }

  /* Capture phase: Enter that ends an IME composition must never reach a handler that sends. */
  function pressed(event) {
    if (event.isComposing || event.keyCode === 229) return;
    const run = does(event);
    if (!run) return;
    event.preventDefault();
    run();
  }
  document.addEventListener("keydown", pressed, true);
  document.addEventListener("input", (event) => {
    if (event.target.id === "message") typed();
  });

  /* Files come by the button, dropped anywhere on the page, or pasted: a cell of a table is pasted as text and as a picture. */
  document.addEventListener("change", (event) => {
    if (event.target.id !== "attach-file") return;
    attach(event.target.files);
    event.target.value = "";
  });
  document.addEventListener("paste", (event) => {
    const { files: pasted, types } = event.clipboardData;
    if (event.target.id !== "message" || !pasted.length || types.includes("text/plain")) return;
    event.preventDefault();
    attach(pasted);
  });
  const over = (event) => box() && event.dataTransfer.types.includes("Files");
  for (const name of ["dragover", "dragleave", "drop"])
    document.addEventListener(name, (event) => {
      if (!over(event)) return;
      event.preventDefault(); // else the browser leaves the page and opens the file
      const here = !event.target.closest?.("dialog");
      app.$(".composer").classList.toggle("dropping", here && name === "dragover");
      if (here && name === "drop") attach(event.dataTransfer.files);
    });
  app.shortcut("Message", "Enter", "Send");
  app.shortcut("Message", "Shift+Enter", "New line");
  app.shortcut("Message", "ArrowUp", "In the empty box: edit your last message");
  app.shortcut("Message", "Escape", "Stop the reply, or leave what you were editing");

  app.commands = {
    ...app.commands,
    send: submit,
    stop,
    attach: () => app.$("#attach-file").click(),
    example: (button) => {
      app.fill(join(button.dataset.text, files));
      submit();
    },
  };
})();
