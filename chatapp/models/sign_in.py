"""Signing in with Hugging Face on a Space: an OAuth code that this server exchanges for a token. No cookie and no page ever holds it."""

import os
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.models.accounts import Accounts
from chatapp.models.failures import first_line
from chatapp.models.hub_access import ANSWER
from chatapp.settings import on_space

VARIABLES = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OPENID_PROVIDER_URL", "SPACE_HOST")
"""What a Space sets where its README says hf_oauth: true."""

START, BACK = "/login/huggingface", "/login/callback"
"""Paths of this app."""

WITHIN = 600.0
"""Seconds between the beginning of a sign-in and its end."""

MOST = 1000
"""Sign-ins that are begun and not ended; the oldest is forgotten."""

USUAL = 8 * 3600
"""Seconds that a token lasts where the answer does not say it."""

AGAIN = "Go back to the page Models and sign in again."


@dataclass(frozen=True)
class Provider:
    """Who tells this app who somebody is. `back` is the address to which the browser returns; `secret` goes to `address` alone."""

    client: str
    secret: str = field(repr=False)
    address: str
    back: str
    scopes: str = "openid profile"


def provider() -> Provider | None:
    """That of this Space; None elsewhere, and on one whose README does not ask for it."""
    if not on_space() or not all(os.environ.get(name) for name in VARIABLES):
        return None
    client, secret, address, hosts = (os.environ[name] for name in VARIABLES)
    host = hosts.partition(",")[0].strip()  # with a domain of one's own there are two: the Hub knows the first
    return Provider(client, secret, address.rstrip("/"), f"https://{host}{BACK}", os.environ.get("OAUTH_SCOPES") or "openid profile")


class SignIns:
    """Sign-ins that were begun. Each has a secret name, which only the browser in which it was begun can end, once."""

    def __init__(self, provider: Provider, accounts: Accounts) -> None:
        self.provider, self.accounts = provider, accounts
        self._begun: dict[str, tuple[Owner, float]] = {}
        self._found: dict[str, Any] = {}
        self._lock = threading.Lock()

    def begin(self, owner: Owner) -> str:
        """The address at which the person is asked. Raises ChatError where Hugging Face does not answer."""
        state = secrets.token_urlsafe(24)
        with self._lock:
            while len(self._begun) >= MOST:
                del self._begun[next(iter(self._begun))]
            self._begun[state] = (owner, time.monotonic())
        wanted = {"response_type": "code", "client_id": self.provider.client, "redirect_uri": self.provider.back}
        return f"{self._place('authorization_endpoint')}?{urlencode({**wanted, 'scope': self.provider.scopes, 'state': state})}"

    def end(self, owner: Owner, state: str, code: str, refused: str = "") -> None:
        """The browser came back, with a code or with why there is none. Raises ChatError for whatever is not the end of a sign-in."""
        with self._lock:
            begun_by, at = self._begun.pop(state, (None, 0.0))
        if begun_by != owner or time.monotonic() - at > WITHIN:
            raise ChatError(f"This sign-in was not begun in this browser, or too long ago. {AGAIN}", status=403)
        if refused or not code:
            why = refused[:200] or "nothing"
            raise ChatError(f"You were not signed in: Hugging Face says {why}. {AGAIN}", status=403)
        token, seconds = self._exchanged(code)
        self.accounts.sign_in(owner, token, seconds)

    def _exchanged(self, code: str) -> tuple[str, float]:
        """(token, seconds that it lasts) for a code."""
        given = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.provider.back}
        said = asked("POST", self._place("token_endpoint"), data=given, auth=(self.provider.client, self.provider.secret))
        token, seconds = said.get("access_token"), said.get("expires_in")
        if not isinstance(token, str) or not token:
            raise ChatError(f"Hugging Face gave no token for this sign-in. {AGAIN}", status=502)
        return token, seconds if isinstance(seconds, int | float) and seconds > 0 else USUAL

    def _place(self, name: str) -> str:
        """An address that the provider names of itself."""
        if not self._found:
            self._found = asked("GET", f"{self.provider.address}/.well-known/openid-configuration")
        if not isinstance(place := self._found.get(name), str):
            raise ChatError(f"{self.provider.address} does not say where to sign in. {AGAIN}", status=502)
        return place


def asked(method: str, address: str, **given: Any) -> dict[str, Any]:
    """What the provider answers, as an object. Raises ChatError in words that hold nothing of what was sent."""
    import httpx2
    from huggingface_hub import get_session
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        answer = get_session().request(method, address, timeout=ANSWER, follow_redirects=False, **given)
        said = answer.json()
    except (httpx2.HTTPError, OfflineModeIsEnabled, ValueError) as error:
        raise ChatError(f"Hugging Face cannot be asked who you are: {first_line(error)} {AGAIN}", status=503) from error
    if not isinstance(said, dict) or answer.status_code != 200:
        why = said.get("error_description") or said.get("error") if isinstance(said, dict) else ""
        raise ChatError(f"Hugging Face refused the sign-in ({str(why or answer.status_code)[:200]}). {AGAIN}", status=403)
    return said
