"""The view Prompt: text, ids and roles the model received."""

import json

from chatapp.errors import ChatError
from chatapp.models.identity import at_server
from chatapp.turn import Turn
from chatapp.xray import tokens
from chatapp.xray.inspector import Inspector
from chatapp.xray.registry import View
from chatapp.xray.steps import Answers
from chatapp.xray.whose import Unsure

TEMPLATE = "wrote this reply: another server, which was asked in words. What its chat template and tokenizer made of them is not seen here."


async def prompt(inspector: Inspector, turn: Turn) -> Answers:
    """Without the model's tokenizer the recorded text stands alone, with the reason; of another server's reply also what that said."""
    try:
        tokenizer = inspector.tokenizer(turn)
    except ChatError as error:
        why = of_server(turn) if turn.remote else str(error)
        alone = {"text": turn.prompt_text, "ids": list(turn.prompt_ids), "rows": None, "why": why, "heard": heard(turn)}
        yield alone | {"offer": getattr(error, "offer", ""), "anyway": isinstance(error, Unsure)}
        return
    yield await inspector.run(tokens.prompt_view, turn, tokenizer)


def of_server(turn: Turn) -> str:
    """Why there are no tokens, and what was left out, of a reply that another server wrote."""
    left = f" {turn.dropped_messages} earlier messages were left out: by an estimate they did not fit into the context."
    return f"{at_server(turn.model)} {TEMPLATE}" + (left if turn.dropped_messages else "")


def heard(turn: Turn) -> str:
    """The server's own word on a reply, as JSON; '' of a reply that was written here."""
    return json.dumps(turn.told["said"], ensure_ascii=False, indent=1) if turn.remote and turn.told.get("said") else ""


VIEW = View(
    name="prompt",
    label="Prompt",
    group="the reply",
    place=1,
    about="The exact text the model received for this reply, in {token}s coloured by who said them: choose one for its {token id}. "
    "Grey is what the {chat template} added; what the model made of it all is not shown here.",
    questions={"prompt": lambda query: prompt(query.inspector, query.turn)},
    without_ids=True,
)
