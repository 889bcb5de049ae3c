"""What an attack found: rows of a table, and what failed in words."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

COLUMNS = ("what", "tried", "held", "failed", "worst detail")
LONGEST = 160


@dataclass
class Row:
    """One line of the table. `worst` is a measurement worth reading also where everything held."""

    what: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)
    worst: str = ""

    def check(self, held: bool, detail: str) -> bool:
        """Count one try; `detail` says what happened where it did not hold."""
        self.tried += 1
        if not held:
            self.failures.append(shortened(detail))
        return held

    def line(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> Self:
        return cls(**json.loads(line))

    def cells(self) -> tuple[str, ...]:
        failed = len(self.failures)
        return self.what, str(self.tried), str(self.tried - failed), str(failed), self.failures[0] if failed else self.worst


def shortened(text: str) -> str:
    """On one line, printable on any terminal."""
    text = ascii(" ".join(text.split()))[1:-1]
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def table(rows: Sequence[Row]) -> str:
    cells = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(COLUMNS) - 1)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(row[n].rjust(widths[n]) for n in range(1, len(widths))), row[-1]]).rstrip() for row in cells
    )


def failures(rows: Sequence[Row]) -> str:
    """Every failure once, with how often it came."""
    lines = []
    for row in rows:
        lines += [f"{row.what}: {count} × {words}" for words, count in Counter(row.failures).most_common()]
    return "\n".join(lines)
