"""A model's name that is an address: a server that speaks OpenAI's protocol, and which of its models. Nothing is asked here."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from chatapp.errors import ChatError
from chatapp.settings import is_loopback

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
PORTS = {"http": 80, "https": 443}
PAGES = ("huggingface.co", "www.huggingface.co", "hf.co")
ROUTER = "https://router.huggingface.co"
"""Hugging Face Inference Providers: the one place that is sent the machine's own Hugging Face token."""

LONGEST = 500
FORM = "An address looks like http://127.0.0.1:8080/v1, or http://127.0.0.1:8080/v1#org/name for one of several models there"


@dataclass(frozen=True)
class Server:
    """`base` is what paths are put behind, `origin` its scheme, host and port: a key is sent to that and nowhere else.

    `model` is how the server calls the model, '' for its first.
    """

    origin: str
    base: str
    host: str
    model: str = ""

    @property
    def id(self) -> str:
        """As a --model value."""
        return f"{self.base}#{self.model}" if self.model else self.base

    @property
    def place(self) -> str:
        """host:port, for people."""
        return self.origin.partition("://")[2]

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)


def is_address(name: str) -> bool:
    """Is this the name of a model that another server runs?"""
    return bool(ADDRESS.match(name.strip()))


def server_of(name: str) -> Server:
    """The server that an address names. Raises ChatError, which repeats no password."""
    address, _, model = name.strip().partition("#")
    if len(name) > LONGEST or not (address + model).isprintable() or " " in address:
        raise ChatError(f"That is no address of a server: it holds a blank, or more than {LONGEST} characters. {FORM}.")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ChatError(f"That is no address of a server: {str(error)[:100]}. {FORM}.") from error
    if "@" in parts.netloc:
        raise ChatError("An address must not hold a user and a password: it is shown. Give the key in CHATAPP_REMOTE_KEYS instead.")
    if parts.scheme not in PORTS:
        raise ChatError(f"{parts.scheme}:// is not spoken here: a server is asked by http:// or https://. {FORM}.")
    if not host:
        raise ChatError(f"{address} names no host. {FORM}.")
    if parts.query:
        raise ChatError(f"An address must end before its '?': what follows may be a key, and it is shown. {FORM}.")
    if host in PAGES:
        raise ChatError(f"{host} is the Hub, where models lie: give org/name. What runs them there is {ROUTER}/v1#org/name.")
    return _server(parts.scheme, host, port, parts.path, model.strip())


def _server(scheme: str, host: str, port: int | None, path: str, model: str) -> Server:
    """With no more than it needs, so that one server has one id."""
    named = f"[{host}]" if ":" in host else host
    origin = f"{scheme}://{named}" + (f":{port}" if port not in (None, PORTS[scheme]) else "")
    path = path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    return Server(origin, origin + path, host, model)


def key_entries(text: str) -> dict[str, str]:
    """CHATAPP_REMOTE_KEYS → key by origin. Raises ChatError, which repeats no key."""
    found: dict[str, str] = {}
    for number, entry in enumerate(re.split(r"[\s,]+", text.strip(", \t\r\n")), 1):
        address, _, key = entry.partition("=")
        if not entry:
            continue
        if not (is_address(address) and key and key.isascii() and key.isprintable()):
            raise ChatError(
                f"Entry {number} of CHATAPP_REMOTE_KEYS is wrong: each is an address, '=' and the key for it, such as "
                "https://llm.example.org=sk-…, with blanks or commas between them."
            )
        found[server_of(address).origin] = key
    return found
