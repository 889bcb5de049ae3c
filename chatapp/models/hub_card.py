"""One model on the Hub, before anything of it is downloaded: its card, its files, what it can do and needs. A few requests of kilobytes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from chatapp.models.fits import Fit, Room
from chatapp.models.gguf import LATER_PART
from chatapp.models.hub import CHAT_FILES, NOT_CHAT_FILES, parts_of
from chatapp.models.hub_access import ANSWER, OURS, Gated, Hub, ask
from chatapp.models.purpose import SENTENCE_TASKS, described
from chatapp.models.search import Found, counts_of, found, template_of
from chatapp.models.weights import Weights
from chatapp.prompt.abilities import abilities

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

MOST = {"README.md": 400_000, "config.json": 1_000_000, "chat_template.jinja": 400_000, "tokenizer_config.json": 8_000_000}
"""Bytes of a file that are read before a download."""

FRONT = re.compile(r"\A\ufeff?---\s*\n.*?\n---\s*(?:\n|\Z)", re.DOTALL)
MOST_ROWS, LONGEST_VALUE = 40, 300


@dataclass(frozen=True)
class Choice:
    """What can be fetched: the whole model, or one GGUF file of it. `name` as --model takes it; `bytes` 0 where the Hub does not say."""

    name: str
    file: str
    bytes: int
    fit: Fit


@dataclass(frozen=True)
class HubCard:
    """A model's page.

    commit    of the files below
    choices   what can be fetched; empty where nothing of it can be loaded, and `problem` says why
    files     number and bytes of all files of the repository
    front     the card's metadata as [name, words]
    text      the card, as Markdown that somebody wrote
    closed    why its files cannot be read by whoever asks; '' where they can
    """

    about: Found
    commit: str
    choices: tuple[Choice, ...]
    problem: str
    files: tuple[int, int]
    front: tuple[tuple[str, str], ...]
    text: str
    closed: str
    config: Mapping[str, Any]


def card(repo: str, revision: str, room: Room, hub: Hub = OURS) -> HubCard:
    """Raises ChatError for what is not on the Hub, and where it cannot be reached."""
    api = hub.api()
    info = ask(hub, repo, lambda: api.model_info(repo, revision=revision or None, files_metadata=True), revision)
    sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or []}
    texts, closed = small_files(info, sizes, hub)
    config = _object(texts.get("config.json", ""))
    about = _about(found(info, room), texts, config, room)
    choices, problem = _choices(repo, revision, sizes, info, config, room)
    return HubCard(
        about=about,
        commit=info.sha or "",
        choices=tuple(choices),
        problem=problem,
        files=(len(sizes), sum(sizes.values())),
        front=tuple(front(info)),
        text=FRONT.sub("", texts.get("README.md", "")),
        closed=closed,
        config=config or about.config,
    )


def small_files(info: "ModelInfo", sizes: Mapping[str, int], hub: Hub) -> tuple[dict[str, str], str]:
    """The texts of what MOST names, and why they cannot be read where the model is gated."""
    texts: dict[str, str] = {}
    closed = ""
    for name in MOST:
        if name not in sizes or (name == "tokenizer_config.json" and template_of(info.config or {}, {})):
            continue
        try:
            texts[name] = small_file(info.id, info.sha or "main", name, hub)
        except Gated as gate:
            closed = str(gate)
    return texts, closed


def small_file(repo: str, commit: str, name: str, hub: Hub) -> str:
    """The beginning of a file, as text."""
    return ask(hub, repo, lambda: _read(repo, commit, name, hub)).decode("utf-8", "replace")


def _read(repo: str, commit: str, name: str, hub: Hub) -> bytes:
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    url = hf_hub_url(repo, name, revision=commit, endpoint=hub.address)
    data = b""
    with get_session().stream("GET", url, headers=build_hf_headers(token=hub.token), timeout=ANSWER) as answer:
        hf_raise_for_status(answer)
        for chunk in answer.iter_bytes():
            data += chunk
            if len(data) >= MOST[name]:
                break
    return data[: MOST[name]]


def _about(about: Found, texts: Mapping[str, str], config: Mapping[str, Any], room: Room) -> Found:
    """With what the small files say where the Hub's own summary does not."""
    template = texts.get("chat_template.jinja") or template_of({"tokenizer_config": _object(texts.get("tokenizer_config.json", ""))}, {})
    return replace(
        about,
        abilities=abilities(template) if template else about.abilities,
        model_type=str(config.get("model_type") or about.model_type),
        use=described(config, sentences=about.task in SENTENCE_TASKS) if config else about.use,
    )


def _choices(
    repo: str, revision: str, sizes: Mapping[str, int], info: "ModelInfo", config: Mapping[str, Any], room: Room
) -> tuple[list[Choice], str]:
    """What can be fetched, and why nothing can."""
    at = f"@{revision}" if revision else ""
    needed = [name for name in sizes if _is_needed(name)]
    if "config.json" in sizes and any(name.endswith(".safetensors") for name in needed):
        size, counts = sum(sizes[name] for name in needed), counts_of(info)
        fit = room.of_weights(Weights(counts, ()), config) if counts else room.of_file(size, config)
        return [Choice(f"{repo}{at}", "", size, fit)], ""
    if quantized := {name: size for name, size in whole_files(sizes).items() if name.lower().endswith(".gguf")}:
        rows = [Choice(f"{repo}{at}:{name}", name, size, room.of_file(size, config)) for name, size in quantized.items()]
        return sorted(rows, key=lambda choice: choice.bytes), ""
    return [], why_nothing(sizes)


def whole_files(sizes: Mapping[str, int]) -> dict[str, int]:
    """Name → bytes, a file that was split counted as one under the name of its first part."""
    return {
        name: sum(size for other, size in sizes.items() if fnmatch(other, parts_of(name))) for name in sizes if not LATER_PART.search(name)
    }


def why_nothing(names: Mapping[str, int]) -> str:
    old = next((name for name in names if name.endswith((".bin", ".pt", ".pth", ".h5", ".msgpack", ".ckpt"))), "")
    if old:
        return f"Its weights are in {old}. Such files can run code when opened, so only safetensors and GGUF are fetched."
    if "adapter_config.json" in names:
        return "It is a LoRA adapter, not a whole model. Merge it into its base model first."
    return "It holds no weights in safetensors or GGUF, so there is nothing to load."


def _is_needed(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in CHAT_FILES) and not any(fnmatch(name, pattern) for pattern in NOT_CHAT_FILES)


def front(info: "ModelInfo") -> list[tuple[str, str]]:
    """The card's metadata in words."""
    said = info.card_data.to_dict() if info.card_data else {}
    pairs = [(str(name)[:60], value) for name, value in said.items() if value not in (None, "", [], {})]
    return [(name, words_of(value)) for name, value in pairs[:MOST_ROWS]]


def words_of(value: Any) -> str:
    """A list with commas, what is nested as JSON; cut where it is long."""
    plain = value if isinstance(value, list) else [value]
    words = ", ".join(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False, default=str) for one in plain)
    return words if len(words) <= LONGEST_VALUE else words[:LONGEST_VALUE] + " …"


def _object(text: str) -> dict[str, Any]:
    """A JSON object; {} for whatever is none."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
