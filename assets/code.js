/* Copy as code: a reply, a column or a grid as a program that needs transformers alone, as a script or as a notebook. */
(() => {
  const app = window.chatapp;

  function save({ name, text }) {
    const href = URL.createObjectURL(new Blob([text]));
    const link = app.el("a", { href, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(href), 10000);
  }

  const download = (action, body) => async () => {
    try {
      save(await app.post(action, body));
    } catch (error) {
      app.failed(error);
    }
  };

  /* `what` begins the question. The script is there before it is asked: a browser copies only while a click is heard. */
  app.asCode = async (action, body, what) => {
    try {
      const made = await app.post(action, body);
      const copy = () => {
        app.copy(made.text);
        app.toast("The script is copied: it needs Python with torch and transformers.");
      };
      app.ask(`${what} as a program: load, template, ids, generate and decode with transformers alone.`, [
        { text: "Copy the script", run: copy },
        { text: "Download the script", run: () => save(made) },
        { text: "Download the notebook", run: download(action, { ...body, notebook: true }) },
      ]);
    } catch (error) {
      app.failed(error);
    }
  };
})();
