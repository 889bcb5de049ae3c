"""What a send costs the server before the model begins, in a long conversation: reading the path, writing the question; and the prompt."""

import random
import time
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from chatapp.chat.service import Chat
from chatapp.engines.base import Capabilities
from chatapp.engines.text import end_ids
from chatapp.engines.tokens import ChatTokenizer
from chatapp.models.info import ModelInfo
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.store import Conversation, Store
from chatapp.turn import Event, Finish, Message, Prefilled, Prompt, Timings, Turn, new_id

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OWNER = "bench"
TURNS, TOKENS = 100, 1000
"""Turns of the conversation, and tokens of each, question and reply together."""

CONTEXT = 8192


class Asked:
    """In the place of a model: notes when it is asked, and says nothing."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self.tokenizer = tokenizer
        self.info = ModelInfo("asked", "", 0, CONTEXT, "cpu", "none", "a benchmark", "asked")
        self.capabilities = Capabilities(CONTEXT, tuple(Sampling().steps()))
        self.tokens = ChatTokenizer(tokenizer, end_ids(tokenizer), CONTEXT)
        self.budget = self.tokens.budget
        self.at = self.rendering = 0.0

    def render(self, messages: Sequence[Message], *, max_tokens: int, prefix: str = "") -> Prompt:
        started = time.perf_counter()
        prompt = self.tokens.render(messages, max_tokens=max_tokens, prefix=prefix)
        self.rendering = time.perf_counter() - started
        return prompt

    async def generate(self, prompt_ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Event]:
        self.at = time.perf_counter()
        yield Prefilled(0)
        yield Finish("end")

    def close(self) -> None:
        """Nothing to free."""


def conversation(words: list[str], rng: random.Random) -> Conversation:
    """TURNS turns, each with the prompt that it was given: the longest that the context held."""
    id, chain = new_id(), list[Turn]()
    for n in range(TURNS):
        question, reply = " ".join(rng.choices(words, k=200)), " ".join(rng.choices(words, k=TOKENS - 200))
        size = min(n * TOKENS, CONTEXT)
        turn = Turn(OWNER, id, question, parent_id=chain[-1].id if chain else None, reply_text=reply, finish_reason="end")
        turn.prompt_ids, turn.prompt_text, turn.timings = tuple(range(size)), "x" * 4 * size, Timings(1.0, 0.0, 0.1, 2.0)
        turn.reply_ids = rng.choices(range(CONTEXT), k=TOKENS - 200)
        chain.append(turn)
    return Conversation(id, "Long", 1.0, 2.0, leaf=chain[-1].id, turns=chain)


async def sends(store: Store, tokenizer: "PreTrainedTokenizerBase", repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each send: until the model begins without the engine's rendering of the prompt, and that rendering."""
    engine = Asked(tokenizer)
    chat = Chat(ModelManager.of(engine), store)
    rng = random.Random(7)
    words = [word.strip() for word in map(tokenizer.decode, range(min(len(tokenizer), 5000))) if word.strip().isalpha()]
    [id] = store.conversations.add(OWNER, [conversation(words, rng)])
    times: dict[str, list[float]] = {"send": [], "prompt": []}
    for n in range(repeats + 1):
        started = time.perf_counter()
        turn = await chat.send(OWNER, f"And now, for the {n}th time?", conversation_id=id)
        async for _ in chat.follow(OWNER, turn.id):
            pass
        times["send"].append((engine.at - started - engine.rendering) * 1000)
        times["prompt"].append(engine.rendering * 1000)
    await chat.shutdown()
    return {step: ms[1:] for step, ms in times.items()}  # the first prompt counts the tokens of what was never seen
