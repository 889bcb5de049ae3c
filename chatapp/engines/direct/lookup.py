"""Prompt lookup: where the last few tokens stood before, what followed there may follow again. Guesses cost little and are checked.

After Saxena's prompt lookup decoding (2023): no second model, only the ids of the conversation.
"""

from collections.abc import Sequence

PATTERN = 3
"""Tokens that must repeat before a guess is made."""

LONGEST_PAUSE = 64


class Lookup:
    """Guesses at most `most` tokens ahead. After a guess that was wrong at once it pauses, each time twice as long, so that text which
    only seems to repeat loses little.
    """

    def __init__(self, ids: Sequence[int], most: int) -> None:
        self._most = most
        self._ids: list[int] = []
        self._followed: dict[tuple[int, ...], int] = {}  # pattern → where the token after its latest occurrence stands
        self._found: int | None = None
        self._guessed: list[int] = []
        self._right = 0
        self._pause, self._wait = 1, 0
        for token in ids if most else ():
            self._note(token)

    def guess(self, room: int) -> list[int]:
        """Up to `room` ids that may come next; [] where nothing repeats."""
        self._right = 0
        ready = self._found is not None and self._wait == 0
        self._guessed = self._ids[self._found : self._found + min(self._most, room)] if ready and room > 0 else []
        return list(self._guessed)

    def saw(self, token: int) -> bool:
        """Note the token that came. True when it was the next of the guess: then what was computed after it holds."""
        if not self._most:
            return False
        self._note(token)
        if not self._guessed:
            self._wait = max(0, self._wait - 1)
            return False
        if right := token == self._guessed.pop(0):
            self._right, self._pause = self._right + 1, 1
        else:
            self._guessed.clear()
            if not self._right:
                self._wait, self._pause = self._pause, min(LONGEST_PAUSE, 2 * self._pause)
        return right

    def _note(self, token: int) -> None:
        self._ids.append(token)
        pattern = tuple(self._ids[-PATTERN:])
        self._found = self._followed.get(pattern)
        if len(pattern) == PATTERN:
            self._followed[pattern] = len(self._ids)
