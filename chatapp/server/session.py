"""Who is logged in, in place of which pages the login page stands, and logging out. The logins themselves are Gradio's."""

from collections.abc import Callable, Collection

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from chatapp.identity import login_cookies, login_name


def name_in(request: Request) -> str | None:
    """The name of whoever is logged in."""
    return login_name(request.app.cookie_id, request.cookies, request.app.tokens)


class LoginPage:
    """ASGI middleware: whoever is not logged in gets the login page at the very address that was asked for, so that it opens afterwards."""

    def __init__(self, app: ASGIApp, pages: Collection[str], login: Callable[[], str]) -> None:
        self.app = app
        self.pages = pages
        self.login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and self.asked(scope) and name_in(Request(scope)) is None:
            await HTMLResponse(self.login(), headers={"Cache-Control": "no-store"})(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def asked(self, scope: Scope) -> bool:
        """Is it a page, whatever prefix a proxy put before it?"""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return path.strip("/") in self.pages


def routes() -> list[Route]:
    """GET /logout. It comes before Gradio's own, which ends the sessions of all browsers with this login, and would do so for any link."""

    async def logout(request: Request) -> Response:
        answer = RedirectResponse("./", 303)
        if request.headers.get("sec-fetch-site") != "cross-site":
            for name in login_cookies(request.app.cookie_id):
                request.app.tokens.pop(request.cookies.get(name), None)
                answer.delete_cookie(name, path="/")
        return answer

    return [Route("/logout", logout, include_in_schema=False)]
