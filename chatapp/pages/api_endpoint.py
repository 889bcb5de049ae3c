"""/chat: the named endpoint for gradio_client, which streams the reply as text.

client = gradio_client.Client("http://127.0.0.1:7860")
for text in client.submit("Hello", api_name="/chat"): print(text)      # the whole reply so far, each time
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import suppress
from inspect import Parameter, Signature
from typing import Any

import gradio as gr

from chatapp import strict_json
from chatapp.chat.service import Chat
from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner, address_of, owner_of
from chatapp.pages.reader import Reader
from chatapp.resident.admission import asked_from
from chatapp.sampling import SAMPLING_PARAMS, Sampling, SamplingParam
from chatapp.turn import Turn

STEP_SECONDS = 0.1
"""Between two updates: each costs the server about a millisecond and the client three, on the cores the model may need."""
MAX_NAMES = 10_000
CONVERSATION_ID = re.compile(r"[0-9a-f]{32}")
BY_POSITION = ("temperature", "top_p", "top_k", "max_tokens", "min_p", "repetition_penalty")
"""Plain HTTP gives values by position: message, system, these, seed, stop, conversation_id. What came later stands behind, and may be
left out."""

LATER = tuple(param for param in SAMPLING_PARAMS if param.name not in BY_POSITION)
SETTINGS = (*(param.name for param in SAMPLING_PARAMS), "seed")


def _parameter(name: str, annotation: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)


def _setting(param: SamplingParam) -> Parameter:
    return _parameter(param.name, type(param.default), param.default)


SIGNATURE = Signature(
    [
        _parameter("message", str),
        _parameter("system", str, ""),
        *(_setting(param) for param in SAMPLING_PARAMS if param.name in BY_POSITION),
        _parameter("seed", int | None, None),
        _parameter("stop", str, ""),
        _parameter("conversation_id", str, ""),
        *(_setting(param) for param in LATER),
        _parameter("request", gr.Request, None),
    ],
    return_annotation=str,
)
"""Of /chat, as Gradio reads it. An iterator as what it returns would count as no output at all."""


class Names:
    """Which conversation an owner's own name stands for, while the server runs. The longest unused are forgotten."""

    def __init__(self) -> None:
        self.known: OrderedDict[tuple[str, str], str] = OrderedDict()

    def find(self, owner: Owner, name: str) -> str | None:
        """An id stands for itself (Chat checks whose it is); a new name or '' for a new conversation."""
        if CONVERSATION_ID.fullmatch(name):
            return name
        return self.known.get((owner, name))

    def keep(self, turn: Turn, name: str) -> None:
        if name and not CONVERSATION_ID.fullmatch(name):
            self.known[turn.owner, name] = turn.conversation_id
            self.known.move_to_end((turn.owner, name))
            while len(self.known) > MAX_NAMES:
                self.known.popitem(last=False)


def add(chat: Chat) -> None:
    """Add the endpoint to the Blocks being built. Chat's own queue decides who waits, so Gradio's must not."""
    names = Names()

    async def reply(*values: Any) -> AsyncIterator[str]:
        """Stream the model's reply: each update is the whole reply so far.

        Parameters:
            stop: text at which the reply ends; several on lines of their own
            conversation_id: to go on with a conversation: any name of yours, the same in each call, or an id from the page's address
        """
        given = dict(zip(SIGNATURE.parameters, values, strict=True))
        request, words = given["request"], {name: given[name] or "" for name in ("system", "stop", "conversation_id")}
        refuse_what_is_no_text(message=given["message"], **words)
        system, stop, conversation_id = map(strict_json.text, words.values())
        settings = {name: given[name] for name in SETTINGS} | {"stop": tuple(filter(None, stop.split("\n")))}
        owner, reader = owner_asking(request), Reader()
        try:
            sampling, known = Sampling.of(settings), names.find(owner, conversation_id)
            turn = await begun(chat, owner, given["message"], known, anew=known != conversation_id, system=system, sampling=sampling)
        except ChatError as error:
            raise shown(error) from None
        names.keep(turn, conversation_id)
        async for text in texts(chat, turn, reader):
            yield text

    reply.__signature__ = SIGNATURE
    reply.__annotations__ = {name: parameter.annotation for name, parameter in SIGNATURE.parameters.items()}
    gr.api(reply, api_name="chat", concurrency_limit=None)


def owner_asking(request: gr.Request) -> Owner:
    """Who calls, and for the queue, from where."""
    owner = owner_of(login=request.username, cookie=dict(request.headers).get("cookie", ""), session=request.session_hash)
    asked_from.set(address_of(request.client.host if request.client else "", owner))
    return owner


def complete(values: list[Any]) -> None:
    """Append the defaults of later settings that a call by position leaves out."""
    missing = len(SIGNATURE.parameters) - 1 - len(values)  # the request is Gradio's
    if 0 < missing <= len(LATER):
        values += [param.default for param in LATER[-missing:]]


async def begun(chat: Chat, owner: Owner, message: str, conversation: str | None, *, anew: bool, **how: Any) -> Turn:
    """The live turn. `anew`: where the conversation has been deleted, in a new one."""
    try:
        return await chat.send(owner, message, conversation_id=conversation, **how)
    except NotFound:
        if conversation is None or not anew:
            raise
        return await chat.send(owner, message, **how)


def refuse_what_is_no_text(**given: object) -> None:
    if wrong := [name for name, value in given.items() if not isinstance(value, str)]:
        raise shown(ChatError(f"{' and '.join(wrong)} must be text.", status=422))


async def texts(chat: Chat, turn: Turn, reader: Reader) -> AsyncIterator[str]:
    """The reply so far, at most every STEP_SECONDS and as fast as it is read, and whole at the end.

    Closing it stops the reply, and so does a reader who is gone: a client has no other way back.
    """
    shown_at, last = 0.0, ""
    leaving = asyncio.create_task(stop_unread(chat, turn, reader), name=f"reader of {turn.id}")
    try:
        async for live in chat.follow(turn.owner, turn.id):
            due = time.monotonic() - shown_at >= STEP_SECONDS and not reader.behind
            if live.reply != last and (due or not live.running):
                shown_at, last = time.monotonic(), live.reply
                yield last
    finally:
        leaving.cancel()
        if turn.running:
            await chat.stop(turn.owner, turn.id)
    if turn.finish_reason in ("error", "interrupted"):
        raise shown(ChatError(turn.error or "The server is shutting down; the reply was interrupted."))
    if not last:
        yield ""  # a model may end at once: a client that got nothing at all would report a failure


async def stop_unread(chat: Chat, turn: Turn, reader: Reader) -> None:
    await reader.gone()
    with suppress(NotFound):  # deleted meanwhile
        await chat.stop(turn.owner, turn.id)


def shown(error: ChatError) -> gr.Error:
    """The sentence for the client; without a traceback in the log."""
    return gr.Error(strict_json.text(str(error)), print_exception=False)
