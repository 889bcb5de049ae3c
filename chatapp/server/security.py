"""Around every page and route: headers, who may ask from where, and a cookie for each new visitor.

    demo.launch(app_kwargs={"routes": …, "middleware": middleware(settings)})

Pure ASGI, so that streams are not buffered. Gradio puts its own CORS middleware outside of these; it answers preflights for any origin
when the host is not localhost, so a foreign origin is refused here, on the request itself.
"""

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatapp.identity import new_cookie, visitor_token
from chatapp.server.login_limit import LoginLimit, Tries
from chatapp.settings import Settings, is_loopback, on_space

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
SPACE_FRAMES = "https://huggingface.co https://*.hf.space"
# Bearer key or public: nothing a browser adds by itself opens these, so any origin and any host name may ask.
WITHOUT_COOKIES = ("/v1/", "/healthz")
# Beside X-Forwarded-*: what a proxy adds to a request, and no browser.
PROXY_HEADERS = frozenset(("forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "x-original-host"))
# Where a new visitor gets a cookie: pages, and the first thing a gradio_client reads.
CONFIG_PATH = "/config"


def middleware(settings: Settings) -> list[Middleware]:
    """What goes into launch(app_kwargs={"middleware": …}), outermost first."""
    limits = [Middleware(LoginLimit, tries=Tries())] if settings.auth else []
    hosts = _host_names(settings)
    allowed = [name.lower() for name in settings.allowed_hosts]
    return [Middleware(SecureHeaders, space=on_space()), Middleware(Gate, hosts=hosts, allowed=allowed), *limits, Middleware(Visitor)]


def came_by_proxy(request: Any) -> bool:
    """Did a proxy hand this request on? It may call itself this machine, and names its own as the one that is asked for.

    Most say so in a header. nginx says nothing by itself, but speaks HTTP/1.0 or leaves the browser's Origin as it was. What forwards bytes
    alone (ssh -R, socat) cannot be told from this machine.
    """
    headers = request.headers
    if request.scope.get("http_version") == "1.0" or any(name in PROXY_HEADERS or name.startswith("x-forwarded-") for name in headers):
        return True
    origin = headers.get("origin")
    return origin is not None and place_of(origin) != headers.get("host", "").lower()


def content_security_policy(space: bool) -> str:
    """Nothing is loaded from, sent to or shown in another site. Gradio's scripts need 'unsafe-inline' and 'unsafe-eval'."""
    return "; ".join(
        (
            "default-src 'self'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self' data:",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
            "worker-src 'self' blob:",
            "connect-src 'self'",
            "frame-src 'self'",
            "form-action 'self'",
            "base-uri 'self'",
            "object-src 'none'",
            f"frame-ancestors 'self' {SPACE_FRAMES}" if space else "frame-ancestors 'self'",
        )
    )


class SecureHeaders:
    """Adds the policy headers to every answer."""

    def __init__(self, app: ASGIApp, space: bool) -> None:
        self.app = app
        self.headers = {
            "Content-Security-Policy": content_security_policy(space),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "strict-origin-when-cross-origin" if space else "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)


class Gate:
    """Refuses another site's requests (CSRF, also against 127.0.0.1) and, with `hosts`, foreign host names (DNS rebinding)."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None, allowed: Collection[str]) -> None:
        self.app = app
        self.hosts = hosts
        self.allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(WITHOUT_COOKIES) and (reason := self.refusal(scope)):
            await JSONResponse({"detail": reason}, status_code=403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def refusal(self, scope: Scope) -> str:
        """Why this request is refused, or ''."""
        headers = Headers(scope=scope)
        name = host_name(headers.get("host", ""))
        if self.hosts is not None and name not in self.hosts and not name.endswith(".localhost"):
            return f"This page is not served under the name {name!r}. Its host can allow it with --allowed-hosts {name}."
        if self.foreign(headers, scope["method"]):
            return "This request came from another site. Open this page itself; programs use /v1 with a key, or gradio_client."
        return ""

    def foreign(self, headers: Headers, method: str) -> bool:
        """Did another site's page make this request? Browsers say so; a page cannot change these two headers.

        Following a link to here is fine. Programs send neither header.
        """
        site = headers.get("sec-fetch-site")
        if site is not None:
            link = method in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
            return site not in ("same-origin", "none") and not link
        origin = headers.get("origin")
        if origin is None:
            return False
        place = place_of(origin)
        return place != headers.get("host", "").lower() and host_name(place) not in self.allowed


class Visitor:
    """Gives a new visitor a random cookie with the first page: who has it owns the conversations made with it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or visitor_token(Headers(scope=scope).get("cookie", "")):
            return await self.app(scope, receive, send)

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                headers = MutableHeaders(scope=message)
                if scope["path"] == CONFIG_PATH or headers.get("content-type", "").startswith("text/html"):
                    headers.append("Set-Cookie", new_cookie(secure=scope["scheme"] == "https", space=on_space()))
                    headers["Cache-Control"] = "private, no-store"
            await send(message)

        await self.app(scope, receive, with_cookie)


def place_of(origin: str) -> str:
    """'https://Example.org:7860' → 'example.org:7860'. '' for what is no origin."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def host_name(host: str) -> str:
    """'Example.org:7860' → 'example.org', '[::1]:7860' → '::1'. '' for what is no host."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _host_names(settings: Settings) -> list[str] | None:
    """The names under which the page may be asked for, or None for any: only a server bound to loopback knows its names."""
    bound = settings.host.strip("[]").lower()
    if settings.share or on_space() or not is_loopback(bound):
        return None
    return [*LOOPBACK_NAMES, bound, *(name.lower() for name in settings.allowed_hosts)]
