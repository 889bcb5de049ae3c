/* The login form: what it is answered is said in place; then the page opens that was asked for, at the address it has. */
(() => {
  const app = window.chatapp;
  let timer = 0;

  const said = (words, waiting = false) => {
    const line = app.$("#said");
    line.textContent = words;
    line.classList.toggle("waiting", waiting);
  };
  const button = () => app.$("#login button");

  /* The server looks at no password of this name until then: neither does the button ask. Said once, counted on the button. */
  function wait(seconds) {
    button().disabled = true;
    button().textContent = `Wait ${seconds} s`;
    timer = setTimeout(() => (seconds > 1 ? wait(seconds - 1) : again("You can try again now.")), 1000);
  }

  function again(words) {
    clearTimeout(timer);
    button().disabled = false;
    button().textContent = "Log in";
    said(words, true);
  }

  function locked(seconds) {
    said(`Too many attempts; wait ${seconds} seconds. The password was not looked at.`, true);
    wait(seconds);
  }

  async function enter(form) {
    const request = { method: "POST", body: new URLSearchParams(new FormData(form)) };
    const answer = await fetch(form.getAttribute("action"), request).catch(() => null);
    if (answer?.ok) return location.reload();
    button().disabled = false;
    if (answer?.status === 429) return locked(Number(answer.headers.get("Retry-After")));
    if (answer?.status === 400) said("This user name and password do not belong together.");
    else said(answer ? `The server could not log you in (${answer.status}). Try again.` : "The server does not answer. Try again.");
    const password = app.$("#password");
    password.focus();
    return password.select();
  }

  app.ready(() => {
    app.$("#login").addEventListener("submit", (event) => {
      event.preventDefault();
      button().disabled = true;
      said("");
      enter(event.target);
    });
    app.$("#username").addEventListener("input", () => again(""));
  });
})();
