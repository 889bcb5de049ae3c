"""The results as a table for people and as one line of JSON."""

import os
from collections.abc import Iterable

from chatapp.bench.matrix import Plan, Results
from chatapp.bench.measure import median
from chatapp.models.info import ModelInfo
from chatapp.models.memory import gigabytes


def pairs(top: Iterable[float], bottom: Iterable[float]) -> list[float]:
    """One ratio for each interleaved run: what ran beside each other is compared."""
    return [a / b for a, b in zip(top, bottom, strict=False)]


def ratios(plan: Plan, results: Results) -> dict[str, list[float]]:
    """The values of each ratio, one for each run; a peer that was not measured has none."""
    rates = {name: {p: [run.rate for run in runs] for p, runs in crowds.items()} for name, crowds in results.crowds.items()}
    single = {name: by_people[1] for name, by_people in rates.items() if 1 in by_people}
    many = {name: by_people[plan.compared] for name, by_people in rates.items() if plan.compared in by_people}
    found = {}
    for name, way in (("single_vs_naive", "naive"), ("single_vs_llamacpp", "llamacpp"), ("single_vs_llamacpp_native", "llamacpp_native")):
        if way in single:
            found[name] = pairs(single["engine"], single[way])
    if "guessing" in results.copies:
        found["copying_vs_llamacpp"] = pairs(results.copies["guessing"], results.copies["llamacpp"])
    if "llamacpp" in many:
        found["eight_vs_llamacpp"] = pairs(many["engine"], many["llamacpp"])
    if serves := [many[name] for name in ("serve", "serve_batching") if name in many]:
        found["eight_vs_serve"] = pairs(many["engine"], max(serves, key=median))
    new = {name: [first for first, _ in both] for name, both in results.shared.items()}
    if serves := [new[name] for name in ("serve", "serve_batching") if name in new]:
        found["new_prompt_vs_serve"] = pairs(new["engine"], min(serves, key=median))  # seconds: less is better
    found["turn10_ttft_vs_turn1"] = [last / first for first, last in results.turns["engine"]]
    for way in ("ui", "api", "gradio_client"):
        if way in single:
            found[f"{way}_vs_engine"] = pairs(single[way], single["engine"])
        if way in many and plan.compared > 1:
            found[f"{way}_eight_vs_engine"] = pairs(many[way], many["engine"])
    return found


def table(plan: Plan, info: ModelInfo, results: Results, ceiling: dict[str, float], threads: int) -> str:
    head = [
        f"{info.model} · {info.engine} · {info.device} · {info.dtype} · {threads} threads · {plan.settings.concurrency} slots of "
        f"{info.context} tokens",
        f"{plan.tokens} tokens a reply for one person, {plan.crowd_tokens} for many · median of {plan.repeats} interleaved runs · "
        f"load {os.getloadavg()[0]:.1f}",
        "",
        "Tokens per second, all people together (lowest-highest); tokens per CPU-second; share of the bandwidth ceiling; peak memory",
    ]
    columns = "".join(f"{f'{people} people':>20}" for people in plan.crowds)
    rows = [f"{'way':<16}{columns}{'tok/cpu-s':>11}{'ceiling':>9}{'memory':>10}"]
    rows += [_row(plan, name, results, ceiling.get(name)) for name in results.crowds]
    return "\n".join([*head, *rows, "", *_first_tokens(results)])


def _row(plan: Plan, name: str, results: Results, ceiling: float | None) -> str:
    cells = ""
    for people in plan.crowds:
        rates = [run.rate for run in results.crowds[name].get(people, [])]
        cells += f"{f'{median(rates):.1f} ({min(rates):.1f}-{max(rates):.1f})' if rates else '':>20}"
    single = results.crowds[name].get(1, [])
    thrift = f"{median(run.per_cpu_second for run in single):.1f}" if single else ""
    share = f"{100 * median(run.rate for run in single) / ceiling:.0f} %" if ceiling and single else ""
    return f"{name:<16}{cells}{thrift:>11}{share:>9}{gigabytes(results.peak_bytes[name]):>10}"


def _first_tokens(results: Results) -> list[str]:
    lines = ["Seconds to the first token", f"{'way':<16}{'turn 1':>9}{'turn 10':>9}{'new system prompt':>19}{'shared one':>12}"]
    for name, turns in results.turns.items():
        numbers = [median(t[0] for t in turns), median(t[1] for t in turns)]
        numbers += [median(s[n] for s in results.shared[name]) for n in (0, 1)]
        lines.append(f"{name:<16}{numbers[0]:>9.3f}{numbers[1]:>9.3f}{numbers[2]:>19.3f}{numbers[3]:>12.3f}")
    return lines


def ratio_lines(found: dict[str, list[float]]) -> str:
    return "\n".join(f"{name:<28}{median(v):>7.3f}  ({min(v):.3f}-{max(v):.3f}, {len(v)} runs)" for name, v in found.items())


def summary(plan: Plan, info: ModelInfo, results: Results, found: dict[str, list[float]]) -> dict:
    """The last line of the output."""
    crowds = results.crowds.items()
    return {
        "model": info.model,
        "engine": info.engine,
        "concurrency": plan.settings.concurrency,
        "context": info.context,
        "repeats": plan.repeats,
        "tokens": plan.tokens,
        "crowd_tokens": plan.crowd_tokens,
        "load": os.getloadavg()[0],
        "tokens_per_second": {n: {p: round(median(r.rate for r in runs), 2) for p, runs in c.items()} for n, c in crowds},
        "tokens_per_cpu_second": {n: {p: round(median(r.per_cpu_second for r in runs), 2) for p, runs in c.items()} for n, c in crowds},
        "first_token_seconds": {n: {p: round(median(f for r in runs for f in r.firsts), 4) for p, runs in c.items()} for n, c in crowds},
        "turn_1_and_10_seconds": {n: [round(median(t[k] for t in turns), 4) for k in (0, 1)] for n, turns in results.turns.items()},
        "new_and_shared_system_prompt_seconds": {
            n: [round(median(t[k] for t in pair), 4) for k in (0, 1)] for n, pair in results.shared.items()
        },
        "peak_bytes": results.peak_bytes,
        "spread": {name: [round(min(v), 3), round(max(v), 3)] for name, v in found.items()},
        "ratios": {name: round(median(v), 3) for name, v in found.items()},
    }
