"""How one token was chosen, in sentences: what each step of the pipeline did to the candidates of this reply."""

from typing import Any

from chatapp.sampling import STEP_PARAMS, Sampling


def sentence(step: dict[str, Any], before: dict[str, Any] | None, sampling: Sampling) -> str:
    """What this step did. `before` is the step in front of it; both as sampling.step gives them."""
    if before is None:
        return f"What the model says: a score for each of its {step['kept']} tokens, shown as probabilities."
    param = next(param for param in STEP_PARAMS if param.name == step["setting"])
    value = getattr(sampling, param.name)
    did = param.effect.format(value=value)
    if param.name == "temperature":
        return f"{did}, so the distribution becomes {'steeper: likely' if value < 1 else 'flatter: unlikely'} tokens gain."
    if param.kind == "scores":
        return f"{did}."
    cut = before["kept"] - step["kept"]
    return f"{did}: {f'{cut} were cut; the others share their probability.' if cut else 'here nothing was cut.'}"


def outcome(steps: list[dict[str, Any]], sampling: Sampling, is_likeliest: bool, own: bool) -> str:
    """How the token came out of the last step. `own` says that these are the settings the reply was drawn with."""
    last = steps[-1]
    if sampling.greedy:
        other = "recomputed here it is another one, by a little" if own else "with these settings it would have been another one"
        taken = "this token is it" if is_likeliest else other
        return f"Greedy (temperature 0): the likeliest token is taken, nothing is drawn; {taken}."
    if last["p"] == 0 and own:
        return "Recomputed here, a filter cuts this token. It was drawn all the same: the engine's own numbers were a little different."
    if last["p"] == 0:
        return "With these settings this token could not have been drawn: a filter cuts it."
    if last["kept"] == 1:
        return "One token is left, so nothing is drawn: it had to be this one."
    chance = f"this one came with a chance of {percent(last['p'])}"
    greedy = "It is the one that greedy decoding takes" if is_likeliest else "Greedy decoding would have taken another"
    return f"One of {last['kept']} tokens is drawn at random; {chance}. {greedy}."


def percent(share: float) -> str:
    """0.4 → '40 %', 0.9999 → 'more than 99.9 %', 0.00001 → 'less than 0.01 %'."""
    if share > 0.999:
        return "more than 99.9 %" if share < 1 else "100 %"
    return f"{100 * share:.2g} %" if share >= 0.0001 else "less than 0.01 %"
