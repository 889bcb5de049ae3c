"""Searching the Hub: text, task, library, dataset, size, order → rows that say what each model is, from one request of some kilobytes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import unquote, urlsplit

from chatapp.errors import ChatError, closest
from chatapp.models.fits import UNKNOWN, Fit, Room
from chatapp.models.hub_access import OURS, Hub, ask
from chatapp.models.purpose import CHAT, SENTENCE_TASKS, Use, described, of_gguf
from chatapp.models.weights import Weights
from chatapp.prompt.abilities import Abilities, abilities

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

Sort = Literal["trending", "downloads", "likes", "new"]
SORTS = {"trending": "trending_score", "downloads": "downloads", "likes": "likes", "new": "created_at"}
LIBRARIES = ("transformers", "gguf")
"""What this app loads."""

MOST_ROWS = 200
LONGEST = 200
"""Characters of what is searched for."""

EXPAND = ["author", "cardData", "config", "createdAt", "downloads", "gated", "gguf", "lastModified", "library_name", "likes"]
EXPAND += ["pipeline_tag", "private", "safetensors", "sha", "tags", "trendingScore"]
"""What the Hub is asked for besides the names."""

SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMBT]?)", re.IGNORECASE)
LANGUAGE = re.compile(r"[a-z]{2,3}|multilingual")
HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
NOT_REPOS = ("datasets", "spaces", "docs", "papers", "models", "collections", "blog")


@dataclass(frozen=True)
class Query:
    """What is searched for. `library` is of LIBRARIES, '' for any; `most` is a number of parameters such as 3B, '' for any."""

    text: str = ""
    task: str = "text-generation"
    library: str = "transformers"
    dataset: str = ""
    most: str = ""
    sort: str = "trending"
    rows: int = 20


@dataclass(frozen=True)
class Found:
    """A model on the Hub, as its row says. `parameters` 0 and '' stand for what the Hub does not say; `gate` is '', auto or manual."""

    repo: str
    parameters: int
    licence: str
    gate: str
    private: bool
    downloads: int
    likes: int
    created: str
    task: str
    library: str
    model_type: str
    languages: tuple[str, ...]
    abilities: Abilities
    fit: Fit
    use: Use = CHAT
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)


def search(query: Query, room: Room, hub: Hub = OURS) -> list[Found]:
    """The first rows. Raises ChatError for what is no query, and where the Hub does not answer."""
    check(query)
    asked = {
        "search": query.text.strip() or None,
        "pipeline_tag": query.task or None,
        "filter": [query.library] if query.library else None,
        "trained_dataset": query.dataset or None,
        "num_parameters": f"max:{query.most}" if query.most else None,
        "sort": SORTS[query.sort],
        "limit": query.rows,
        "expand": EXPAND,
    }
    listed = ask(hub, "", lambda: list(islice(hub.api().list_models(**asked), query.rows)))
    return [found(model, room) for model in listed]


def check(query: Query) -> None:
    """Raises ChatError that says what is wrong."""
    if query.sort not in get_args(Sort):
        raise ChatError(f"{query.sort!r} is no order. Give one of {', '.join(SORTS)}.{closest(query.sort, SORTS)}")
    if query.library not in ("", *LIBRARIES):
        raise ChatError(f"{query.library!r} is no library that this app loads. Give one of {', '.join(LIBRARIES)}.")
    if query.most and not SIZE.fullmatch(query.most):
        raise ChatError(f"{query.most!r} is no number of parameters. It looks like 500M or 3B.")
    if not 1 <= query.rows <= MOST_ROWS:
        raise ChatError(f"{query.rows} models were asked for; 1 to {MOST_ROWS} can be.")
    if long := next((text for text in (query.text, query.task, query.dataset) if len(text) > LONGEST), ""):
        raise ChatError(f"{long[:40]!r}… has {len(long):,} characters; at most {LONGEST} are searched for.")


def pasted(text: str, hub: Hub = OURS) -> str:
    """The name of the model that was pasted as an address of the Hub's page, as --model takes it; '' for all other texts."""
    text = text.strip()
    try:
        url = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError:
        return ""
    parts = [unquote(part) for part in url.path.split("/") if part]
    if url.netloc.lower() not in (*HOSTS, urlsplit(hub.address).netloc) or not parts or parts[0] in NOT_REPOS:
        return ""
    repo, rest = "/".join(parts[:2]), parts[2:]
    if not rest or rest[0] not in ("blob", "resolve", "tree") or len(rest) < 2:
        return repo
    file = "/".join(rest[2:])
    at = "" if rest[1] == "main" else f"@{rest[1]}"
    return f"{repo}{at}{':' + file if file.lower().endswith('.gguf') else ''}"


def found(model: "ModelInfo", room: Room) -> Found:
    """What the Hub says of a model, taken for no more than it is: others wrote it."""
    config = model.config if isinstance(model.config, dict) else {}
    gguf = model.gguf if isinstance(model.gguf, dict) else {}
    counts = counts_of(model)
    tags = [tag for tag in model.tags or [] if isinstance(tag, str)]
    return Found(
        repo=model.id,
        parameters=sum(counts.values()) or number(gguf.get("total")),
        licence=next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), ""),
        gate=model.gated if isinstance(model.gated, str) else "",
        private=bool(model.private),
        downloads=model.downloads or 0,
        likes=model.likes or 0,
        created=day(model.created_at),
        task=model.pipeline_tag or "",
        library="gguf" if gguf else model.library_name or "",
        model_type=str(config.get("model_type") or gguf.get("architecture") or ""),
        languages=languages_of(model),
        abilities=abilities(template_of(config, gguf)),
        fit=room.of_weights(Weights(counts, ()), config) if counts else UNKNOWN,
        use=of_gguf(str(gguf.get("architecture"))) if gguf else described(config, sentences=model.pipeline_tag in SENTENCE_TASKS),
        config=config,
    )


def counts_of(model: "ModelInfo") -> dict[str, int]:
    """Number of weights by dtype, as the Hub read them from the safetensors headers."""
    said = model.safetensors.parameters if model.safetensors else {}
    return {str(kind): count for kind, count in said.items() if isinstance(count, int) and count > 0}


def template_of(config: Mapping[str, Any], gguf: Mapping[str, Any]) -> str:
    """The chat template that the Hub found in a repository."""
    tokenizer = config.get("tokenizer_config")
    inside = tokenizer.get("chat_template") if isinstance(tokenizer, dict) else ""
    if isinstance(inside, list):
        inside = next((entry.get("template") for entry in inside if isinstance(entry, dict) and entry.get("name") == "default"), "")
    named = (config.get("chat_template_jinja"), inside, gguf.get("chat_template"))
    return next((text for text in named if isinstance(text, str) and text), "")


def languages_of(model: "ModelInfo") -> tuple[str, ...]:
    """The codes that its card names."""
    said = model.card_data.get("language") if model.card_data else None
    named = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    return tuple(code for code in named if isinstance(code, str) and LANGUAGE.fullmatch(code))


def day(moment: datetime | None) -> str:
    return moment.date().isoformat() if isinstance(moment, datetime) else ""


def number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
