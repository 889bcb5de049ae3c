"""What a server tells of its models (/v1/models): which one is meant, how long its context is, and what kind of server it is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chatapp.engines.remote.client import Line, Refused, get
from chatapp.errors import ChatError, closest
from chatapp.models.servers import LONGEST, Server

CONTEXTS = ("max_model_len", "context_length", "context_window", "max_context_length")
"""Of vLLM and SGLang, OpenRouter, Groq, Mistral."""

ON_A_DISK = re.compile(r"[/~.]|[A-Za-z]:\\")
MOST_NAMED = 5


@dataclass(frozen=True)
class Told:
    """`model` is the name that requests give. The rest is the server's word: 0, '' or nothing where it said nothing.

    context  tokens of prompt and reply together; trained says that only what the model was trained for is known
    kind     who owns the model, by which llama.cpp (llamacpp) and vLLM (vllm) are known
    """

    model: str
    context: int = 0
    trained: bool = False
    parameters: int = 0
    kind: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


def ask(line: Line) -> Told:
    """About the model that an address names, or the first one. Raises ChatError where there is none, or nobody answers."""
    server = line.server
    try:
        listed = entries(get(line, "/models"))
    except Refused as refused:
        if server.model and refused.code not in (401, 403):  # a server need not list what it runs
            return Told(server.model)
        raise
    if not server.model:
        if not listed:
            raise ChatError(f"{server.place} names no model: say which, as {server.base}#name.", status=404)
        return told(listed[0]["id"], listed[0])
    return told(server.model, chosen(server, listed))


def entries(answer: Any) -> list[dict[str, Any]]:
    """Those that have a name, which is shown to people."""
    data = answer.get("data") if isinstance(answer, dict) else None
    rows = data if isinstance(data, list) else []
    named = (row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str))
    return [row for row in named if 0 < len(row["id"]) <= LONGEST and row["id"].isprintable()]


def chosen(server: Server, listed: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The entry of the model that is named; nothing where the list need not have it: `transformers serve` lists the Hub's cache alone,
    the Hub's router lists models without their providers, Ollama with their tags."""
    bare = server.model.partition(":")[0]
    alike = (lambda id: id == server.model, lambda id: id == bare or id.partition(":")[0] == server.model)
    found = next((row for same in alike for row in listed if same(row["id"])), None)
    if found is not None or not listed or ON_A_DISK.match(server.model):
        return found or {}
    ids = [row["id"] for row in listed]
    more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
    raise ChatError(
        f"{server.place} has no model {server.model!r}.{closest(server.model, ids)} It has {', '.join(ids[:MOST_NAMED])}{more}.", status=404
    )


def told(model: str, entry: Mapping[str, Any]) -> Told:
    meta = entry["meta"] if isinstance(entry.get("meta"), dict) else {}
    stated = next(filter(None, (number(entry.get(name)) for name in CONTEXTS)), 0) or number(meta.get("n_ctx")) or of_providers(entry)
    trained = number(meta.get("n_ctx_train"))
    kind = entry.get("owned_by") if isinstance(entry.get("owned_by"), str) else ""
    return Told(model, stated or trained, bool(trained and not stated), number(meta.get("n_params")), kind, meta)


def of_providers(entry: Mapping[str, Any]) -> int:
    """The shortest context of those who run a model for the Hub's router: which of them answers is not known before."""
    providers = entry.get("providers") if isinstance(entry.get("providers"), list) else []
    return min(filter(None, (number(one.get("context_length")) for one in providers if isinstance(one, dict))), default=0)


def number(value: Any) -> int:
    """A sensible number, or 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**13 else 0
