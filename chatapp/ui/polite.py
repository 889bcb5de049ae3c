"""The one place where a ChatError becomes something on the page."""

import functools
import html
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import gradio as gr

from chatapp import loose
from chatapp.errors import ChatError

P = ParamSpec("P")
R = TypeVar("R")


def polite(handler: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R | None]]:
    """A handler whose ChatError is shown as a notice, word for word, and answered with None: the caller shows the page as it stands."""

    @functools.wraps(handler)
    async def answered(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return await handler(*args, **kwargs)
        except ChatError as error:
            gr.Warning(html.escape(loose.text(str(error))), title="Not done")
            return None

    return answered
