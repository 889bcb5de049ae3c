"""Who asks: the owner of what is said, from the login, the cookie, the session or the key that came with a request.

    user:<name>        somebody logged in
    visitor:<hash>     a browser, by the random cookie that its first page gave it
    session:<hash>     a client that keeps no cookie: what it says can be reached until it goes away
    key:<hash>         a program with the key of /v1

Everything stored is under one of these, so they never change. The store sees no secret, and nobody can name another's owner.
Only plain values come in here; what they are called in a request is known where it arrives.
"""

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import NewType

from chatapp.settings import is_loopback, on_space

Owner = NewType("Owner", str)

COOKIE = "chatapp_visitor"
COOKIE_SECONDS = 365 * 24 * 3600
TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")  # 128 random bits, as secrets.token_urlsafe(16) writes them
USER, VISITOR, SESSION, KEY = "user:", "visitor:", "session:", "key:"


def owner_of(*, login: str | None = None, cookie: str = "", session: str | None = None) -> Owner:
    """The owner behind a page: who is logged in, else the browser of this Cookie header, else this session; else somebody new."""
    if login:
        return Owner(USER + login)
    if token := visitor_token(cookie):
        return Owner(VISITOR + _hashed(token))
    return Owner(SESSION + _hashed(session or secrets.token_hex()))


def owner_of_key(key: str) -> Owner:
    """The owner behind /v1: whoever has this key."""
    return Owner(KEY + _hashed(key)[:16])


def login_of(owner: Owner) -> str:
    """The name that an owner logged in with, '' for all others."""
    return owner.removeprefix(USER) if owner.startswith(USER) else ""


def login_key(owner: Owner) -> str:
    """Under what a browser keeps the words of a login, as other logins may use it after this one; '' without a login."""
    return _hashed(owner)[:16] if login_of(owner) else ""


def address_of(host: str, owner: Owner) -> str:
    """Where a stranger asks from: who drops a cookie is still there. An IPv6 network is one place, as it has 2**64 addresses.

    '' for a login, and for cookies that come through one proxy, which tells nobody apart: this machine's, or a Space's.
    """
    if login_of(owner) or (owner.startswith(VISITOR) and (on_space() or is_loopback(host))):
        return ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a socket in the file system has none
        return host
    address = getattr(address, "ipv4_mapped", None) or address
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def visitor_token(cookie: str) -> str | None:
    """The visitor's secret from a Cookie header, if it is one that we could have made."""
    try:
        morsel = SimpleCookie(cookie).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel and TOKEN.fullmatch(morsel.value) else None


def new_cookie(*, secure: bool, space: bool) -> str:
    """A Set-Cookie value with a fresh token. In a Space's iframe on huggingface.co only a partitioned cookie is kept."""
    where = "; SameSite=None; Secure; Partitioned" if space else "; SameSite=Lax" + ("; Secure" if secure else "")
    return f"{COOKIE}={secrets.token_urlsafe(16)}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly{where}"


def login_cookies(app: str) -> list[str]:
    """The names of the two cookies in which Gradio keeps a login to the app of this id: one for https, one for any."""
    return [f"access-token-{kind}{app}" for kind in ("", "unsecure-")]


def login_name(app: str, cookies: Mapping[str, str], tokens: Mapping[str, str]) -> str | None:
    """The name of whoever is logged in, from Gradio's cookies and its tokens of logins, as its own get_current_user finds it."""
    given = (cookies.get(name) for name in login_cookies(app))
    return next((tokens[token] for token in given if token in tokens), None)


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
