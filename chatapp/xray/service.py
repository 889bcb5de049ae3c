"""What the page may ask X-ray: one question comes in with the name of a view, its progress and its data go out."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from chatapp.chat.service import Chat
from chatapp.engines.base import Engine
from chatapp.errors import ChatError
from chatapp.models.identity import ModelId, made_by
from chatapp.resident.admission import asked_from
from chatapp.resident.slot import Resident
from chatapp.sampling import Sampling
from chatapp.turn import Turn, new_id
from chatapp.xray import inside, pasted, views
from chatapp.xray import replay as replays
from chatapp.xray.inspector import Inspector, Step
from chatapp.xray.whose import Unsure

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class XrayQuery:
    """What the page asks to see. Loose values from a browser: every id is checked by the store, every number by the view."""

    owner: str
    view: str
    turn: Turn | None = None
    loose: dict[str, Any] = field(default_factory=dict)
    unsure: str = ""

    def number(self, name: str, default: int = 0) -> int:
        value = self.loose.get(name)
        return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 else default

    def text(self, name: str) -> str:
        value = self.loose.get(name)
        return value if isinstance(value, str) else ""

    def model(self, name: str) -> str:
        """The name of a model, as somebody typed it."""
        return self.text(name).strip()

    def attention(self) -> tuple[str, int, int]:
        """Layers, first and last token, as the attention views take them."""
        return self.text("layers"), self.number("first"), self.number("last")


class XrayService:
    """The views by name. Every one is an async generator of Steps and dicts; `look` turns them into what the page is told."""

    def __init__(self, chat: Chat, resident: Resident) -> None:
        self.chat = chat
        self.resident = resident
        self.inspector = Inspector(resident)
        self.views: dict[str, Callable[[XrayQuery], views.View]] = {
            "prompt": lambda look: views.prompt(self.inspector, look.turn),
            "probabilities": self.probabilities,
            "draw": self.draw,
            "attention": lambda look: inside.attention(self.inspector, look.turn, *look.attention(), look.model("other")),
            "tutorial": lambda look: inside.tutorial(self.inspector, look.turn, look.text("kind"), *look.attention()),
            "layers": lambda look: inside.lens(self.inspector, look.turn, look.number("first"), look.number("count", 16)),
            "model": lambda look: inside.architecture(self.inspector, look.turn),
            "neighbours": lambda look: inside.neighbours(self.inspector, look.turn, look.number("token")),
            "tokenizer": lambda look: pasted.tokenizer(self.inspector, made_by(look.turn), look.text("text"), look.model("other")),
            "search": lambda look: pasted.search(self.inspector, made_by(look.turn), look.text("query")),
            "perplexity": lambda look: pasted.perplexity(self.inspector, made_by(look.turn), look.text("text")),
            "pasted": lambda look: pasted.probabilities(self.inspector, made_by(look.turn), look.text("text")),
            "card": lambda look: views.reproduce(look.turn, self.engine()),
            "measure": lambda look: views.measure(self.inspector, look.turn),
            "replay": self.replay,
            "load": lambda look: views.load(self.inspector, look.model("model") or str(made_by(look.turn))),
            "branch": self.branch,
        }

    def engine(self) -> Engine | None:
        return self.resident.engine if self.resident.state == "ready" else None

    async def look(self, loose: dict[str, Any], owner: str) -> AsyncIterator[dict[str, Any]]:
        """Answer one question: {"words", "share"} while working, {"data"} as it comes, {"done"} or {"error", "offer"} at the end."""
        async with aclosing(self.answers(loose, owner)) as answers:
            going = True
            while going:
                # A failure of any kind comes as a value: a stream that only broke off would tell the reader nothing.
                (answer,) = await asyncio.gather(anext(answers, {"done": True}), return_exceptions=True)
                answer = answer if isinstance(answer, dict) else failure(answer)
                going = not answer.keys() & {"done", "error"}
                yield answer

    async def answers(self, loose: dict[str, Any], owner: str) -> AsyncIterator[dict[str, Any]]:
        """The answers without the last."""
        look = await self.asked(loose, owner)
        unsure = {"unsure": look.unsure} if look.unsure else {}
        async with aclosing(self.views[look.view](look)) as items:
            async for item in items:
                yield {"words": item.words, "share": item.share} if isinstance(item, Step) else {"data": item | unsure}

    async def asked(self, loose: dict[str, Any], owner: str) -> XrayQuery:
        """The question with its turn, which must be the asker's own."""
        look = XrayQuery(owner, str(loose.get("view")), loose=loose)
        if look.view not in self.views:
            raise ChatError(f"There is no X-ray view named {look.view!r}. Reload the page.")
        async with self.chat.stores.explained(owner, look.text("temporary") or None):
            turn = await self.chat.turn(owner, look.text("turn"))
        if turn.running:
            raise ChatError("This reply is still being written. X-ray shows it when it is done, or after Stop.")
        look = replace(look, turn=turn)
        return anyway(look, self.inspector.called(turn.model)) if loose.get("anyway") is True else look

    async def probabilities(self, look: XrayQuery) -> views.View:
        """Rows gathered so far, so that the page can draw the latest value and miss none."""
        shown: dict[str, Any] = {"rows": [], "difference": None}
        async with aclosing(views.probabilities(self.inspector, look.turn)) as items:
            async for item in items:
                if isinstance(item, Step):
                    yield item
                    continue
                if "reply" in item:
                    shown["reply"] = item["reply"]
                else:
                    shown |= {"rows": shown["rows"] + item["rows"], "note": item["note"]}
                    shown["difference"] = max(filter(None, (shown["difference"], item["recorded"])), default=None)
                yield dict(shown)

    async def draw(self, look: XrayQuery) -> views.View:
        """One token's steps; `knobs` from the page replace the reply's own settings."""
        given = look.loose.get("knobs")
        own = look.turn.sampling.steps()
        given = {name: given[name] for name in own if isinstance(given, dict) and name in given}
        sampling = Sampling.of(own | given)
        async for item in views.draw(self.inspector, look.turn, look.number("position"), sampling):
            yield item if isinstance(item, Step) else item | {"knobs": own | given}

    async def replay(self, look: XrayQuery) -> views.View:
        """In its turn: it takes a place in the queue of the messages, one at a time for each owner, and leaves it with its viewer."""
        replays.refuse(look.turn, self.resident.engine)
        queue = self.chat.queue
        ticket = queue.enter(new_id(), f"replays of {look.owner}", look.owner, asked_from.get())
        try:
            async for step in replays.in_line(queue, ticket):
                yield step
            async with aclosing(views.replay(look.turn, self.resident.engine)) as items:
                async for item in items:
                    yield item
        finally:
            queue.leave(ticket)

    async def branch(self, look: XrayQuery) -> views.View:
        """Go on from an alternative token; the page then opens the conversation."""
        turn = await self.chat.branch(look.owner, look.turn.id, look.number("position"), look.number("token"))
        yield {"conversation": turn.conversation_id}


def anyway(look: XrayQuery, model: ModelId) -> XrayQuery:
    """As if the loaded model of its name had written the reply, where the record does not say: a person asked, and each answer tells."""
    if look.turn.revision or look.view == "card":
        return look
    words = f"It is not known whether {model} wrote this reply: its record does not say by which weights. Shown is what these make of it."
    return replace(look, turn=replace(look.turn, revision=model.revision), unsure=words)


def failure(error: BaseException) -> dict[str, Any]:
    """The last answer to a question that failed. What nobody foresaw is in the log."""
    if isinstance(error, ChatError):
        return {"error": str(error), "offer": getattr(error, "offer", ""), "anyway": isinstance(error, Unsure)}
    log.error("A view of X-ray failed", exc_info=error)
    sentence = f"X-ray cannot show this: something unexpected went wrong ({type(error).__name__}). The log of the app has the details."
    return {"error": sentence, "offer": "", "anyway": False}
