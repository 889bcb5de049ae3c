"""Who may log in: `--auth user:password` pairs and files of `user:hash` lines. Passwords are kept as scrypt hashes only."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from chatapp.errors import ChatError

# OWASP's scrypt parameters for interactive logins: 16 MiB and about 50 ms for each try.
COST, BLOCK, PARALLEL = 2**14, 8, 1
MAX_MEMORY = 64 * 2**20
PREFIX = "scrypt"

Check = Callable[[str, str], Awaitable[bool]]


class Hash(NamedTuple):
    """A parsed password hash."""

    cost: int
    block: int
    parallel: int
    salt: bytes
    digest: bytes


def hash_password(password: str) -> str:
    """'scrypt$cost$block$parallel$salt$digest': what a line of an --auth file has after the name. Holds no colon."""
    salt = secrets.token_bytes(16)
    return _text(Hash(COST, BLOCK, PARALLEL, salt, _scrypt(password, Hash(COST, BLOCK, PARALLEL, salt, b""))))


def verify(password: str, stored: str) -> bool:
    """Does the password match? Takes the same time for a near miss as for a far one. ValueError when `stored` is no hash."""
    known = parse_hash(stored)
    return hmac.compare_digest(_scrypt(password, known), known.digest)


def parse_hash(stored: str) -> Hash:
    """Raises ValueError for anything that hash_password() did not write, or that would cost more memory than MAX_MEMORY."""
    try:
        prefix, cost, block, parallel, salt, digest = stored.split("$")
        known = Hash(int(cost), int(block), int(parallel), base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True))
    except (ValueError, binascii.Error) as error:
        raise ValueError("not a password hash") from error
    if prefix != PREFIX or not known.digest or 128 * known.cost * known.block * known.parallel >= MAX_MEMORY:
        raise ValueError("not a password hash")
    return known


def accounts(given: Sequence[str]) -> dict[str, str]:
    """Name → hash from the values of --auth. Raises ChatError, which never repeats a value: it may be a password."""
    found: dict[str, str] = {}
    for number, value in enumerate(given, 1):
        pairs = _file(Path(value)) if Path(value).is_file() else [_pair(value, number)]
        for name, stored in pairs:
            if name in found:
                raise ChatError(f"--auth names {name} twice. Give each name once.")
            found[name] = stored
    return found


def checker(given: Sequence[str]) -> Check | None:
    """What launch(auth=…) takes: an async function of name and password, or None when --auth was not given."""
    known = accounts(given)
    if not known:
        return None
    # An unknown name costs as much time as a wrong password, so that names cannot be found by timing.
    nobody = hash_password(secrets.token_urlsafe())

    async def check(name: str, password: str) -> bool:
        right = await asyncio.to_thread(verify, password, known.get(name, nobody))
        return right and name in known

    return check


def _pair(value: str, number: int) -> tuple[str, str]:
    name, colon, password = value.partition(":")
    if not (colon and name.strip() and password):
        raise ChatError(f"Value {number} of --auth is neither user:password nor a file that exists.")
    return name.strip(), hash_password(password)


def _file(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ChatError(f"The --auth file {path} cannot be read: {error}.") from error
    pairs = [_line(line, f"line {n} of {path}") for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not pairs:
        raise ChatError(f"The --auth file {path} names nobody. Each line is user:hash; make one with `python app.py hash-password`.")
    return pairs


def _line(line: str, where: str) -> tuple[str, str]:
    name, _, stored = line.strip().partition(":")
    try:
        parse_hash(stored)
    except ValueError as error:
        raise ChatError(f"{where.capitalize()} is not user:hash. Make the hash with `python app.py hash-password`.") from error
    if not name:
        raise ChatError(f"{where.capitalize()} has no name before the colon.")
    return name, stored


def _scrypt(password: str, known: Hash) -> bytes:
    return hashlib.scrypt(password.encode(), salt=known.salt, n=known.cost, r=known.block, p=known.parallel, maxmem=MAX_MEMORY, dklen=32)


def _text(known: Hash) -> str:
    encode = base64.b64encode
    parts = (PREFIX, known.cost, known.block, known.parallel, encode(known.salt).decode(), encode(known.digest).decode())
    return "$".join(map(str, parts))
