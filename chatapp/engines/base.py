"""What every engine is: the protocol, its card and its capabilities. No torch here."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from chatapp.turn import Event, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do. UI and API read this and say what is off and why.

    context      tokens per person: prompt and reply together
    concurrency  replies generated at the same time; more wait in the admission queue
    off          what it cannot do → why, in words. Keys: names of sampling settings, 'seed', 'stop', 'token_ids', 'logprobs',
                 'prefix_reuse'
    """

    context: int
    concurrency: int = 1
    off: Mapping[str, str] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        return name not in self.off


@dataclass(frozen=True)
class Card:
    """Facts of a loaded model, for the start-up card, the page footer and every turn.

    parameters  number of weights (tied ones once); dtype_reason says why that dtype was chosen
    memory      what weights and KV caches take of the memory that was free, in words
    advice      what would make it faster on this machine, in words
    """

    model: str
    revision: str
    parameters: int
    engine: str
    device: str
    dtype: str
    dtype_reason: str
    context: int
    memory: str = ""
    advice: str = ""


class Engine(Protocol):
    """A resident model that turns prompt ids into a stream of events."""

    card: Card
    capabilities: Capabilities
    tokenizer: "PreTrainedTokenizerBase"

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
