"""The one exception a person sees: what happened, the numbers, what to do."""

import difflib
from collections.abc import Iterable


class ChatError(Exception):
    """A failure in the user's world. `str(error)` is one or two sentences shown as they are, on the page or the command line.

    `status` is the HTTP status a web route answers with.
    """

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class NotFound(ChatError):
    """The thing does not exist, or is not the asker's: both read the same, so that ids cannot be probed."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was not found.", status=404)


def closest(name: str, known: Iterable[str]) -> str:
    """' Did you mean X?' for a misspelt name, or nothing."""
    match = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {match[0]}?" if match else ""
