"""As whom the Hub is asked: this machine's own account, or a token that somebody typed for their browser's session. Kept in memory only."""

import os
import re
import threading
from dataclasses import dataclass, replace
from typing import Literal

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.models.hub_access import OURS, Hub, ask

TOKEN = re.compile(r"[A-Za-z0-9_.-]{8,500}")
VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

Origin = Literal["typed", "environment", "login", ""]
ORIGINS = {
    "typed": "typed in here; it is forgotten when the app ends",
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
    """Typed tokens by owner. No token leaves this process but to the Hub itself."""

    def __init__(self, hub: Hub = OURS) -> None:
        self._hub = hub
        self._typed: dict[Owner, str] = {}
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()

    def hub(self, owner: Owner, *, local: bool) -> Hub:
        """The Hub as this owner may ask it. `local`: the person at this machine, whose account is the machine's own."""
        with self._lock:
            typed = self._typed.get(owner)
        return replace(self._hub, token=typed or (self._hub.token if local else False))

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
        return "environment" if any(os.environ.get(name) for name in VARIABLES) else "login"

    def _token(self, hub: Hub) -> str:
        from huggingface_hub import get_token

        return hub.token if isinstance(hub.token, str) else (get_token() or "") if hub.token is None else ""

    def _name(self, hub: Hub) -> str:
        token = self._token(hub)
        if token not in self._names:
            self._names[token] = str(ask(hub, "", lambda: hub.api().whoami(token=token)).get("name", ""))
        return self._names[token]
