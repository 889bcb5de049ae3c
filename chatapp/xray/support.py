"""Which views of X-ray will work for a model, and why the others will not: by its configuration, before anything of it is here."""

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from chatapp.models.hub_card import HubCard
from chatapp.models.shape import shape_of
from chatapp.xray import registry

FAMILY = re.compile(r"[a-z0-9_-]{1,60}")
WRITES = re.compile(r"^class \w+(?:ForCausalLM|LMHeadModel)\(", re.MULTILINE)
RECORDS = re.compile(r"^ +_supports_attention_backend = True", re.MULTILINE)
FEW = 8
"""Keys of a config.json; the Hub's summary of one has fewer."""

NEEDS_HEADS = ("attention", "model")
"""Views that ask for the model's attention heads."""


@dataclass(frozen=True)
class Support:
    """One view: whether it works, and in words why not, or with which remark."""

    view: str
    label: str
    works: bool
    words: str = ""


def supported(card: HubCard) -> list[Support]:
    """Of each view, for a model on the Hub; none for one that writes no replies to look into."""
    if card.about.use.purpose != "chat":
        return []
    if card.config:
        return support(card.config)
    return support_gguf(card.about.model_type) if card.choices and card.choices[0].file else []


def support(config: Mapping[str, Any]) -> list[Support]:
    """Of each view, by config.json, or by the Hub's summary of it, which has no sizes."""
    refusal = why_none(config)
    return [_of(view, config, refusal) for view in registry.views()]


def support_gguf(architecture: str) -> list[Support]:
    """Of each view, for a GGUF file: transformers has to be able to read its architecture."""
    from transformers.integrations.ggml import GGUF_CONFIG_MAPPING

    refusal = "" if architecture in GGUF_CONFIG_MAPPING else f"transformers cannot read {architecture[:60] or 'this'} from a GGUF file."
    config = {"model_type": architecture}
    return [_of(view, config, refusal or why_none(config)) for view in registry.views()]


def why_not(config: Mapping[str, Any]) -> str:
    """Which views will not work and why, in words; '' where all will, or where nothing is known of the configuration."""
    if not config.get("model_type"):
        return ""
    lacking = [one for one in support(config) if not one.works]
    if len(lacking) == len(registry.views()):
        return lacking[0].words
    return "; ".join(f"{one.label}: {one.words}" for one in lacking)


def why_none(config: Mapping[str, Any]) -> str:
    """Why a model cannot be looked into, nor loaded, at all; '' where it can."""
    family = str(config.get("model_type") or "")
    if not family:
        return "Its config.json names no family of models."
    source = modeling_source(family)
    if not source:
        code = " It brings Python code of its own, which is never run." if config.get("auto_map") else ""
        return f"The installed transformers does not know {family[:60]}.{code}"
    if config.get("is_encoder_decoder") or not WRITES.search(source):
        return f"{family} is no model that writes text by itself."
    return ""


def _of(view: registry.View, config: Mapping[str, Any], refusal: str) -> Support:
    if refusal:
        return Support(view.name, view.label, False, refusal)
    if view.name in NEEDS_HEADS and len(config) >= FEW and not shape_of(config).heads:
        return Support(view.name, view.label, False, "It has no attention heads.")
    if view.name == "attention" and not RECORDS.search(modeling_source(str(config["model_type"]))):
        return Support(
            view.name, view.label, True, "Computed once more in the slower eager way: this family has no interface to record it."
        )
    return Support(view.name, view.label, True)


@cache
def modeling_source(family: str) -> str:
    """The source text of the installed transformers' models of a family; '' where it has none. Nothing is imported."""
    spec = importlib.util.find_spec("transformers")
    if spec is None or not spec.origin or not FAMILY.fullmatch(family):
        return ""
    bare = family.replace("-", "_")
    for name in dict.fromkeys((bare, bare.removesuffix("_text"))):
        file = Path(spec.origin).parent / "models" / name / f"modeling_{name}.py"
        if file.is_file():
            return file.read_text(encoding="utf-8")
    return ""
