"""A row: one reply of a grid as a line of results.jsonl, with all that its Turn needs, so that X-ray opens from it and a chat goes on."""

import json
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.lab.grid import Cell
from chatapp.store.record import Conversation, title_of
from chatapp.turn import Turn, new_id

Row = dict[str, Any]
"""prompt_index, prompt, column, replica, count (replies that it stands for: a greedy one is made once), swept ([setting, value] or None);
reply, ids, finish_reason, error; tokens, prompt_tokens; logprob (mean over its tokens, natural log, None where the engine gives none);
assertions (lab/assertions.py), passed (None without any); judged, where the grid's judge has read it (lab/judge.py);
seconds, timings: what two runs of one grid do not share; turn: the rest of the Turn, as it names its fields."""

OWN = ("owner", "conversation_id", "id", "created", "parent_id", "continues", "history", "user", "prefix_text")
APART = ("reply_text", "reply_ids", "finish_reason", "error", "timings", "cached_prompt_tokens")


def row_of(cell: Cell, turn: Turn, assertions: Sequence[Mapping[str, Any]]) -> Row:
    """The row of an ended turn."""
    known = [value for value in turn.logprobs if value is not None]
    values = json.loads(json.dumps(turn.as_dict()))  # lists for tuples: a row is the same before and after it was a line
    return {
        "prompt_index": cell.question.index,
        "prompt": cell.question.text,
        "column": cell.variant.label,
        "replica": cell.replica,
        "count": cell.count,
        "swept": list(cell.variant.swept) if cell.variant.swept else None,
        "reply": turn.reply_text,
        "ids": list(turn.reply_ids),
        "finish_reason": turn.finish_reason,
        "error": turn.error,
        "tokens": turn.tokens,
        "prompt_tokens": len(turn.prompt_ids) or turn.counted("prompt_tokens"),
        "logprob": sum(known) / len(known) if known and len(known) == len(turn.reply_ids) else None,
        "assertions": list(assertions),
        "passed": all(check["passed"] for check in assertions) if assertions else None,
        "seconds": round(turn.timings.generating, 4),
        "timings": values["timings"] | {"cached_prompt_tokens": turn.cached_prompt_tokens},
        "turn": {name: value for name, value in values.items() if name not in (*OWN, *APART)},
    }


def failed_row(cell: Cell, owner: Owner, why: str) -> Row:
    """The row of a reply that was never begun."""
    turn = Turn(owner, "", cell.question.text, system=cell.variant.system, sampling=cell.sampling, finish_reason="error", error=why)
    turn.model = cell.variant.model
    return row_of(cell, turn, ())


def failed(row: Row) -> bool:
    """Is there no reply? Such a row is made again when the grid is run again."""
    return row["finish_reason"] == "error"


def unjudged(row: Row) -> bool:
    """May a judge still read it? What could not be judged is tried again; an empty reply never can."""
    judged = row.get("judged")
    return not failed(row) and (judged is None or ("why" in judged and row["reply"] != ""))


def key_of(row: Row) -> tuple[int, str, int]:
    """As Cell.key."""
    return row["prompt_index"], row["column"], row["replica"]


def turn_of(row: Row, owner: Owner, conversation_id: str = "") -> Turn:
    """The turn that made a row, under a new id, as chat and X-ray take it. Raises ChatError for a row that is damaged."""
    try:
        timings = dict(row["timings"])
        values = row["turn"] | {
            "owner": owner,
            "conversation_id": conversation_id or new_id(),
            "user": row["prompt"],
            "reply_text": row["reply"],
            "reply_ids": row["ids"],
            "finish_reason": row["finish_reason"],
            "error": row["error"],
            "cached_prompt_tokens": timings.pop("cached_prompt_tokens"),
            "timings": timings,
        }
        return _turn_type().validate_python(values)
    except (KeyError, TypeError, ValidationError, ChatError) as error:
        raise ChatError("This row of the results is damaged: run its cell again.", status=422) from error


def conversation_of(row: Row, owner: Owner, model: str | None = None) -> Conversation:
    """A chat of this one exchange, to be put into a store and gone on with. `model`: the id of who answers next."""
    turn = turn_of(row, owner)
    now = time.time()
    return Conversation(turn.conversation_id, title_of(turn.user), now, now, leaf=turn.id, turns=[turn], model=model)


@lru_cache
def _turn_type() -> Any:
    return TypeAdapter(Turn)
