"""How good a classifier is on texts whose label is known: confusion matrix, accuracy and its 95 % interval, what guessing gets."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

Z = 1.959964
"""The 97.5 % quantile of the normal distribution."""


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score (1927), which stays between 0 and 1 and holds for few texts too."""
    share, spread = right / count, Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z * (share * (1 - share) / count + spread / (4 * count)) ** 0.5 / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def measure(truth: Sequence[int], predicted: Sequence[int], labels: Sequence[str]) -> dict[str, Any]:
    """{count, right, accuracy, low, high, commonest, guessing, matrix}: `matrix[true][predicted]` counts texts.

    `guessing` is the accuracy of always saying the label that is `commonest` among these texts.
    """
    counts = Counter(zip(truth, predicted, strict=True))
    right = sum(count for (a, b), count in counts.items() if a == b)
    low, high = wilson(right, len(truth))
    commonest, most = Counter(truth).most_common(1)[0]
    return {
        "count": len(truth),
        "right": right,
        "accuracy": right / len(truth),
        "low": low,
        "high": high,
        "commonest": labels[commonest],
        "guessing": most / len(truth),
        "matrix": [[counts[a, b] for b in range(len(labels))] for a in range(len(labels))],
    }


def sentence(found: dict[str, Any]) -> str:
    """The accuracy in words."""
    interval = f"95 % interval {100 * found['low']:.1f} to {100 * found['high']:.1f} %"
    return (
        f"Accuracy {100 * found['accuracy']:.1f} % ({interval}): {found['right']:,} of {found['count']:,} texts. "
        f"Always saying {found['commonest']} would get {100 * found['guessing']:.1f} %."
    )
