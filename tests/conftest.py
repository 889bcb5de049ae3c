"""Fixtures: tiny random models made in-process, an engine that emits a script, a data folder of one's own, and no network but loopback."""

import asyncio
import gc
import os
import socket
import tempfile
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path

os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_HOME=str(Path(tempfile.gettempdir()) / "chatapp-tests" / "huggingface"),
    HF_HUB_DISABLE_TELEMETRY="1",
    GRADIO_ANALYTICS_ENABLED="False",
    OMP_NUM_THREADS="2",
    OMP_WAIT_POLICY="PASSIVE",  # a thread that spins while it waits takes the time of the other test process
    TOKENIZERS_PARALLELISM="false",
)

import pytest

from chatapp.engines.base import Capabilities, versions
from chatapp.engines.text import end_ids
from chatapp.engines.tokens import ChatTokenizer
from chatapp.models.identity import revision_of
from chatapp.models.info import ModelInfo
from chatapp.sampling import Sampling
from chatapp.turn import Event, Finish, Prefilled, Token
from tests import postgres
from tests.tiny import make_tiny

LOOPBACK = ("127.0.0.1", "localhost", "::1", "0.0.0.0")
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the developer's settings or writes to their data folder."""
    for name in [n for n in os.environ if n.startswith("CHATAPP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture(autouse=True, scope="module")
def earlier_objects_left_alone() -> None:
    """An engine collects garbage when it closes: it looks at what this file's tests made, not at all that libraries and earlier files
    left, of which a worker holds more and more."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> None:
    """A test that reaches for the network fails at once instead of hanging."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise ConnectionRefusedError(f"tests reach 127.0.0.1 only, not {address[0]}")
        return connect(self, address)

    socket.socket.connect = guarded


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random 2-layer Llama, a byte-level BPE tokenizer and a ChatML template."""
    return make_tiny("llama", tmp_path_factory.mktemp("tiny-llama"), chat_template=CHATML)


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random 2-layer GPT-2 and no chat template: a base model."""
    return make_tiny("gpt2", tmp_path_factory.mktemp("tiny-gpt2"), chat_template=None)


@pytest.fixture
def make_direct(request: pytest.FixtureRequest):
    """Direct engines that are closed after the test; without the end-of-turn tokens that a random model may draw."""
    from chatapp.engines.direct.engine import DirectEngine
    from chatapp.models.loading import Loaded
    from chatapp.settings import Settings

    def make(loaded: Loaded, **values: int) -> DirectEngine:
        engine = DirectEngine(loaded, Settings(**{"threads": 1, **values}))
        engine._ends = frozenset()
        request.addfinalizer(engine.close)
        return engine

    return make


@pytest.fixture
def make_batched(tiny_llama: Path, request: pytest.FixtureRequest):
    """Batched engines on a tiny model, closed when the test ends; without the end-of-turn tokens that a random model may draw."""
    from chatapp.engines.batched.engine import BatchedEngine
    from chatapp.settings import Settings
    from tests.batches import given

    def make(folder: Path = tiny_llama, concurrency: int = 8, context: int = 1024, ends: bool = False) -> BatchedEngine:
        engine = BatchedEngine(given(folder, context), Settings(concurrency=concurrency, threads=2))
        if not ends:
            engine._ends = frozenset()
        request.addfinalizer(engine.close)
        return engine

    return make


@pytest.fixture(scope="session")
def smol_gguf() -> Path:
    """The embedded model's file."""
    from chatapp.models.sources import embedded_gguf

    gguf = embedded_gguf()
    if gguf is None:
        pytest.skip("the embedded model is not installed (requirements-model.txt)")
    return gguf


@pytest.fixture(scope="session")
def smol(smol_gguf: Path) -> Path:
    """The embedded model as a Transformers folder, converted once per machine and kept in the temp folder."""
    from chatapp.models.convert import convert_gguf

    return convert_gguf(smol_gguf, Path(tempfile.gettempdir()) / "chatapp-tests", lambda what, share: None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The test run's own PostgreSQL, started when the first test asks for it."""
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new empty database: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/chats/chat.db"
    else:
        with postgres.database(request.getfixturevalue("postgres_server")) as url:
            yield url


class Scripted:
    """An engine that emits given texts, one token each, and remembers the ids it was fed.

    `delay` seconds pass before each token; `hold` is an Event that must be set before the first one; `fail_after` raises after that
    many tokens; `ids` are the tokens' ids, otherwise 1000, 1001, … which no vocabulary has.
    """

    def __init__(
        self, tokenizer, words: Sequence[str] = ("Hello", " ", "world"), *, delay: float = 0.0, context: int = 2048, concurrency: int = 1
    ):
        self.tokenizer = tokenizer
        self.words = list(words)
        self.delay = delay
        self.hold: asyncio.Event | None = None
        self.fail_after: int | None = None
        self.failure: BaseException = RuntimeError("scripted failure")
        self.ids: Sequence[int] = ()
        self.fed: list[tuple[int, ...]] = []
        self.samplings: list[Sampling] = []
        self.steps = 0
        self.closed = 0
        self.info = ModelInfo(
            "scripted",
            revision_of(Path(tokenizer.name_or_path)),
            0,
            context,
            "cpu",
            "float32",
            "a test",
            engine="scripted",
            vocabulary=2**16,
            versions=versions("transformers", "tokenizers"),
        )
        self.capabilities = Capabilities(context, tuple(Sampling().steps()), concurrency=concurrency)
        self.tokens = ChatTokenizer(tokenizer, end_ids(tokenizer), context)
        self.render, self.budget = self.tokens.render, self.tokens.budget

    async def generate(self, prompt_ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Event]:
        self.fed.append(tuple(prompt_ids))
        self.samplings.append(sampling)
        try:
            yield Prefilled(reused=0)
            if self.hold is not None:
                await self.hold.wait()
            for n, word in enumerate(self.words[: sampling.max_tokens]):
                if n == self.fail_after:
                    raise self.failure
                await asyncio.sleep(self.delay)
                self.steps += 1
                yield Token(self.ids[n] if self.ids else 1000 + n, word, -0.5)
            yield Finish("length" if sampling.max_tokens <= len(self.words) else "end")
        finally:
            self.closed += 1

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def scripted(tiny_llama: Path) -> Scripted:
    from transformers import AutoTokenizer

    return Scripted(AutoTokenizer.from_pretrained(tiny_llama))
