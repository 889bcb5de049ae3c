"""The command line of training: python app.py train recipe.yaml [--out DIR], by the functions of the page."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError, closest
from chatapp.models.memory import gigabytes
from chatapp.settings import default_data_dir, from_namespace, reject_unknown_environment
from chatapp.turn import new_id

if TYPE_CHECKING:
    from chatapp.lab.train.recipe import Recipe

STOPPED = 3
"""Exit status of a run that was stopped and can be gone on with."""


def run(argv: Sequence[str]) -> int:
    """0 for a run that came to its end, STOPPED for one that did not. Raises ChatError for what cannot be done."""
    arguments = parser().parse_args(argv)
    reject_unknown_environment()
    settings = from_namespace(arguments)
    from chatapp.lab.train import history, script  # imports of seconds, after wrong flags are refused

    out = Path(arguments.out) if arguments.out else None
    if arguments.resume and out is not None:
        refuse_none(out)
        refuse_another(arguments.recipe, out)
        return trained(out, arguments.max_minutes)
    recipe = read(arguments.recipe)
    if arguments.code:
        print(script.code(recipe), end="")
        return 0
    home = settings.data_dir / history.FOLDER
    if arguments.plan:
        return planned(recipe, out or home)
    if arguments.resume:
        return trained(latest(recipe, home), arguments.max_minutes)
    folder = out or home / new_id()
    history.begin(folder, recipe)
    return trained(folder, arguments.max_minutes)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python app.py train",
        description="Train a small GPT-2 as a recipe says. Ctrl+C stops within a step; --resume goes on, also after a kill.",
    )
    made.add_argument("recipe", help="recipe.yaml, as docs/train.md describes, or a preset: two-minutes, tutorial, overnight")
    made.add_argument("--out", metavar="DIR", help="the run's folder, which is the model folder at its end; else one in the data folder")
    made.add_argument("--max-minutes", type=minutes, default=0.0, metavar="M", help="end after so many minutes of steps")
    made.add_argument("--resume", action="store_true", help="go on with the run in --out, or with the last one of this recipe")
    made.add_argument("--plan", action="store_true", help="show steps, minutes, memory and disk, measured on three steps, and end")
    made.add_argument("--code", action="store_true", help="print the run as a plain script, and end")
    made.add_argument("--data-dir", default=argparse.SUPPRESS, help=f"folder for chats, models and runs; {default_data_dir()}")
    return made


def minutes(text: str) -> float:
    """For argparse, which says which flag it was."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes above 0")
    return value


def read(name: str) -> "Recipe":
    """A recipe's file, or a preset by its name."""
    from chatapp.lab.lists import beside
    from chatapp.lab.train import recipe as recipes

    if name in recipes.PRESETS:
        return recipes.read({"preset": name}, Path())
    path = Path(name)
    if not path.exists() and (near := closest(name, recipes.PRESETS)):
        raise ChatError(f"There is no file {name}, and no such preset.{near}")
    return recipes.parse(beside(Path())(name), path.parent)


def refuse_none(folder: Path) -> None:
    """Raises ChatError where no run was begun in a folder."""
    from chatapp.lab.train import history

    if not (folder / history.RUN).is_file():
        raise ChatError(f"There is no run in {folder}. Without --resume it is begun there.")


def refuse_another(name: str, folder: Path) -> None:
    """A run goes on with the recipe that it was begun with. Raises ChatError where the one that is given says something else."""
    from chatapp.lab.train import history
    from chatapp.lab.train import recipe as recipes

    begun, given = recipes.parse((folder / history.RECIPE).read_bytes(), folder), read(name)
    before, now = recipes.plain(begun), recipes.plain(given)
    if changed := [key for key in (*before, *now) if before.get(key) != now.get(key) and key != "name"]:
        key = changed[0]
        raise ChatError(
            f"{folder} was begun with {key}: {before.get(key)!r}, and the recipe says {now.get(key)!r}. A run goes on as it was begun: "
            "give its own recipe, or another --out without --resume."
        )


def latest(recipe: "Recipe", home: Path) -> Path:
    """The last run of this recipe in the data folder that came to no end. Raises ChatError."""
    from chatapp.lab.train import history
    from chatapp.lab.train import recipe as recipes

    for run in history.listed(home):
        if run["state"] in ("stopped", "failed") and (home / run["id"] / history.RECIPE).read_text(encoding="utf-8") == recipes.written(
            recipe
        ):
            return home / run["id"]
    raise ChatError(f"There is no stopped run of this recipe in {home}. Without --resume it is begun.")


def trained(folder: Path, most: float) -> int:
    """In this very process: it is the work that was asked for. Ctrl+C writes a checkpoint first; a second one ends at once."""
    from chatapp.lab.train import history, process

    os.environ.setdefault("OMP_WAIT_POLICY", process.PASSIVE)
    say(f"The run is in {folder}")
    told = Told()
    before = {number: signal.signal(number, stopper(folder / history.STOP)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        from chatapp.lab.train.training import train

        found = train(folder, told, minutes=most)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    print(in_words(found, folder))
    return 0 if found["state"] == "done" else STOPPED


def stopper(path: Path) -> Callable[[int, FrameType | None], None]:
    """Ask the run to end; asked again, end the process."""

    def stop(number: int, frame: FrameType | None) -> None:
        if path.exists():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        path.touch()
        say("Stopping after this step. Again to end at once.")

    return stop


def say(words: str) -> None:
    """Progress: standard output is for the result."""
    print(words, file=sys.stderr, flush=True)


class Told:
    """A Progress: on a terminal in one line, elsewhere a line for each, once."""

    words = ""

    def __call__(self, words: str, share: float | None) -> None:
        if words == self.words:
            return
        self.words = words
        if sys.stderr.isatty():
            print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)
        else:
            say(words)


def in_words(found: Mapping[str, Any], folder: Path) -> str:
    """What came of it."""
    if found["state"] != "done":
        return f"Stopped at step {found.get('result', {}).get('step', 0):,}. Go on with --resume --out {folder}"
    result, baselines = found["result"], found["baselines"]
    numbers = ", ".join(f"{name} {value:.3f}" for name, value in baselines.items())
    distance = result["validation"] - baselines["bigram"]
    return (
        f"{result['step']:,} steps in {result['seconds'] / 60:.1f} minutes: {result['validation']:.3f} bits per byte on the validation "
        f"text, {result['test']:.3f} on the test text.\nWithout a network: {numbers}. The model is {abs(distance):.3f} "
        f"{'above' if distance > 0 else 'below'} the bigram.\nThe model is in {folder}"
    )


def planned(recipe: "Recipe", home: Path) -> int:
    """Print what the run would take; 1 where it does not fit."""
    from chatapp.lab.train.plan import plan, refusals

    found = plan(recipe, home)
    print(plan_in_words(found))
    wrong = refusals(found)
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


def plan_in_words(found: Mapping[str, Any]) -> str:
    """A line for each."""
    corpus, tokenizer, rows = found["corpus"], found["tokenizer"], found["rows"]
    width = tokenizer["embedding_parameters"] // tokenizer["vocab_size"]
    gpt2 = f"GPT-2's 50,257 entries: {tokenizer['gpt2_embedding_parameters']:,}"
    lines = [f"corpus      {corpus['name']}"]
    for name in ("train", "validation", "test"):
        part = corpus[name]
        lines.append(f"            {name}: {part['documents']:,} documents, {part['bytes']:,} bytes, {part['tokens']:,} tokens")
    lines += [
        f"tokens      {' | '.join(one['text'] for one in found['look'][:16])!r}",
        f"tokenizer   {tokenizer['kind']}, {tokenizer['vocab_size']:,} entries, {tokenizer['bytes_per_token']} bytes per token; "
        f"{tokenizer['embedding_parameters']:,} parameters of width {width} ({gpt2})",
        f"model       {found['parameters']:,} parameters",
        f"rows        {rows_in_words(rows)}",
        f"baselines   {', '.join(f'{name} {value:.3f}' for name, value in found['baselines'].items())} bits per byte",
        f"steps       {found['steps']:,} of {found['steps_of_all_epochs']:,}, {found['seconds_per_step']:.3f} s each (measured on 3)",
        f"minutes     {found['minutes']:.1f}",
        f"memory      {gigabytes(found['memory'])} of {gigabytes(found['free_memory'])} free",
        f"disk        {gigabytes(found['disk'])} of {gigabytes(found['free_disk'])} free",
        *(f"note        {note}" for note in found["notes"]),
    ]
    return "\n".join(lines)


def rows_in_words(rows: Mapping[str, Any]) -> str:
    """What padding costs."""
    if rows["packed"]:
        return f"{rows['count']:,} packed blocks of {rows['length']} tokens, without padding"
    return (
        f"{rows['count']:,} padded rows of {rows['length']}, {rows['padding']:.0%} of them padding: {rows['times_the_work']} times the "
        f"work of {rows['packed_count']:,} packed blocks of the same text (packed: true)"
    )
