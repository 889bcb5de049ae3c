"""What made the difference, in one sentence: setting, metric, difference and its 95 % interval; or that there is none at n replies.

Two columns answer the same prompt with the same random numbers, so they are compared in pairs: a prompt and a replica in one column and in
the other. Replicas of one prompt are alike, so each prompt counts once, by the mean of its pairs' differences; where there is one prompt
only, its pairs count, and nothing is said of other prompts. The interval is that of the mean of these numbers by Student's t.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

from chatapp.lab.grid import Grid, Variant
from chatapp.lab.metrics import METRICS, Metric
from chatapp.lab.rows import Row, failed
from chatapp.sampling import SAMPLING_PARAMS

T_975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""The 97.5 % quantile of Student's t for 1 to 30 degrees of freedom, as every table has it."""


@dataclass(frozen=True)
class Verdict:
    """`difference`: the second column's mean minus the first's over `prompts` with `pairs` pairs in all, `low` to `high` its 95 % interval.

    With less than two prompts, and less than two pairs of the one, there is no interval: both are None.
    """

    setting: str
    metric: Metric
    prompts: int
    pairs: int
    difference: float | None
    low: float | None
    high: float | None

    @property
    def differs(self) -> bool:
        """The interval lies on one side of zero."""
        return self.low is not None and not self.low <= 0 <= self.high

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        name, said = self.metric.label, self.metric.said_apart
        if self.difference is None:
            return f"{self.setting}: no two replies have a number for {name}."
        if self.low is None:
            return f"{self.setting}: one pair of replies says nothing about {name}. Ask more prompts, or for more replicas."
        interval = f"95 % interval {said(self.low, signed=True)} to {said(self.high, signed=True)}"
        if not self.differs:
            return f"{self.setting}: no difference in {name} at {self.counted} ({interval})."
        way = "up" if self.difference > 0 else "down"
        return f"{self.setting}: {name} {way} by {said(self.difference)} ({interval}, {self.counted})."

    @property
    def counted(self) -> str:
        """What the interval rests on."""
        if self.prompts == 1:
            return f"{self.pairs} pairs of replies to one prompt"
        return f"{self.prompts} prompts" + (f", {self.pairs} pairs of replies" if self.pairs > self.prompts else "")


def verdict(metric: Metric, first: Variant, second: Variant, rows: Sequence[Row]) -> Verdict:
    """What going from the first column to the second does to a metric."""
    pairs = paired(metric, first.label, second.label, rows)
    numbers = pairs[0] if len(pairs) == 1 else [fmean(differences) for differences in pairs]
    return Verdict(what_differs(first, second), metric, len(pairs), sum(map(len, pairs)), *interval(numbers))


def paired(metric: Metric, first: str, second: str, rows: Sequence[Row]) -> list[list[float]]:
    """For each prompt, the second column's value minus the first's for each replica that both have.

    A greedy reply stands beside each replica of the other.
    """
    one, other = (_values(metric, label, rows) for label in (first, second))
    found = []
    for prompt in sorted(set(one) & set(other)):
        left, right = one[prompt], other[prompt]
        replicas = sorted(set(left) | set(right), key=lambda replica: -1 if replica is None else replica)
        replicas = [replica for replica in replicas if replica is not None] or [None]
        sides = [(left.get(n, left.get(None)), right.get(n, right.get(None))) for n in replicas]
        found.append([b - a for a, b in sides if a is not None and b is not None])
    return [differences for differences in found if differences]


def _values(metric: Metric, label: str, rows: Sequence[Row]) -> dict[int, dict[int | None, float]]:
    """prompt → replica → value; None as the replica of a reply that stands for all of them."""
    found: dict[int, dict[int | None, float]] = {}
    for row in rows:
        if row["column"] == label and not failed(row) and (value := metric.value(row)) is not None:
            greedy = row["turn"]["sampling"]["temperature"] == 0
            found.setdefault(row["prompt_index"], {})[None if greedy else row["replica"]] = value
    return found


def interval(differences: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """(mean, low, high): the mean and its 95 % interval by Student's t, which needs two numbers."""
    if not differences:
        return None, None, None
    middle = fmean(differences)
    if len(differences) < 2:
        return middle, None, None
    half = t_975(len(differences) - 1) * stdev(differences) / len(differences) ** 0.5
    return middle, middle - half, middle + half


def t_975(freedom: int) -> float:
    """The 97.5 % quantile of Student's t; beyond the table by its expansion around the normal one (Abramowitz & Stegun 26.7.5)."""
    if freedom <= len(T_975):
        return T_975[freedom - 1]
    z = NormalDist().inv_cdf(0.975)
    terms = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def what_differs(first: Variant, second: Variant) -> str:
    """The settings in which two columns differ: 'temperature 0 → 1.5'; their names where there are more than two."""
    found = [
        f"{param.label} {getattr(first.sampling, param.name):g} → {getattr(second.sampling, param.name):g}"
        for param in SAMPLING_PARAMS
        if getattr(first.sampling, param.name) != getattr(second.sampling, param.name)
    ]
    if first.model != second.model:
        found.append(f"Model {first.model or 'default'} → {second.model or 'default'}")
    if first.system != second.system:
        found.append("System prompt")
    if first.sampling.seed != second.sampling.seed:
        found.append("Seed")
    if first.sampling.stop != second.sampling.stop:
        found.append("Stop strings")
    return " and ".join(found) if 1 <= len(found) <= 2 else f"{first.label} → {second.label}"


def verdicts(grid: Grid, rows: Sequence[Row]) -> list[Verdict]:
    """From the first column to each further one, and from the first value of each sweep to its last, for every metric that has numbers."""
    plain = [column.variants()[0] for column in grid.columns if column.sweep is None]
    sweeps = [column.variants() for column in grid.columns if column.sweep is not None]
    pairs = [(plain[0], other) for other in plain[1:]] + [(variants[0], variants[-1]) for variants in sweeps]
    found = [verdict(metric, first, second, rows) for first, second in pairs for metric in METRICS if metric.name != "speed"]
    return [one for one in found if one.pairs]
