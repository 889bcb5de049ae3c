"""What every engine is: the protocol, what it says of its model, and its capabilities. No torch here."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Protocol

from chatapp.engines.tokens import ChatTokenizer
from chatapp.errors import ChatError
from chatapp.models.identity import foreign_id
from chatapp.models.info import ModelInfo
from chatapp.prompt.template import Budget
from chatapp.sampling import STEP_PARAMS, Sampling
from chatapp.turn import Event, Message, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from chatapp.settings import Settings


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do. UI and API read this and say what is off and why.

    context      tokens per person: prompt and reply together
    steps        the sampling settings it has, in the order in which it applies them; those of sampling.STEP_PARAMS it does not name are off
    concurrency  replies generated at the same time; more wait in the admission queue
    off          what it cannot do → why, in words. Keys: names of sampling settings, 'seed', 'stop', 'token_ids', 'logprobs',
                 'prefix_reuse'
    """

    context: int
    steps: tuple[str, ...]
    concurrency: int = 1
    off: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = {param.name: "This engine does not have it." for param in STEP_PARAMS if param.name not in self.steps}
        object.__setattr__(self, "off", missing | dict(self.off))

    def has(self, name: str) -> bool:
        return name not in self.off


class Engine(Protocol):
    """A resident model that turns messages into a prompt, and a prompt into a stream of events.

    tokens     its tokenizer, for what concerns ids: Continue and branches on the very tokens, the end of a reply. None for an engine that
               takes messages and gives text: its prompts have no ids, a reply goes on from its text, and `answer(prompt_text, sampling)`,
               of the text that `render` gave, takes the place of `generate`
    tokenizer  the same as transformers knows it, for X-ray alone

    What one may have besides, and is asked for by its name: `model`, transformers' own, for X-ray; `sharing(ids)`, while which replies to
    this prompt share one reading (lab/answering.py); `taken()`, bytes beside those that this process grew by at the load
    (resident/weighed.py); `improvement()`, what makes the next one quicker (engines/__init__.py).
    """

    info: ModelInfo
    capabilities: Capabilities
    tokens: ChatTokenizer | None
    tokenizer: "PreTrainedTokenizerBase | None"

    def render(self, messages: Sequence[Message], *, max_tokens: int, prefix: str = "") -> Prompt:
        """What the model is given to reply to the last message; `prefix` is the given beginning of that reply.

        Whole oldest turns are left out where the context is short. Raises ChatError with both numbers where the last one does not fit.
        """
        ...

    def budget(self, messages: Sequence[Message], *, max_tokens: int) -> Budget:
        """What such a prompt would use of the context, quickly: asked at each key press."""
        ...

    def generate(self, prompt_ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Event]:
        """Yield Prefilled once, then Tokens, then Finish.

        Closing the generator (aclose, cancellation) stops the model within one step or one prefill chunk and frees its memory.
        The end-of-turn token is yielded as a Token with text '' before Finish('end'). A failure is raised here, as ChatError when the
        user can do something about it. The caller guarantees len(prompt_ids) + sampling.max_tokens <= capabilities.context.
        """
        ...

    def close(self) -> None:
        """Stop every generation and free the model. The engine cannot be used afterwards."""
        ...


def versions(*packages: str) -> dict[str, str]:
    """Installed versions by name, for ModelInfo."""
    return {name: metadata.version(name) for name in packages}


def torch_versions(settings: "Settings") -> dict[str, str]:
    """Of an engine that runs transformers' model in this process."""
    quantized = () if settings.quantization == "none" else ("bitsandbytes",)
    return versions("torch", "transformers", "tokenizers", *quantized)


def refuse_unreadable(ids: Sequence[int], info: ModelInfo) -> None:
    """The last line of defence: an index outside the embedding table ends a reply on a CPU, and on CUDA the model, for everybody."""
    if (foreign := foreign_id(ids, info.vocabulary)) is not None:
        raise ChatError(
            f"The prompt holds token id {foreign}, outside the vocabulary of {info.vocabulary} of {info.model}.",
            status=422,
        )
