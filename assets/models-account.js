/* As whom the Hub is asked, and a token for this browser's session. It goes to the server once and is kept nowhere here. */
(() => {
  const app = window.chatapp;
  const { models } = app;
  let asked = false;

  const give = async (token) => {
    try {
      draw(await app.post("models-token", { token }));
      app.toast(token ? "The token is kept until the app ends, in its memory only." : "The token was forgotten.");
      app.tell("account");
    } catch (error) {
      app.failed(error);
    }
  };

  function form() {
    const field = app.el("input", {
      type: "password",
      "aria-label": "Token of your Hub account",
      placeholder: "hf_…",
      autocomplete: "off",
      spellcheck: "false",
    });
    const submit = (event) => {
      event.preventDefault();
      if (field.value.trim()) give(field.value.trim());
    };
    const made = app.el("form", { class: "line", on: { submit } }, field, app.el("button", { type: "submit", class: "act" }, "Use it"));
    app.$("#account-line").append(made);
    field.focus();
  }

  async function signOut() {
    try {
      draw(await app.post("models-signout"));
      app.toast("You are signed out here.");
      app.tell("account");
    } catch (error) {
      app.failed(error);
    }
  }

  /* On a Space a visitor signs in with Hugging Face: in a tab of its own where the page stands in a frame, which the Hub does not allow. */
  function visitor({ signed, sign_in: address }) {
    if (signed) return models.act("Sign out", signOut);
    const tab = window.top === window ? {} : { target: "_blank", rel: "noopener" };
    return address ? app.el("a", { class: "act", href: address, ...tab }, "Sign in with Hugging Face") : null;
  }

  const without = ({ sign_in: address }) =>
    `The Hub is asked without an account. Gated and private models need ${address ? "one that was let in" : "a token"}.`;

  function draw(account) {
    const { name, words, typed, problem } = account;
    const line = app.el(
      "p",
      { class: problem ? "refusal" : "remark" },
      problem || (name ? `The Hub knows you as ${name}, by ${words}.` : without(account)),
    );
    const ways = models.now.refused
      ? [visitor(account)]
      : [typed ? models.act("Forget the token", () => give("")) : null, models.act(name ? "Another token" : "Type a token", form)];
    app.$("#account-line").replaceChildren(line, app.el("div", { class: "acts" }, ...ways));
  }

  app.on("models", async () => {
    if (asked) return;
    asked = true;
    try {
      draw(await app.post("models-account"));
    } catch (error) {
      asked = false;
      app.failed(error);
    }
  });
})();
