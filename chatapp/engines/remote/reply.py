"""What a server says of a reply, piece by piece, as our events: its words with its thoughts before them, why it ended, its own numbers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chatapp.engines.remote.request import as_text
from chatapp.engines.text import StopStrings
from chatapp.errors import ChatError
from chatapp.turn import Event, Finish, Heard, Token

SAID = ("model", "provider", "id", "system_fingerprint", "service_tier", "usage", "timings")
OF_CHOICE = ("finish_reason", "stop_reason")
LONGEST_SAID = 20_000

BROKEN_OFF = {"content_filter": "its filter of contents", "error": "an error", "abort": "it was stopped there"}
"""finish_reason → in words."""

SHORTEST_ECHO = 8
"""Characters of a given beginning from which a reply that begins with the same is taken to repeat it."""


class Reply:
    """`take` turns an object of the stream into events, `end` what is left into the last ones.

    `beginning` is the given beginning of the reply, where it is not known whether the server goes on from it.
    """

    def __init__(self, place: str, stop: Sequence[str], beginning: str = "") -> None:
        self.said: dict[str, Any] = {}
        self.reason = ""
        self._place, self._stop = place, StopStrings(stop)
        self._thinking = False
        self._beginning = beginning
        self._echo = Echo(beginning)

    @property
    def stopped(self) -> bool:
        """Did a stop string come that the server let through?"""
        return self._stop.stopped

    def take(self, piece: Mapping[str, Any]) -> Iterator[Event]:
        first = not self.said
        self.said |= {name: piece[name] for name in SAID if piece.get(name) is not None}
        choices = piece.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        if text := self._stop.feed(self._echo.feed(self._text(choice.get("delta") or choice.get("message") or {}))):
            yield Token(None, text)
        self.said |= {name: choice[name] for name in OF_CHOICE if choice.get(name) is not None}
        self.reason = words(self.said.get("finish_reason"))
        if first and self.said:
            yield self.heard()

    def heard(self) -> Heard:
        """The server's word so far."""
        text = as_text({"said": self.said} | ({"beginning": self._echo.word} if self._beginning else {}))
        return Heard(text if len(text) <= LONGEST_SAID else as_text({"said": {"model": str(self.said.get("model", ""))[:200]}}))

    def end(self, done: bool) -> Iterator[Event]:
        """`done`: the server said that this is all. Raises ChatError where the reply was cut."""
        rest = self._stop.feed(self._echo.flush() + self._closing())
        yield self.heard()
        if not (self.reason or done or self.stopped):
            raise ChatError(f"{self._place} ended the reply without saying why: it may be cut. What was written so far stays.", status=503)
        if self.reason in BROKEN_OFF:
            raise ChatError(f"{self._place} broke the reply off: {BROKEN_OFF[self.reason]}. What was written so far stays.", status=503)
        if self.stopped or isinstance(self.said.get("stop_reason"), str):
            yield Finish("stop", rest)
        else:
            yield Finish("length" if self.reason == "length" else "end", rest + self._stop.flush())

    def _text(self, delta: Any) -> str:
        """Its thoughts, as local models write them, and its words."""
        if not isinstance(delta, dict):
            return ""
        text = ""
        if thought := words(delta.get("reasoning_content") or delta.get("reasoning")):
            text, self._thinking = thought if self._thinking else f"<think>\n{thought}", True
        if said := words(delta.get("content") or delta.get("refusal")):
            text, self._thinking = text + (f"\n</think>\n\n{said}" if self._thinking else said), False
        return text

    def _closing(self) -> str:
        """A reply that was cut in its thoughts stays open, as a local one does."""
        return "\n</think>" if self._thinking and self.reason != "length" else ""


class Echo:
    """Takes a given beginning away where the reply repeats it: some servers do, and one that begins anew may find the same words.

    `word` says what was seen: repeated or unknown.
    """

    def __init__(self, beginning: str) -> None:
        self._wanted = beginning if len(beginning) >= SHORTEST_ECHO else ""
        self._held = ""
        self.word = "unknown"

    def feed(self, text: str) -> str:
        if not self._wanted:
            return text
        self._held += text
        if self._wanted.startswith(self._held) and self._held != self._wanted:
            return ""
        if self._held.startswith(self._wanted):
            self._held, self.word = self._held[len(self._wanted) :], "repeated"
        return self.flush()

    def flush(self) -> str:
        """What was held back until it was decided."""
        held, self._held, self._wanted = self._held, "", ""
        return held


def words(value: Any) -> str:
    """A text, or a list of parts with texts."""
    if isinstance(value, list):
        value = "".join(part["text"] for part in value if isinstance(part, dict) and isinstance(part.get("text"), str))
    return value if isinstance(value, str) else ""
