"""transformers' TrainingArguments by their names: read from its sources, without importing it, so that a wrong recipe is refused at once.

What version 5 dropped is said with what stands for it; what a run decides itself is refused with the reason.
"""

import ast
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError, closest
from chatapp.sampling import shortened

DROPPED = {
    "overwrite_output_dir": "nothing: a folder is never written over, --resume goes on with one",
    "evaluation_strategy": "eval_strategy",
    "no_cuda": "use_cpu",
    "logging_dir": "nothing: log.jsonl is in the run's own folder",
    "warmup_ratio": "warmup_steps, where a number below 1 is a share of all steps",
    "save_safetensors": "nothing: weights are always safetensors",
    "group_by_length": "train_sampling_strategy: group_by_length",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
    "adafactor": "optim: adafactor",
    "use_mps_device": "nothing: a Mac's GPU is found by itself",
    "fp16_backend": "nothing: PyTorch's own is the only one left",
    "half_precision_backend": "nothing: PyTorch's own is the only one left",
    "include_inputs_for_metrics": "include_for_metrics",
    "include_tokens_per_second": "nothing: tokens per second are always measured here",
    "push_to_hub_token": "nothing: a run sends nothing to the Hub",
}
"""Arguments of tutorials that were written for transformers 4 → what stands for them in version 5."""

LEFT = {
    **{name: f"nothing trained here goes to the Hub, so {name} has no place" for name in ("push_to_hub", "hub_token", "hub_model_id")},
    "output_dir": "--out says where a run is kept",
    "resume_from_checkpoint": "--resume goes on from the newest whole checkpoint",
    "run_name": "name: is the name of a run",
    "report_to": "the page Train shows the curves, and log.jsonl holds them",
    "do_train": "a run always trains",
    "do_eval": "a run always validates",
    "do_predict": "python -m chatapp.bench --bits measures a model",
    "label_smoothing_factor": "the loss is the plain cross-entropy, else it could not be read as bits per byte",
    "remove_unused_columns": "there are no columns left when training begins",
    "label_names": "there are no columns left when training begins",
    "disable_tqdm": "progress has one form here",
    "save_only_model": "without the optimizer's state a checkpoint could not be gone on from",
    "restore_callback_states_from_checkpoint": "what a run needs to go on is in its own folder",
    "local_rank": "a run is one process",
    "deepspeed": "a run is one process",
    "fsdp": "a run is one process",
}
"""Arguments that a run decides itself, and why."""

POSITIVE = ("learning_rate", "num_train_epochs", "per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps")
STEPS = ("logging_steps", "save_steps", "eval_steps", "save_total_limit")
NOT_NEGATIVE = ("warmup_steps", "weight_decay", "max_grad_norm", "seed", "adam_beta1", "adam_beta2", "adam_epsilon")


@cache
def names() -> dict[str, str]:
    """name → annotation, as `float` or `IntervalStrategy | str`."""
    fields = _class("training_args.py", "TrainingArguments").body
    return {part.target.id: ast.unparse(part.annotation) for part in fields if isinstance(part, ast.AnnAssign)}


def read(name: str, value: Any) -> Any:
    """The value of one argument, in its own type. Raises ChatError 422 that says what could be meant."""
    refuse(name)
    kinds = names()[name].split(" | ")
    found = _typed(name, value, kinds)
    _refuse_range(name, found)
    _refuse_choice(name, found, kinds)
    return found


def refuse(name: str) -> None:
    """Raises ChatError where a recipe cannot have this name."""
    if name in LEFT:
        raise ChatError(f"The recipe has {name}: {LEFT[name]}. Leave it out.", status=422)
    if name in DROPPED and name not in names():
        raise ChatError(f"The recipe has {name}, which transformers 5 dropped. What stands for it: {DROPPED[name]}.", status=422)
    if name not in names():
        raise ChatError(f"The recipe has {shortened(name)}, which means nothing there.{closest(name, names())}", status=422)


def said(arguments: Mapping[str, Any]) -> str:
    """As they stand between the parentheses of TrainingArguments(…)."""
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def _typed(name: str, value: Any, kinds: list[str]) -> Any:
    """YAML reads 5e-4 as a text, and a whole number where a person meant 1.0."""
    if value is None and "None" in kinds:
        return None
    if "bool" in kinds and isinstance(value, bool):
        return value
    if ("int" in kinds or "float" in kinds) and not isinstance(value, bool):
        return _number(name, value, "float" in kinds)
    if isinstance(value, str) and any(kind == "str" or kind.endswith(("Strategy", "Type", "Names")) for kind in kinds):
        return value
    if isinstance(value, dict) and any(kind.startswith("dict") for kind in kinds):
        return value
    if isinstance(value, list) and any(kind.startswith("list") for kind in kinds):
        return value
    wanted = " or ".join({"bool": "true or false", "str": "a text", "None": "null"}.get(kind, kind) for kind in kinds)
    raise ChatError(f"{name} is {shortened(value)}; it must be {wanted}.", status=422)


def _number(name: str, value: Any, broken: bool) -> float | int:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ChatError(f"{name} is {shortened(value)}; it must be a number.", status=422) from error
    if number != number or abs(number) == float("inf"):
        raise ChatError(f"{name} is {shortened(value)}; it must be a finite number.", status=422)
    if number.is_integer() and (not broken or isinstance(value, int)):
        return int(number)
    if not broken:
        raise ChatError(f"{name} is {shortened(value)}; it must be a whole number.", status=422)
    return number


def _refuse_range(name: str, value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if name in (*POSITIVE, *STEPS) and value <= 0:
        raise ChatError(f"{name} is {value}; it must be above 0.", status=422)
    if name in NOT_NEGATIVE and value < 0:
        raise ChatError(f"{name} is {value}; it must be 0 or above.", status=422)
    if name == "learning_rate" and value > 1:
        raise ChatError(f"learning_rate is {value}; above 1 nothing is learned. Small models here learn well at 0.002.", status=422)


def _refuse_choice(name: str, value: Any, kinds: list[str]) -> None:
    """A value of an enumeration, such as the name of a schedule."""
    for kind in kinds:
        if isinstance(value, str) and (choices := _choices(kind)) and value not in choices:
            raise ChatError(f"{name} is {value!r}; it must be one of {', '.join(choices)}.{closest(value, choices)}", status=422)


@cache
def _choices(kind: str) -> tuple[str, ...]:
    """The values of an enumeration of transformers; none where there is no such."""
    for file in ("training_args.py", "trainer_utils.py"):
        if found := _class(file, kind):
            values = [part.value for part in found.body if isinstance(part, ast.Assign)]
            return tuple(value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str))
    return ()


def _class(file: str, name: str) -> ast.ClassDef | None:
    return next((part for part in _parsed(file).body if isinstance(part, ast.ClassDef) and part.name == name), None)


@cache
def _parsed(file: str) -> ast.Module:
    package = importlib.util.find_spec("transformers").origin
    return ast.parse((Path(package).parent / file).read_text(encoding="utf-8"))
