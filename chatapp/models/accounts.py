"""As whom the Hub is asked: this machine's own account, a token typed for a browser's session, a visitor's sign-in. Kept in memory only."""

import os
import re
import threading
import time
from dataclasses import dataclass, replace
from typing import Literal

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.models.hub_access import OURS, Hub, ask

TOKEN = re.compile(r"[A-Za-z0-9_.-]{8,500}")
VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

Origin = Literal["typed", "space", "environment", "login", ""]
ORIGINS = {
    "typed": "typed in here; it is forgotten when the app ends",
    "space": "your sign-in to this Space; it is forgotten when you sign out or the app restarts",
    "environment": "the environment of the app (HF_TOKEN)",
    "login": "a login that was saved on this machine (hf auth login)",
    "": "no token",
}


@dataclass(frozen=True)
class Account:
    """As whom the Hub is asked. `name` is '' without a token; `problem` says why the Hub does not know it."""

    name: str
    origin: Origin
    problem: str = ""

    @property
    def words(self) -> str:
        return ORIGINS[self.origin]


class Accounts:
    """Tokens by owner: typed ones, and those of sign-ins with the time (time.monotonic) at which they end.

    No token leaves this process but to the Hub itself.
    """

    def __init__(self, hub: Hub = OURS) -> None:
        self._hub = hub
        self._typed: dict[Owner, str] = {}
        self._signed: dict[Owner, tuple[str, float]] = {}
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()

    def hub(self, owner: Owner, *, local: bool) -> Hub:
        """The Hub as this owner may ask it. `local`: the person at this machine, whose account is the machine's own."""
        with self._lock:
            own = self._typed.get(owner) or self._signed_token(owner)
        return replace(self._hub, token=own or (self._hub.token if local else False))

    def type(self, owner: Owner, token: str) -> None:
        """Keep a token for this owner, '' forgets it. Raises ChatError for what is none, and for one that the Hub does not know."""
        token = token.strip()
        if token and not TOKEN.fullmatch(token):
            raise ChatError("This is no token of the Hub: one looks like hf_ and letters and digits. Copy it from your settings there.")
        if token:
            self._name(replace(self._hub, token=token))
        with self._lock:
            self._typed.pop(owner, None)
            if token:
                self._typed[owner] = token

    def sign_in(self, owner: Owner, token: str, seconds: float) -> None:
        """A visitor of a Space is signed in for so long. Raises ChatError where the Hub does not know the token."""
        self._name(replace(self._hub, token=token))
        with self._lock:
            for ended in [one for one in self._signed if self._signed_token(one) is None]:
                self._drop(ended)
            self._drop(owner)
            self._signed[owner] = (token, time.monotonic() + seconds)

    def sign_out(self, owner: Owner) -> None:
        """Forget who a visitor is."""
        with self._lock:
            self._drop(owner)

    def account(self, owner: Owner, *, local: bool) -> Account:
        """Who this owner is on the Hub. Asks it once for each token."""
        hub = self.hub(owner, local=local)
        token = self._token(hub)
        if not token:
            return Account("", "")
        try:
            return Account(self._name(hub), self._origin(owner))
        except ChatError as error:
            return Account("", self._origin(owner), str(error))

    def _origin(self, owner: Owner) -> Origin:
        if owner in self._typed:
            return "typed"
        if owner in self._signed:
            return "space"
        return "environment" if any(os.environ.get(name) for name in VARIABLES) else "login"

    def _signed_token(self, owner: Owner) -> str | None:
        token, ends = self._signed.get(owner, (None, 0.0))
        return token if time.monotonic() < ends else None

    def _drop(self, owner: Owner) -> None:
        token, _ = self._signed.pop(owner, ("", 0.0))
        self._names.pop(token, None)

    def _token(self, hub: Hub) -> str:
        from huggingface_hub import get_token

        return hub.token if isinstance(hub.token, str) else (get_token() or "") if hub.token is None else ""

    def _name(self, hub: Hub) -> str:
        token = self._token(hub)
        if token not in self._names:
            self._names[token] = str(ask(hub, "", lambda: hub.api().whoami(token=token)).get("name", ""))
        return self._names[token]
