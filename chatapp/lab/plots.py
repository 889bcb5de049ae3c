"""Plots as SVG text, without script or library: groups side by side, a dot for each reply, a line of means; colours come from CSS."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean

WIDTH, HEIGHT = 320, 180
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 10, 28
MOST_DOTS, MOST_IN_ALL = 300, 1500
"""Of one group, and of a picture; more are thinned out evenly."""

LETTER, LABEL_WIDTH = 6, 26
"""Of a label: a letter's width, and the least room that it is shown in; where groups are narrower, some labels are left out."""

DOT_SPREAD = 0.28
"""How far dots lie beside the middle of their group, in its width: by their number, so that the picture is the same each time."""


@dataclass(frozen=True)
class Dot:
    """A value, what is said of it under the pointer, and the place that it leads to: '#…'."""

    value: float
    title: str
    leads: str


@dataclass(frozen=True)
class Group:
    """A place on the x axis: its label, and its dots."""

    label: str
    dots: Sequence[Dot]


def strip(title: str, groups: Sequence[Group], *, joined: bool) -> str:
    """Dots of each group over its label, and its mean; `joined`: the means are joined, for groups that have an order. '' without dots."""
    values = [dot.value for group in groups for dot in group.dots]
    if not values:
        return ""
    low, high = span_of(values)
    step = (WIDTH - LEFT - RIGHT) / len(groups)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    middles = [LEFT + step * (n + 0.5) for n in range(len(groups))]
    parts = [_axis(low, high, y), _labels(middles, [group.label for group in groups], step)]
    parts += [_dots(x, step, group, y, min(MOST_DOTS, MOST_IN_ALL // len(groups))) for x, group in zip(middles, groups, strict=True)]
    means = [(x, y(fmean(dot.value for dot in group.dots))) for x, group in zip(middles, groups, strict=True) if group.dots]
    if joined:
        parts.append(f'<polyline class="means" points="{" ".join(f"{x:.1f},{at:.1f}" for x, at in means)}"/>')
    wide = min(9.0, step * 0.4)
    parts += [f'<path class="mean" d="M{x - wide:.1f} {at:.1f}h{2 * wide:.1f}"/>' for x, at in means]
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="{escape(title)}">'
    return f'<figure class="plot"><figcaption>{escape(title)}</figcaption>{head}{"".join(parts)}</svg></figure>'


def span_of(values: Sequence[float]) -> tuple[float, float]:
    """The ends of the y axis: a little more than the values take, and never nothing."""
    low, high = min(values), max(values)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers between."""
    raw = (high - low) / 4
    power = 10.0 ** _floor_log10(raw)
    step = next(power * n for n in (1, 2, 2.5, 5, 10) if power * n >= raw)
    first = int(low // step) + 1
    return [n * step for n in range(first, int(high // step) + 1)]


def _floor_log10(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def _axis(low: float, high: float, y) -> str:
    lines = [
        f'<path class="grid" d="M{LEFT} {y(at):.1f}H{WIDTH - RIGHT}"/><text class="tick" x="{LEFT - 6}" y="{y(at) + 4:.1f}">{at:.6g}</text>'
        for at in ticks(low, high)
    ]
    return "".join(lines)


def _labels(middles: Sequence[float], labels: Sequence[str], step: float) -> str:
    every = -(-LABEL_WIDTH // int(step)) if step < LABEL_WIDTH else 1
    most = max(3, int(step * every / LETTER))
    made = []
    for x, label in list(zip(middles, labels, strict=True))[::every]:
        short = label if len(label) <= most else f"{label[: most - 1]}…"
        made.append(f'<text class="label" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}">{escape(short)}<title>{escape(label)}</title></text>')
    return "".join(made)


def _dots(x: float, step: float, group: Group, y, most: int) -> str:
    """Links, which the keyboard does not stop at one by one: a thousand may stand here."""
    every = -(-len(group.dots) // most) or 1
    shown = list(group.dots)[::every]
    made = []
    for number, dot in enumerate(shown):
        beside = ((number * 0.618) % 1 - 0.5) * 2 * DOT_SPREAD * step if len(shown) > 1 else 0.0
        circle = f'<circle cx="{x + beside:.1f}" cy="{y(dot.value):.1f}" r="3"><title>{escape(dot.title)}</title></circle>'
        made.append(f'<a href="{escape(dot.leads)}" tabindex="-1">{circle}</a>')
    return "".join(made)
