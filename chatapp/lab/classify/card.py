"""What was measured of a classifier that was trained here: kept in its folder, as numbers for the app and as a card for people."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from chatapp.models.files.folder import opened

NUMBERS = "trained_here.json"


@dataclass(frozen=True)
class TrainedHere:
    """Texts trained on and held out, the accuracy on the latter with its 95 % interval, what guessing would get, and how long it took."""

    base: str
    corpus: str
    rule: str
    trained: int
    held_out: int
    accuracy: float
    low: float
    high: float
    guessing: float
    seconds: float
    seed: int

    @property
    def words(self) -> str:
        """Its accuracy, with what it is of."""
        return (
            f"Trained here on {self.trained:,} texts ({self.corpus}): {100 * self.accuracy:.1f} % right on {self.held_out:,} held-out ones "
            f"(95 % interval {100 * self.low:.1f} to {100 * self.high:.1f} %); guessing gets {100 * self.guessing:.1f} %."
        )


def write_card(folder: Path, found: TrainedHere, labels: list[str]) -> None:
    """Beside the weights."""
    (folder / NUMBERS).write_text(json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_card(folder.name, found, labels), encoding="utf-8")


def read_card(folder: Path) -> TrainedHere | None:
    """None for one that was not trained here, or whose numbers cannot be read."""
    try:
        found = TrainedHere(**opened(folder).maybe(NUMBERS))
        return found if found.words else None
    except (TypeError, ValueError):  # other fields than ours, or no numbers in them
        return None


def _card(name: str, found: TrainedHere, labels: list[str]) -> str:
    interval = f"95 % interval {100 * found.low:.1f} to {100 * found.high:.1f} % (Wilson)"
    return f"""# {name}

Trained here, by `python app.py classify --train`.

- Base: {found.base}, with a new head; labels: {", ".join(labels)}
- Texts: {found.corpus}. {found.rule}
- Trained on {found.trained:,} texts in {found.seconds:.0f} seconds, seed {found.seed}
- **Accuracy on {found.held_out:,} held-out texts: {100 * found.accuracy:.1f} %**, {interval};
  always saying the commonest label gets {100 * found.guessing:.1f} %

The texts come from one source. Nothing is known of how it does on others.
"""
