"""Models that cost nothing to load, and a machine whose memory a test decides."""

import threading

from chatapp.engines.base import Capabilities
from chatapp.errors import ChatError
from chatapp.models.forecast import Forecast
from chatapp.models.info import ModelInfo
from chatapp.models.sources import Source
from chatapp.resident.budget import Budget
from chatapp.settings import Settings

GB = 10**9


def nothing(source: Source, settings: Settings, progress) -> None:
    """All that a model needs is here."""


def roomy() -> Budget:
    """There is memory for everything. Each manager has its own: a budget remembers its server's event loop."""
    return Budget(lambda source, settings, tokens: Forecast(0, 0, 1, tokens, 0), lambda device: 1, nothing)


class Loaded:
    """An engine that only knows whether it was closed."""

    def __init__(self, model: str) -> None:
        self.info = ModelInfo(model, f"commit of {model}", 0, 10, "cpu", "float32", "a test", "none")
        self.capabilities = Capabilities(10, ())
        self.tokens = self.tokenizer = None
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Opener:
    """Opens engines when `gate` is set, tells progress, and fails for models named in `failures`.

    `sizes` are the GB that each model takes of the `memory` GB of the machine; a tenth more must be free.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.reported = threading.Event()
        self.failures: dict[str, BaseException] = {}
        self.sizes: dict[str, float] = {}
        self.memory = 100.0
        self.opened: list[Loaded] = []
        self.cancel_at_next_step = False
        self.budget = Budget(self.needs, self.free, nothing)

    def find(self, settings: Settings) -> Source:
        if settings.model == "misspelt":
            raise ChatError("misspelt was not found: looked for a folder and on the Hub.", status=404)
        return Source(settings.model, "hub", repo=settings.model)

    def open(self, source: Source, settings: Settings, progress) -> Loaded:
        progress(f"Reading weights of {source.name}", 0.25)
        self.reported.set()
        self.gate.wait(5)
        if self.cancel_at_next_step:
            progress("Next step", None)
        if source.name in self.failures:
            raise self.failures[source.name]
        self.opened.append(self.made(source.name))
        return self.opened[-1]

    def made(self, name: str) -> Loaded:
        return Loaded(name)

    def needs(self, source: Source, settings: Settings, tokens: int) -> Forecast:
        return Forecast(int(self.sizes.get(source.name, 0) * GB), 0, 1, tokens, self.free("cpu"))

    def free(self, device: str) -> int:
        return int(GB * (self.memory - sum(self.sizes.get(e.info.model, 0) for e in self.opened if not e.closed)))

    def engine(self, name: str) -> Loaded:
        """The latest engine of this model."""
        return next(engine for engine in reversed(self.opened) if engine.info.model == name)
