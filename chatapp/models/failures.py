"""What the libraries raise on a model's files that say something no model says, and how it becomes one sentence."""

from types import TracebackType

from chatapp.errors import ChatError

FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""transformers checks few of a file's values itself."""


class Reading:
    """`with Reading("The tokenizer of x cannot be loaded: ", " Fetch it again.")`: a failure inside is a ChatError with its first line."""

    def __init__(self, before: str, after: str = "") -> None:
        self.before = before
        self.after = after

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # `tokenizers`, which is Rust, raises Exception itself and no class of its own.
        if error is not None and (kind is Exception or isinstance(error, FAILURES)):
            raise ChatError(f"{self.before}{first_line(error)}{self.after}") from error


def first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if line.endswith(".") else line + "."
