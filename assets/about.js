/* The page About: facts, and snippets for programs with this very address in them. */
(() => {
  const app = window.chatapp;

  const rows = (list, pairs) =>
    list.replaceChildren(...pairs.flatMap(([name, words]) => [app.el("dt", {}, name), app.el("dd", {}, words)]));

  function snippet(title, text) {
    const copy = () => {
      app.copy(text);
      app.toast(`${title} was copied.`);
    };
    const head = app.el("header", {}, app.el("b", {}, title), app.button(`Copy ${title}`, "copy", copy));
    return app.el("figure", { class: "snippet" }, head, app.el("pre", { tabindex: "0", role: "region", "aria-label": title }, text));
  }

  const curl = (base, model) => `curl ${base}/chat/completions \\
  -H "Authorization: Bearer $CHATAPP_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}",
       "messages": [{"role": "user", "content": "Hello"}]}'`;

  const python = (base, model) => `import os
from openai import OpenAI

client = OpenAI(base_url="${base}", api_key=os.environ["CHATAPP_API_KEY"])
reply = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(reply.choices[0].message.content)`;

  const gradio = (base) => `from gradio_client import Client

client = Client("${base}")
print(client.predict("Hello", api_name="/chat"))`;

  function api({ api: on, model }) {
    const base = new URL("./v1", location).href;
    const name = model || "the model's name";
    const state = on
      ? "is on. It needs the key that the app was started with, in the variable CHATAPP_API_KEY."
      : "is off. Start the app with CHATAPP_API_KEY=<a key of yours> to turn it on.";
    const facts = app.el("dl");
    rows(facts, [
      ["Base URL", base],
      ["Model", model || "not loaded yet"],
      ["Key", on ? "yours, as Authorization: Bearer <key>" : "none set"],
    ]);
    const openai = on ? [facts, snippet("curl", curl(base, name)), snippet("openai for Python", python(base, name))] : [];
    app
      .$("#api")
      .replaceChildren(
        app.el("p", {}, `The OpenAI-compatible API ${state}`),
        ...openai,
        app.el("p", {}, "Gradio's own client reaches the chat too, with the login of the page where there is one."),
        snippet("gradio_client for Python", gradio(new URL("./", location).href)),
      );
  }

  let timer = 0;
  async function look() {
    clearTimeout(timer);
    try {
      const about = await app.post("about");
      rows(app.$("#facts"), about.facts);
      rows(app.$("#libraries"), about.libraries);
      api(about);
      if (!about.model) timer = setTimeout(look, 2000);
    } catch (error) {
      app.failed(error);
    }
  }
  app.on("begin", look);
})();
