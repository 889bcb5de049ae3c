"""An engine without a tokenizer, as a remote one is: it takes messages and gives text, and the chat works all the same."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path

import pytest

from chatapp.chat import actions
from chatapp.chat.build import ReplyPrefix
from chatapp.chat.service import Chat
from chatapp.engines.base import Capabilities
from chatapp.errors import ChatError
from chatapp.models.info import ModelInfo
from chatapp.pages import panel
from chatapp.prompt.template import Budget
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.store import Store
from chatapp.turn import Event, Finish, Message, Prefilled, Prompt, Token
from tests.chats import ME, ended
from tests.conftest import Scripted


class TextOnly:
    """Answers with two words; `rendered` are the messages and the beginnings of a reply that it was given."""

    tokens = tokenizer = None

    def __init__(self) -> None:
        self.info = ModelInfo("far/away", "", 0, 100, "elsewhere", "unknown", "another server decides", "textonly")
        self.capabilities = Capabilities(100, ("temperature",), off={"token_ids": "The server gives text."})
        self.rendered: list[tuple[list[Message], str]] = []

    def render(self, messages: Sequence[Message], *, max_tokens: int, prefix: str = "") -> Prompt:
        self.rendered.append((list(messages), prefix))
        return Prompt((), "\n".join(m.content for m in messages), messages=tuple(messages))

    def budget(self, messages: Sequence[Message], *, max_tokens: int) -> Budget:
        return Budget(sum(len(m.content.split()) for m in messages), max_tokens, 100, 0, False)

    async def answer(self, prompt: str, sampling: Sampling) -> AsyncGenerator[Event]:
        yield Prefilled(0)
        for word in ("Far", " away")[: sampling.max_tokens]:
            yield Token(None, word)
        yield Finish("length" if sampling.max_tokens < 2 else "end")

    def close(self) -> None:
        """Nothing to free."""


@pytest.fixture
def engine() -> TextOnly:
    return TextOnly()


@pytest.fixture
async def chat(engine: TextOnly, tmp_path: Path) -> AsyncIterator[Chat]:
    chat = Chat(ModelManager.of(engine), Store(f"sqlite:///{tmp_path}/chat.db"))
    yield chat
    await chat.shutdown()


async def test_it_answers_and_no_branch_begins_at_one_of_its_tokens(chat: Chat, engine: TextOnly) -> None:
    cut = await ended(chat, await chat.send(ME, "Where are you?", sampling=Sampling(max_tokens=1)))
    assert (cut.reply, cut.finish_reason, cut.prompt_ids) == ("Far", "length", ())
    assert engine.rendered[-1] == ([Message("user", "Where are you?")], "")
    with pytest.raises(ChatError, match="gives text, not token ids"):
        await actions.branch(chat, ME, cut.id, 0, 5)


async def test_its_tokens_fit_no_engine_that_counts_ids(chat: Chat, scripted: Scripted) -> None:
    cut = await ended(chat, await chat.send(ME, "Where are you?", sampling=Sampling(max_tokens=1)))
    assert not cut.reply_ids and not ReplyPrefix(cut, tuple(cut.reply_ids), cut.reply).fits(scripted.info)


async def test_the_meter_and_the_page_ask_the_engine(chat: Chat, engine: TextOnly) -> None:
    assert (await chat.meter.budget(ME, None, "three words here")).used == 3
    shown = panel.status(chat.models.first)
    assert shown["state"] == "ready" and shown["headline"] == []
    assert "top_k" in shown["limits"]["off"]
