/* The page Train: the pieces that both of its forms are made of. */
(() => {
  const app = window.chatapp;
  const { train, el } = app;

  train.field = (words, input, hint) => {
    const id = `r-field-${words.replaceAll(/\W+/g, "-")}`;
    input.id = id;
    return el("div", { class: "r-field" }, el("label", { for: id }, words), input, hint ? el("small", {}, hint) : null);
  };

  train.card = (words, ...fields) =>
    el("fieldset", { class: "r-card" }, el("legend", {}, words), ...fields.flat().filter((one) => one !== null));

  /* A file into the data folder; {path}. Rejects with a sentence. */
  train.upload = async (file) => {
    const asked = new URLSearchParams({ name: file.name, session: app.session });
    const answer = await fetch(`ui/train-upload?${asked}`, { method: "POST", body: file });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error?.message ?? "The file was not taken.");
    return said;
  };
})();
