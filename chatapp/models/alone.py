"""Transformers makes one model at a time: meanwhile it changes its own classes and PyTorch's default number format, for every thread."""

import functools
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_MAKING = threading.RLock()


def alone(make: Callable[P, T]) -> Callable[P, T]:
    """A function that makes or reads a model, of which no two run at once, whichever thread calls them.

    Two that overlap leave PreTrainedModel.tie_weights as one that does nothing, until the process ends: models whose head is their table
    of words then lack it (transformers 5, initialization.no_tie_weights).
    """

    @functools.wraps(make)
    def waiting(*arguments: P.args, **named: P.kwargs) -> T:
        with _MAKING:
            return make(*arguments, **named)

    return waiting
