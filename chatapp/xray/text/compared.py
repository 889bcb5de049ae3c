"""What the table by layer says, in sentences: of one model, and of what changes from a smaller to a larger one."""

from collections.abc import Sequence
from typing import Any

Layers = Sequence[dict[str, float]]

NAMES = {
    "itself": "the token itself",
    "previous": "the previous token",
    "first": "the first token",
    "next": "the next token",
    "last": "the last token",
}
ALIKE, ALIKE_BITS = 0.02, 0.1
"""A smaller difference of shares, or of bits, is called none."""


def words(models: Sequence[dict[str, Any]]) -> list[str]:
    """Of one model or two, each {name, parameters, length, encoder, layers}; what `depth.by_layer` gives is in `layers`."""
    said = [alone(model) for model in models]
    return [*said, *between(*sorted(models, key=lambda model: model["parameters"]))] if len(models) > 1 else said


def alone(model: dict[str, Any]) -> str:
    """Where its attention rests most, and where it is sharpest."""
    layers = model["layers"]
    means = {name: mean(layers, name) for name in NAMES if name in layers[0]}
    most = max(means, key=means.get)
    peak = max(range(len(layers)), key=lambda n: layers[n][most])
    sharp, wide = (pick(range(len(layers)), key=lambda n: layers[n]["entropy"]) for pick in (min, max))
    return (
        f"{model['name']} rests most on {NAMES[most]}: {percent(means[most])} of its attention on average over {len(layers)} layers, "
        f"{percent(layers[peak][most])} in layer {peak}. Sharpest is layer {sharp} ({layers[sharp]['entropy']:.1f} bits), "
        f"most spread out layer {wide} ({layers[wide]['entropy']:.1f} bits)."
    )


def between(small: dict[str, Any], large: dict[str, Any]) -> list[str]:
    """From the smaller model to the larger one: what changes most, what else, and what hinders the comparison."""
    shared = [name for name in NAMES if name in small["layers"][0] and name in large["layers"][0]]
    pairs = {name: (mean(small["layers"], name), mean(large["layers"], name)) for name in shared}
    most = max(pairs, key=lambda name: abs(pairs[name][1] - pairs[name][0]))
    times = large["parameters"] / small["parameters"]
    size = f"{times:.1f} times as many parameters" if times >= 1.05 else "as many parameters"
    begin = f"From {small['name']} to {large['name']} ({size}, {len(small['layers'])} → {len(large['layers'])} layers),"
    others = [f"{NAMES[name]} {changed(*pairs[name])}" for name in shared if name != most]
    bits = mean(small["layers"], "entropy"), mean(large["layers"], "entropy")
    entropy = f"entropy {bits[0]:.1f} → {bits[1]:.1f} bits" + (" (alike)" if abs(bits[1] - bits[0]) < ALIKE_BITS else "")
    if abs(pairs[most][1] - pairs[most][0]) < ALIKE:
        first = f"{begin} no share changes by as much as {percent(ALIKE)}; {entropy}."
    else:
        first = f"{begin} what changes most is attention on {NAMES[most]}: {changed(*pairs[most])}. Also {', '.join([*others, entropy])}."
    return [first, *hindrances(small, large)]


def hindrances(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Why the numbers of two models do not quite compare."""
    said = []
    if one["length"] != other["length"]:
        said.append(
            f"The text is {one['length']} tokens for {one['name']} and {other['length']} for {other['name']}: with more tokens there is "
            "more to spread over, so compare entropy with care."
        )
    if one["encoder"] != other["encoder"]:
        encoder = one if one["encoder"] else other
        said.append(f"{encoder['name']} is an encoder: its tokens also see those behind them, which take a share of their own.")
    return said


def changed(before: float, after: float) -> str:
    return f"{percent(before)} → {percent(after)}" + (" (alike)" if abs(after - before) < ALIKE else "")


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def mean(layers: Layers, name: str) -> float:
    return sum(layer[name] for layer in layers) / len(layers)
