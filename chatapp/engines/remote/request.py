"""The body of a request: messages, and our sampling settings by the names that servers have for them; what a server refuses is left out."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chatapp.sampling import STEP_PARAMS, Sampling
from chatapp.turn import Message

NAMES = {
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "min_p": ("min_p",),
    "repetition_penalty": ("repetition_penalty", "repeat_penalty"),
    "typical_p": ("typical_p",),
}
"""Setting → fields. vLLM, TGI and SGLang take repetition_penalty, llama.cpp repeat_penalty. Values that do nothing are sent too: the
server's own defaults are not ours (llama.cpp's min-p is 0.05)."""

OPTIONAL = ("top_k", "min_p", "repetition_penalty", "repeat_penalty", "typical_p", "stream_options", "seed")
"""Fields that OpenAI's protocol lacks, or that a server may lack: left out once it has refused them by name."""

GOES_ON = {"llamacpp": {}, "vllm": {"continue_final_message": True, "add_generation_prompt": False}}
"""Kinds of servers that go on from a reply's given beginning, the last message, and the fields that make them. llama.cpp's was measured;
vLLM's is after its documentation. Of all others it is not known: `transformers serve` was seen to begin a new reply."""

GUESS = re.compile(r"Did you mean[^?]*\?")
"""A hint names another field than the one that is refused."""

THOUGHT = re.compile(r"\A<think>.*?</think>\s*", re.DOTALL)


def sent(messages: Sequence[Message], prefix: str = "") -> list[dict[str, str]]:
    """As they travel: thoughts of earlier replies stay here, the given beginning of the reply is the last message."""
    travel = [{"role": m.role, "content": THOUGHT.sub("", m.content) if m.role == "assistant" else m.content} for m in messages]
    return travel + ([{"role": "assistant", "content": prefix}] if prefix else [])


def body(model: str, messages: Sequence[Mapping[str, str]], sampling: Sampling, kind: str, refused: Collection[str]) -> dict[str, Any]:
    """What is sent."""
    fields: dict[str, Any] = {"model": model, "messages": list(messages), "max_tokens": sampling.max_tokens}
    fields |= {field: getattr(sampling, name) for name, fields in NAMES.items() for field in fields}
    fields |= {"seed": sampling.seed} if sampling.seed is not None else {}
    fields |= {"stop": list(sampling.stop)} if sampling.stop else {}
    fields |= GOES_ON.get(kind, {}) if begun(messages) else {}
    fields |= {"stream": True, "stream_options": {"include_usage": True}}
    return {name: value for name, value in fields.items() if name not in refused}


def begun(messages: Sequence[Mapping[str, str]]) -> bool:
    """Is the last message the given beginning of the reply?"""
    return bool(messages) and messages[-1]["role"] == "assistant"


def named_in(said: str, sent: Collection[str]) -> set[str]:
    """The fields of a request, among those that can be left out, that a refusal names: as its `param`, else in its words."""
    optional = [name for name in OPTIONAL if name in sent]
    if (param := param_of(said)) in optional:
        return {param}
    words = GUESS.sub("", said)
    return {name for name in optional if re.search(rf"(?<!\w){name}(?!\w)", words)}


def param_of(said: str) -> str:
    """Of OpenAI's error object; '' for others."""
    try:
        return str(json.loads(said)["error"]["param"])
    except (ValueError, LookupError, TypeError):
        return ""


def off(refused: Mapping[str, str]) -> dict[str, str]:
    """Settings of which a server has refused every field → why, by field → its words."""
    found = {}
    for name in [param.name for param in STEP_PARAMS] + ["seed"]:
        fields = NAMES.get(name, (name,))
        if all(field in refused for field in fields):
            found[name] = f"The server has refused it: {refused[fields[0]]}"
    return found


def as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
