"""Which number format serves a model better than the one it is shipped in: the one place that says so."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatapp.models.sources import Source

SHIPPED, BETTER = "Q4_1", "Q8_0"

WHY = "it reads prompts faster and writes for several people faster than the file as shipped, and says nearly the same"
"""`python -m chatapp.bench --formats` has the numbers: llama.cpp has no code that reads several tokens at once for Q4_1."""


def better_kind(source: "Source", kind: str, *, amx: bool) -> str:
    """GGML's name of the format that a copy in the data folder is to have; '' where the file is served as it is.

    The embedded model alone: it is small, nobody chose its format, and what the other one does to its words was measured. A file that a
    person named was chosen for its format, may be a hundred times as large, and would take its size once more on the disk. Code for the
    matrix units (`amx`) reads a prompt in Q4_1 as quickly, and writes for one person quicker from the smaller file.
    """
    return BETTER if source.kind == "embedded" and kind == SHIPPED and not amx else ""
