"""How fast the chat writes beside the run that trains now, and how fast without one: read from the records of its replies."""

import time
from statistics import median

from chatapp.lab.train.runs import Runs
from chatapp.store import Store
from chatapp.store.errors import StoreError
from chatapp.store.speeds import beside

OFTEN = 3.0
"""Seconds between two looks at the records."""


class Beside:
    """In words; one for all pages."""

    def __init__(self, store: Store, runs: Runs) -> None:
        self.store, self.runs = store, runs
        self._looked, self._words = 0.0, ""

    def words(self) -> str:
        """'' where nothing trains, or the records cannot be read now. Reads the store: not for the event loop."""
        if (since := self.runs.since) is None:
            return ""
        if time.monotonic() - self._looked > OFTEN:
            try:
                self._words = said(*beside(self.store.database, since, self.runs.spans()))
            except StoreError:
                self._words = ""
            self._looked = time.monotonic()
        return self._words


def said(during: list[float], alone: list[float]) -> str:
    """Medians, each with the number of replies it is of."""
    if not during:
        return "Training yields to the chat. What a reply beside it makes of that is measured as soon as there is one."
    found = f"The chat beside it writes {median(during):,.1f} tokens/s ({replies(during)})"
    if not alone:
        return f"{found}; there is none by this model without a training to compare with."
    share = median(during) / median(alone)
    return f"{found}, without a training {median(alone):,.1f} ({replies(alone)}): it keeps {share:.2f} of its speed."


def replies(found: list[float]) -> str:
    return f"the latest {len(found)} replies" if len(found) > 1 else "one reply"
