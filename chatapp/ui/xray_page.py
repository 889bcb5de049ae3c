"""X-ray in the page: one question comes in with the name of a view, its progress and its data go out. The drawing is in assets/xray*.js."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from chatapp.chat import Chat
from chatapp.engines.resident import Resident
from chatapp.errors import ChatError
from chatapp.turn import KNOBS, Sampling, Turn
from chatapp.ui import widgets
from chatapp.web.security import owner_of
from chatapp.xray import views
from chatapp.xray.scope import Scope, Step

SMALL_ATTENTION = 4_000_000
"""Weights sent without being asked for: all heads of all layers of a short turn, or the last layers of a longer one."""


@dataclass(frozen=True)
class Look:
    """What the page asks to see. Loose values from a browser: every id is checked by the store, every number by the view."""

    owner: str
    view: str
    turn: Turn | None = None
    loose: dict[str, Any] = field(default_factory=dict)

    def number(self, name: str, default: int = 0) -> int:
        value = self.loose.get(name)
        return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 else default

    def text(self, name: str) -> str:
        value = self.loose.get(name)
        return value if isinstance(value, str) else ""


class XrayPage:
    """Handlers of X-ray. Every view is an async generator of Steps and dicts; `look` turns them into values of the wire."""

    def __init__(self, chat: Chat, resident: Resident) -> None:
        self.chat = chat
        self.resident = resident
        self.scope = Scope(resident)
        self.views: dict[str, Callable[[Look], views.View]] = {
            "prompt": lambda look: views.prompt(self.scope, look.turn),
            "probabilities": self.probabilities,
            "draw": self.draw,
            "attention": self.attention,
            "layers": self.layers,
            "model": lambda look: views.architecture(self.scope, look.turn),
            "neighbours": lambda look: views.neighbours(self.scope, look.turn, look.number("token")),
            "tokenizer": lambda look: views.tokenizer(self.scope, look.turn.model, look.text("text")[:100_000]),
            "perplexity": lambda look: views.perplexity(self.scope, look.turn.model, look.text("text")[:100_000]),
            "card": self.card,
            "replay": self.replay,
            "load": lambda look: views.load(self.scope, look.turn.model),
            "branch": self.branch,
        }

    async def look(self, event: gr.EventData, request: gr.Request) -> AsyncIterator[dict[str, Any]]:
        """Answer one question: {"nonce", "view", "words", "share"} while working, "data" as it comes, "done" or "error" at the end."""
        loose = event._data if isinstance(event._data, dict) else {}
        base = {"nonce": loose.get("nonce"), "view": loose.get("view"), "turn": loose.get("turn")}
        data: dict[str, Any] | None = None
        try:
            look = await self.asked(loose, owner_of(request))
            async with aclosing(self.views[look.view](look)) as items:
                async for item in items:
                    if isinstance(item, Step):
                        yield base | {"words": item.words, "share": item.share, "data": data}
                    else:
                        data = item
                        yield base | {"data": data}
            yield base | {"data": data, "done": True}
        except ChatError as error:
            yield base | {"error": str(error), "offer": getattr(error, "offer", "")}

    async def asked(self, loose: dict[str, Any], owner: str) -> Look:
        """The question with its turn, which must be the asker's own."""
        look = Look(owner, str(loose.get("view")), loose=loose)
        if look.view not in self.views:
            raise ChatError(f"There is no X-ray view named {look.view!r}. Reload the page.")
        turn = await self.chat.turn(owner, look.text("turn"))
        if turn.running:
            raise ChatError("This reply is still being written. X-ray shows it when it is done, or after Stop.")
        return replace(look, turn=turn)

    async def probabilities(self, look: Look) -> views.View:
        """Rows gathered so far, so that the page can draw the latest value and miss none."""
        shown: dict[str, Any] = {"rows": [], "difference": None}
        async with aclosing(views.probabilities(self.scope, look.turn)) as items:
            async for item in items:
                if isinstance(item, Step):
                    yield item
                    continue
                if "reply" in item:
                    shown["reply"] = item["reply"]
                else:
                    shown["rows"] = shown["rows"] + item["rows"]
                    shown["difference"] = max(filter(None, (shown["difference"], item["recorded"])), default=None)
                yield dict(shown)

    async def draw(self, look: Look) -> views.View:
        """One token's steps; `knobs` from the page replace the reply's own settings."""
        given = look.loose.get("knobs")
        given = {k.name: given[k.name] for k in KNOBS if isinstance(given, dict) and k.name in given and k.name != "max_tokens"}
        own = {k.name: getattr(look.turn.sampling, k.name) for k in KNOBS if k.name != "max_tokens"}
        sampling = Sampling.of(own | given)
        async for item in views.draw(self.scope, look.turn, look.number("position"), sampling):
            yield item if isinstance(item, Step) else item | {"knobs": own | given}

    async def attention(self, look: Look) -> views.View:
        """The asked layers, or as many of the last ones as are small."""
        from chatapp.xray import attention as attentions  # torch: not before somebody looks

        specimen = None
        async for item in self.scope.specimen(look.turn.model):
            if isinstance(item, Step):
                yield item
            else:
                specimen = item
        layers_in_all = specimen.model.config.get_text_config().num_hidden_layers
        last = look.number("last") or len(look.turn.prompt_ids) + len(look.turn.reply_ids)
        layers = layer_numbers(look.text("layers"), layers_in_all)
        if layers is None:
            one = attentions.cost(specimen.model, last, [0]).cells
            layers = list(range(layers_in_all))[-max(1, SMALL_ATTENTION // max(1, one)) :]
        cost = attentions.cost(specimen.model, last, layers)
        words = f"computing takes {cost.memory / 2**20:.0f} MiB, the page gets {cost.payload / 2**20:.1f} MiB"
        async for item in views.attention(self.scope, look.turn, layers, look.number("first"), last):
            yield item if isinstance(item, Step) else item | {"asked": compact(layers), "cost": words}

    async def layers(self, look: Look) -> views.View:
        """The logit lens of up to 16 tokens of the reply."""
        first = min(max(0, look.number("first")), max(0, len(look.turn.reply_ids) - 1))
        async for item in views.lens(self.scope, look.turn, first, look.number("count", 16)):
            yield item if isinstance(item, Step) else item | {"last": first + len(item["reply"]) >= len(look.turn.reply_ids)}

    async def card(self, look: Look) -> views.View:
        async for item in views.reproduce(look.turn, self.resident.engine if self.resident.state == "ready" else None):
            yield item

    async def replay(self, look: Look) -> views.View:
        async for item in views.replay(look.turn, self.resident.engine):
            yield item

    async def branch(self, look: Look) -> views.View:
        """Go on from an alternative token; the page then opens the conversation."""
        turn = await self.chat.branch(look.owner, look.turn.id, look.number("position"), look.number("token"))
        yield {"conversation": turn.conversation_id}


def layer_numbers(text: str, count: int) -> list[int] | None:
    """'0-3,7' or 'all' as numbers; None for an empty text. Raises ChatError for anything else."""
    text = text.strip().lower()
    if not text:
        return None
    if text == "all":
        return list(range(count))
    numbers: set[int] = set()
    for part in text.split(","):
        low, _, high = part.strip().partition("-")
        if not low.isdecimal() or (high and not high.isdecimal()) or int(high or low) >= count:
            raise ChatError(f"Layers are {text!r}; write them as 0-3,7 or all. This model has layers 0 to {count - 1}.")
        numbers |= set(range(int(low), int(high or low) + 1))
    return sorted(numbers)


def compact(numbers: list[int]) -> str:
    """[0, 1, 2, 5] → '0-2,5'"""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def connect(page: XrayPage) -> None:
    """X-ray's wire and its place, inside a page being built."""
    script = "chatapp.xrayWire(props, watch, (payload) => trigger('look', payload))"
    wire = gr.HTML({}, html_template="", js_on_load=script, elem_id="wire-xray", elem_classes="wire", apply_default_css=False)
    wire.look(page.look, None, wire, show_progress="hidden", api_visibility="private", trigger_mode="multiple")


def build_page(demo: gr.Blocks, page: XrayPage) -> None:
    """The page /xray?turn=…: X-ray alone, over the whole width."""
    with demo.route("X-ray", "/xray"):
        widgets.static('<main id="xray" class="whole"><div id="xray-root"></div></main>', "xray-place")
        connect(page)


DRAWER = '<aside id="xray" aria-label="X-ray of a reply"><div id="xray-root"></div></aside>'
