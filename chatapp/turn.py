"""Values only: what was said, what the model was given, what it did. Everything else renders these."""

import json
import time
import uuid
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from chatapp.identity import Owner
from chatapp.sampling import Sampling

Role = Literal["system", "user", "assistant"]

FinishReason = Literal["", "end", "length", "stop", "stopped", "error", "interrupted"]
"""'' still running · end-of-turn token · max tokens or context · a stop string · a person pressed Stop · failed · the process died."""


@dataclass(frozen=True)
class Message:
    """One message as the template receives it."""

    role: Role
    content: str


@dataclass(frozen=True)
class Span:
    """Characters start..end of a rendered prompt. kind: 'content' (somebody's words) or 'template' (everything the template adds).

    `message` is the index into Prompt.messages, or None where a piece belongs to no message (begin-of-text, generation prompt).
    """

    start: int
    end: int
    kind: Literal["content", "template"]
    role: Role | None
    message: int | None


@dataclass(frozen=True)
class Prompt:
    """What the model is given, made once: `ids` is the very list handed to it.

    messages                the messages that went in, after dropping
    dropped_messages        how many whole oldest messages were left out for space
    escaped_special_tokens  special-token strings a person typed, encoded as plain text
    date                    the date handed to the template, ISO, so that an old turn stays true
    prefix_tokens           how many of its last ids are the reply's given beginning

    An engine that takes messages has no ids, and `text` is the JSON of what another server will be sent.
    """

    ids: tuple[int, ...]
    text: str
    spans: tuple[Span, ...] = ()
    messages: tuple[Message, ...] = ()
    dropped_messages: int = 0
    escaped_special_tokens: tuple[str, ...] = ()
    date: str = ""
    prefix_tokens: int = 0


@dataclass(frozen=True)
class Prefilled:
    """First event of a generation: the prompt is in the KV cache. `reused` of its tokens were there already."""

    reused: int


@dataclass(frozen=True)
class Token:
    """One generated token. `text` ends at a character boundary, so it is '' while a character or a stop string is incomplete.

    `id` is None only for engines that cannot give ids; `logprob` is natural log of the drawn token's probability, if known.
    """

    id: int | None
    text: str
    logprob: float | None = None


@dataclass(frozen=True)
class Finish:
    """Last event of a generation: why it ended, and text that was held back (an incomplete stop string)."""

    reason: Literal["end", "length", "stop"]
    text: str = ""


@dataclass(frozen=True)
class Sent:
    """Of an engine that asks another server: the JSON of the request as it went out, which becomes the prompt's text. It has no key."""

    text: str


@dataclass(frozen=True)
class Heard:
    """The server's own word on a reply, as JSON: which model, its counts and times. The latest counts."""

    text: str


Event = Prefilled | Token | Finish | Sent | Heard

REMOTE = "remote"
"""The engine that asks another server."""


@dataclass(frozen=True)
class Timings:
    """Seconds, except the wall-clock `started` (Unix time). `first_token` counts from the moment the engine took the prompt."""

    started: float = 0.0
    queued: float = 0.0
    first_token: float | None = None
    generating: float = 0.0


SHORTEST_SPAN = 0.25
"""Seconds from the first token to the last below which no speed is told: tokens come in lumps, llama.cpp's twelve times a second, and a
short reply in one."""


def pace(tokens: int, first_token: float | None, generating: float) -> float | None:
    """Decode speed: tokens after the first, over the seconds after the first. None where that time says nothing."""
    span = generating - first_token if first_token is not None else 0.0
    return (tokens - 1) / span if tokens > 1 and span >= SHORTEST_SPAN else None


def new_id() -> str:
    """An unguessable id: 122 random bits as hex."""
    return uuid.uuid4().hex


@dataclass
class Turn:
    """One question and its reply: the record of everything the model saw and did.

    `sampling` is what was asked for; `seed` is the one the reply was drawn with: the asked one, or one the app chose so that the reply
    can be made again. None for a greedy reply, and for engines that cannot repeat one.

    `prompt_ids` is the very list handed to the model. Its last `prefix_tokens` ids are the given beginning of the reply
    (Continue, or a branch from an alternative token), whose text is `prefix_text`; `reply_ids` are the generated ones.
    `history` holds earlier messages that came with an API request or an import instead of from parent turns.

    Of a reply that another server wrote there are no ids: `prompt_text` is the JSON that it was sent, `heard` its own word at the end.
    """

    owner: Owner
    conversation_id: str
    user: str
    id: str = field(default_factory=new_id)
    parent_id: str | None = None
    system: str = ""
    history: tuple[Message, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    created: float = field(default_factory=time.time)
    # what the model saw
    prompt_text: str = ""
    prompt_ids: tuple[int, ...] = ()
    spans: tuple[Span, ...] = ()
    dropped_messages: int = 0
    escaped_special_tokens: tuple[str, ...] = ()
    date: str = ""
    seed: int | None = None
    prefix_tokens: int = 0
    prefix_text: str = ""
    continues: str | None = None
    # what it did
    reply_text: str = ""
    reply_ids: list[int] = field(default_factory=list)
    logprobs: list[float | None] = field(default_factory=list)
    finish_reason: FinishReason = ""
    error: str = ""
    cached_prompt_tokens: int = 0
    timings: Timings = field(default_factory=Timings)
    # who did it
    model: str = ""
    revision: str = ""
    engine: str = ""
    device: str = ""
    dtype: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    heard: str = ""

    @property
    def reply(self) -> str:
        """The whole reply as read: its given beginning and what was generated."""
        return self.prefix_text + self.reply_text

    @property
    def running(self) -> bool:
        return self.finish_reason == ""

    @property
    def imported(self) -> bool:
        """Not written here: it came with a file, where `engine` names the program, and how it was made is not recorded."""
        return not self.device and (bool(self.engine) or self.finish_reason == "end")

    @property
    def cut(self) -> bool:
        """Ended by something else than the model."""
        return self.finish_reason in ("length", "stopped", "interrupted", "error")

    @property
    def can_continue(self) -> bool:
        """A reply that was cut: more could follow."""
        return self.cut and bool(self.prompt_ids or (self.remote and self.reply))

    @property
    def remote(self) -> bool:
        """Another server wrote it."""
        return self.engine == REMOTE

    @property
    def told(self) -> dict[str, Any]:
        """The server's word: {said: {…}, beginning}. Empty of a reply that was written here."""
        try:
            value = json.loads(self.heard or "{}")
        except ValueError:  # a record that was changed in a file
            return {}
        return value if isinstance(value, dict) else {}

    def counted(self, name: str) -> int:
        """A number of tokens by the server's word: prompt_tokens or completion_tokens; 0 where it said none."""
        said = self.told.get("said")
        usage = said.get("usage") if isinstance(said, dict) else None
        number = usage.get(name) if isinstance(usage, dict) else None
        return number if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 10**9 else 0

    @property
    def tokens(self) -> int:
        """Of the reply: ids, or what the server counted."""
        return len(self.reply_ids) or self.counted("completion_tokens")

    @property
    def tokens_per_second(self) -> float | None:
        """Decode speed."""
        return pace(self.tokens, self.timings.first_token, self.timings.generating)

    def snapshot(self) -> "Turn":
        """A copy whose lists no running job will change."""
        return replace(self, reply_ids=list(self.reply_ids), logprobs=list(self.logprobs))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, every field by name."""
        return asdict(self)
