"""What every page has: head, navigation, header, notices. A page of its own is plain HTML of ours; only the chat and X-ray are Gradio's."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from chatapp.pages import assets
from chatapp.pages.assets import NAME, icons


@dataclass(frozen=True)
class Page:
    """A page of the app, as the navigation knows it.

    path     its address below the app's, one word; '' for the chat
    body     its markup, inside the shell; None where Gradio builds the page
    styles, scripts   its own files of assets/, loaded after the shell's
    """

    name: str
    path: str
    icon: str
    body: str | None = None
    styles: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()


def button(action: str, label: str, icon: str, *, text: str = "", kind: str = "quiet", extra: str = "") -> str:
    """A button that the script knows by its data-do. `label` is for screen readers and the tooltip."""
    shown = f"<span>{text}</span>" if text else ""
    named = f'aria-label="{label}" title="{label}"'
    return f'<button type="button" class="{kind}" data-do="{action}" {named} {extra}>{icons()[icon]}{shown}</button>'


def navigation(pages: Sequence[Page], here: str) -> str:
    """The way from page to page; only what exists is shown."""
    links = "".join(
        f'<a href="./{page.path}"{" aria-current=page" if page.path == here else ""}>{icons()[page.icon]}<span>{page.name}</span></a>'
        for page in pages
    )
    return f'<nav id="pages" aria-label="Pages">{links}</nav>'


def sidebar(pages: Sequence[Page], here: str, own: str = "", foot: str = "") -> str:
    """Name, navigation, what is the page's own, and at the foot what concerns the whole app."""
    return f"""
<a class="skip" href="./{here}" data-do="skip">Skip to {"what the page says" if here else "the message box"}</a>
<div class="side-top">
  <a class="brand" href="./"{"" if here else ' data-do="new"'}>{icons()["logo"]}<span>{NAME}</span></a>
  {button("fold-left", "Hide the sidebar", "panel-left")}
</div>
{navigation(pages, here)}
{own or '<span class="spring"></span>'}
<div class="side-foot">
  <button type="button" class="quiet" id="account" data-do="account" aria-haspopup="menu" hidden>{icons()["user"]}<span></span></button>
  {foot}<span class="spring"></span>
  {button("keys", "Keyboard shortcuts (?)", "keyboard")}{button("theme", "Light or dark", "theme")}
</div>"""


def header(title: str, own: str = "") -> str:
    """The way back to a folded sidebar, the title, and the page's own."""
    return f"""
<header>
  {button("fold-left", "Show the sidebar", "panel-left", extra='id="show-left"')}
  <h1 id="title">{title}</h1>
  <button type="button" id="tasks-open" data-do="tasks" aria-haspopup="dialog" hidden><i></i><span></span> <b></b></button>
  {button("tasks-away", "Dismiss what failed", "close", extra='id="tasks-away" hidden')}
  {own}
</header>"""


def overlays() -> str:
    """Where notices, questions and menus appear."""
    return """
<div id="toasts" role="status" aria-live="polite"></div>
<dialog id="question" aria-labelledby="question-text"><p id="question-text"></p><div class="answers"></div></dialog>
<div id="menu" role="menu" hidden></div>
<div id="tasks" role="dialog" aria-label="Tasks" tabindex="-1" hidden></div>
<dialog id="keys" aria-labelledby="keys-title"></dialog>"""


def document(page: Page, pages: Sequence[Page]) -> str:
    """A whole page of ours. The class is the one under which Gradio's pages stand: one style fits both."""
    head = assets.META + assets.tags(("shell.css", *page.styles, "shell.js", *page.scripts))
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{page.name} · {NAME}</title>{head}</head>
<body class="plain">
<div class="gradio-container">
<div id="shell">
<aside id="left" aria-label="Sidebar"><div id="side">{sidebar(pages, page.path)}</div></aside>
<main id="main"><div id="top">{header(page.name)}</div><div class="sheet" tabindex="0">{page.body}</div></main>
</div>
{overlays()}
</div>
</body>
</html>
"""


def routes(pages: Sequence[Page]) -> list[Route]:
    """The plain pages. They hold nobody's data: that comes through the door, which asks who is there."""

    def shown(page: Page) -> HTMLResponse:
        return HTMLResponse(document(page, pages), headers={"Cache-Control": "no-cache"})

    def route(page: Page) -> Route:
        async def show(request: Request) -> HTMLResponse:
            return shown(page)

        return Route(f"/{page.path}", show, include_in_schema=False)

    return [route(page) for page in pages if page.body is not None]
