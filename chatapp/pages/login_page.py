"""The login: one form in the app's own look. What Gradio answers to it is said by assets/login.js."""

from starlette.middleware import Middleware

from chatapp.pages import assets
from chatapp.pages.assets import NAME, icons
from chatapp.pages.site import PAGES
from chatapp.pages.xray_page import ADDRESS
from chatapp.server.session import LoginPage
from chatapp.settings import Settings


def document() -> str:
    """The whole page. The form is one that password managers know."""
    head = assets.META + assets.tags(("shell.css", "login.css", "shell.js", "login.js"))
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Log in · {NAME}</title>{head}</head>
<body class="login">
<main>
  <h1>{icons()["logo"]}<span>{NAME}</span></h1>
  <form id="login" method="post" action="login">
    <label for="username">User name</label>
    <input id="username" name="username" type="text" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus>
    <label for="password">Password</label>
    <input id="password" name="password" type="password" autocomplete="current-password" required>
    <p id="said" role="alert"></p>
    <button type="submit">Log in</button>
  </form>
  <noscript><p>This app needs JavaScript.</p></noscript>
</main>
</body>
</html>
"""


def middleware(settings: Settings) -> list[Middleware]:
    """Before every page, where --auth was given."""
    paths = {page.path for page in PAGES} | {ADDRESS}
    return [Middleware(LoginPage, pages=paths, login=document)] if settings.auth else []
