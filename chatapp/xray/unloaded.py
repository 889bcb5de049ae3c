"""A model's architecture without its weights: built on the device `meta`, where a tensor has a shape and no memory.

It runs in a child process with a limit of time: importing PyTorch would cost the app seconds and 200 MB, and a configuration may describe
anything. `python -m chatapp.xray.unloaded PLACE` prints a JSON object; `read` starts it.
"""

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.models import weights
from chatapp.models.alone import alone
from chatapp.models.failures import Reading
from chatapp.models.files.folder import opened
from chatapp.models.shape import shape_of
from chatapp.prompt.sandbox import bare_environment

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

SECONDS = 120.0
"""Importing PyTorch takes ten on a busy machine, 80 layers take a tenth."""

FROM_GGUF = "Built as transformers would hold it, in float32: the file's own number formats are under Files."
NAMELESS = "Its config.json names no class, so the one that writes text was taken."
MOST_MODULES = 200_000
LONGEST_PRINT = 60_000
"""Characters of print(model) that are passed on."""


def read(place: Path) -> dict[str, Any]:
    """{kind, printed, tree, summary, block, note} of a model's folder or GGUF file. Raises ChatError with what speaks against it."""
    config = place if place.is_file() else place / "config.json"
    if not config.is_file():
        raise ChatError(f"{place.name} has no config.json, so nobody knows what it is made of.", status=404)
    stat = config.stat()
    return json.loads(_read(str(place.absolute()), stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=16)
def _read(place: str, changed: int, size: int) -> str:
    command = [sys.executable, "-m", "chatapp.xray.unloaded", place]
    root = Path(__file__).parent.parent.parent
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, env=bare_environment(), cwd=root, check=False)
    except subprocess.TimeoutExpired as error:
        raise ChatError(f"The architecture of {Path(place).name} was not built within {SECONDS:.0f} s.", status=422) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with code {done.returncode}"]
        raise ChatError(said[-1][:600], status=422)
    return done.stdout.decode()


def outline(place: Path) -> dict[str, Any]:
    """What `read` gives, made here. Raises ChatError."""
    from chatapp.xray import architecture, blocks

    config = _config(place)
    refuse_endless(place, config.to_dict())
    model = build(config, place.name)
    printed = str(model)
    with Reading(f"{place.name} is a {type(model).__name__}, whose sizes this app cannot name: "):
        found = architecture.positions(model)
        return {
            "kind": type(model).__name__,
            "printed": printed[:LONGEST_PRINT] + ("\n… cut here" if len(printed) > LONGEST_PRINT else ""),
            "tree": architecture.tree(model),
            "summary": architecture.summary(model, found),
            "block": blocks.explain(model, found),
            "note": FROM_GGUF if place.is_file() else "" if config.architectures else NAMELESS,
        }


def refuse_endless(place: Path, config: dict[str, Any]) -> None:
    """Sizes with which building would not end. Beside weights each layer must have a tensor. Raises ChatError."""
    shape = shape_of(config)
    if shape.layers * max(1, shape.experts) > MOST_MODULES:
        raise ChatError(f"{place.name} describes {shape.layers:,} layers of {shape.experts:,} experts; no model has so many.", status=422)
    if place.is_dir() and opened(place).has("model.safetensors"):
        weights.inspect(place)


@alone
def build(config: "PreTrainedConfig", name: str) -> "PreTrainedModel":
    """The model that a configuration describes, of the class it names: writing text, naming classes, or giving vectors."""
    import torch
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

    named = (config.architectures or ["ForCausalLM"])[0]
    kind = AutoModel
    if named.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")):
        kind = AutoModelForCausalLM
    elif named.endswith("ForSequenceClassification"):
        kind = AutoModelForSequenceClassification
    dtype = config.dtype if isinstance(config.dtype, torch.dtype) else torch.float32
    with Reading(f"{name} cannot be built: "), torch.device("meta"):
        model = kind.from_config(config, trust_remote_code=False, dtype=dtype)
    for module in model.modules():
        if "inv_freq" in dict(module.named_buffers(recurse=False)) and hasattr(module, "config"):
            with Reading(f"The positions of {name} cannot be built: "):
                module.inv_freq = type(module)(module.config).inv_freq  # a few numbers, which are shown
    return model.eval()


def _config(place: Path) -> "PreTrainedConfig":
    """Raises ChatError for one that transformers does not know, or that asks for code of its own."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    where = {"gguf_file": place.name} if place.is_file() else {}
    try:
        with Reading(f"{place.name} cannot be built: ", " A newer transformers may know it."):
            return AutoConfig.from_pretrained(place.parent if where else place, trust_remote_code=False, **where)
    except StrictDataclassError as error:
        raise ChatError(f"{place.name} cannot be built: its config.json is wrong ({' '.join(str(error).split())[:200]}).") from error


def main() -> int:
    """For the child: the answer on stdout, or one sentence on stderr."""
    try:
        print(json.dumps(outline(Path(sys.argv[1]))))
    except ChatError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
