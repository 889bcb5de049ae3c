"""What an engine with a tokenizer answers with it: the prompt of messages, what it costs, and ids as text. No torch here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chatapp import strict_json
from chatapp.engines.text import Detokenizer
from chatapp.prompt import template
from chatapp.prompt.template import Budget
from chatapp.turn import Message, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class ChatTokenizer:
    """A tokenizer with its chat template. `ends` are the ids that end a reply, `context` the tokens of prompt and reply together."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", ends: frozenset[int], context: int) -> None:
        self.ends = ends
        self._tokenizer = tokenizer
        self._context = context

    def __len__(self) -> int:
        """Entries of its vocabulary."""
        return len(self._tokenizer)

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Where a reply of this model ends besides its end-of-turn tokens."""
        return template.stop_strings(self._tokenizer)

    def render(self, messages: Sequence[Message], *, max_tokens: int, prefix: str = "") -> Prompt:
        """See Engine.render."""
        ids = self._tokenizer.encode(strict_json.text(prefix), add_special_tokens=False) if prefix else ()
        return template.render(messages, self._tokenizer, context=self._context, max_tokens=max_tokens, prefill_ids=ids)

    def budget(self, messages: Sequence[Message], *, max_tokens: int) -> Budget:
        """See Engine.budget."""
        return template.forecast(messages, self._tokenizer, context=self._context, max_tokens=max_tokens)

    def text_of(self, ids: Sequence[int], prior: Sequence[int] = ()) -> str:
        """What a page shows of generated ids; a character begun in `prior` is finished here, an unfinished one left out."""
        characters = Detokenizer(self._tokenizer, prior=prior)
        return "".join(characters.push(i) for i in ids)

    def pieces(self, text: str) -> list[tuple[str, int]]:
        """`text` as the model reads it: the words and the id of each token."""
        return [(self._tokenizer.decode([i]), i) for i in self._tokenizer.encode(text, add_special_tokens=False)]
