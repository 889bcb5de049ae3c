"""How many tokens a server will count, without its tokenizer: by bytes at first, then by what it said of earlier prompts."""

from collections.abc import Mapping, Sequence

from chatapp.engines.remote.request import as_text, sent
from chatapp.errors import ChatError
from chatapp.prompt.layout import split_turns
from chatapp.prompt.template import Budget, reserve
from chatapp.turn import Message, Prompt

BYTES = 3.6
"""UTF-8 bytes for a token. English prose has 4 to 4.5 with today's vocabularies, code and other languages fewer."""

AROUND = 6
"""Tokens that a chat template puts around each message."""

TRUST = 400
"""Tokens that the first guess counts as: a server's word on a prompt of so many weighs as much as it."""

LEAST, MOST = 0.6, 4.0
"""Times the first guess: 6 bytes for a token, and hardly one. A server that counts otherwise counts something else, as new tokens only."""

MARGIN = 0.05
"""Of an estimate, kept free for its error."""


class Estimate:
    """`learn` makes it better."""

    def __init__(self) -> None:
        self._guessed = self._counted = float(TRUST)

    def of(self, guess: float) -> int:
        """Tokens that a guess stands for."""
        return round(guess * min(MOST, max(LEAST, self._counted / self._guessed))) + 1

    def learn(self, guess: float, counted: int) -> None:
        """What was guessed of a prompt, and how many tokens the server counted."""
        self._guessed, self._counted = self._guessed + guess, self._counted + counted


def guess(messages: Sequence[Mapping[str, str]]) -> float:
    """Of messages as they are sent, before anything was learned."""
    return sum(len(message["content"].encode(errors="replace")) / BYTES + AROUND for message in messages)


class Room:
    """The context of a server's model: whole oldest turns are left out where they do not fit, by the estimate."""

    def __init__(self, context: int, estimate: Estimate) -> None:
        self.context, self.estimate = context, estimate

    def render(self, messages: Sequence[Message], *, max_tokens: int, prefix: str = "") -> Prompt:
        """See Engine.render; the record's text is JSON of what will be sent."""
        kept, dropped, used = self._fitted(messages, max_tokens, prefix)
        room = self._room(max_tokens)
        if used > room:
            raise ChatError(
                f"This message does not fit: with the system prompt it is about {used:,} tokens, an estimate, and {room:,} are free "
                f"(the context holds {self.context:,}, of which {self.context - room:,} are kept for the reply). Shorten it"
                f"{' or lower Max tokens' if max_tokens > 1 else ''}; --context says how many tokens the server holds.",
                status=413,
            )
        return Prompt((), as_text({"messages": sent(kept, prefix)}), messages=kept, dropped_messages=dropped)

    def budget(self, messages: Sequence[Message], *, max_tokens: int) -> Budget:
        """See Engine.budget."""
        reserved = reserve(max_tokens, self.context)
        if not messages:
            return Budget(0, reserved, self.context, 0, False, estimated=True)
        _, dropped, used = self._fitted(messages, max_tokens, "")
        return Budget(used, reserved, self.context, dropped, used > self._room(max_tokens), estimated=True)

    def left(self, used: int, max_tokens: int) -> int:
        """The max_tokens that may be asked for, so that no server refuses more than its context."""
        return max(1, min(max_tokens, self.context - round(used * (1 + MARGIN))))

    def _room(self, max_tokens: int) -> int:
        return round((self.context - reserve(max_tokens, self.context)) * (1 - MARGIN))

    def _fitted(self, messages: Sequence[Message], max_tokens: int, prefix: str) -> tuple[tuple[Message, ...], int, int]:
        """(messages, how many were left out, about how many tokens)"""
        head, turns = split_turns(tuple(messages))
        costs = [guess(sent(turn)) for turn in turns]
        fixed = guess(sent(head, prefix))
        room, drop = self._room(max_tokens), 0
        while drop < len(turns) - 1 and self.estimate.of(fixed + sum(costs[drop:])) > room:
            drop += 1
        kept = head + tuple(m for turn in turns[drop:] for m in turn)
        return kept, sum(len(turn) for turn in turns[:drop]), self.estimate.of(fixed + sum(costs[drop:]))
