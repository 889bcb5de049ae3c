"""python app.py classify: texts through a classifier, step by step; a table of them, measured; by the functions of the page."""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.settings import EMBEDDED_MODEL, Settings, default_data_dir, from_namespace, reject_unknown_environment
from chatapp.signals import SIGNALS
from chatapp.tasks import Cancelled

if TYPE_CHECKING:
    from chatapp.lab.classify.classifier import Classifier

Answer = dict[str, Any]


def run(argv: Sequence[str]) -> int:
    """Raises ChatError for what cannot be done; argparse ends the program for wrong usage."""
    arguments = parser().parse_args(argv)
    reject_unknown_environment()
    named, arguments.model = arguments.model, ""
    settings = from_namespace(arguments)
    if arguments.train:
        return trained(arguments, settings)
    refuse_nothing_to_do(arguments)
    classifier = opened(named, settings, arguments)
    answer = table(classifier, arguments) if arguments.csv else texts(classifier, arguments)
    if arguments.json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        print(
            table_in_words(answer, arguments.out)
            if arguments.csv
            else "\n\n".join(in_words(one, arguments.steps) for one in answer["texts"])
        )
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python app.py classify", description="Texts → logits → softmax → label, and which words decided.")
    made.add_argument("texts", nargs="*", metavar="TEXT")
    made.add_argument(
        "--model", default="", help="folder or Hub id on this machine; without it the latest that was trained here", metavar="DIR_OR_ID"
    )
    made.add_argument("--csv", help="a table of texts, .csv or .jsonl; with a column of labels it is measured", metavar="IN.csv")
    made.add_argument("--out", help="where the predictions go, as .csv; with --train the folder of the model", metavar="OUT")
    made.add_argument("--train", action="store_true", help="fine-tune MiniLM here: on rated movie sentences, or on --csv with labels")
    made.add_argument("--zero-shot", help="labels: a chat model says how likely each goes on, calibrated", metavar="LABEL,LABEL")
    made.add_argument("--prompt", default="", help="for --zero-shot, with {text} in it; the label goes on behind it")
    made.add_argument("--text-column", default="", help="column of the texts; text, sentence, review or the only one without it")
    made.add_argument("--label-column", default="", help="column of the labels; label or class, where there is one, without it")
    made.add_argument("--temperature", type=float, default=1.0, help="what if the logits were divided by this before the softmax")
    made.add_argument("--steps", action="store_true", help="show ids, logits, softmax and every word's part in it")
    made.add_argument("--json", action="store_true", help="print JSON, in the form that docs/classify.md describes")
    made.add_argument("--data-dir", default=argparse.SUPPRESS, help=f"folder for chats and models; {default_data_dir()}")
    return made


def trained(arguments: argparse.Namespace, settings: Settings) -> int:
    """Train a classifier: on the rated movie sentences, or on a labelled table. Ctrl+C ends it, and leaves nothing half done."""
    from chatapp.lab.classify import lesson, minilm, table, training

    minilm.refuse_missing()
    if arguments.texts:
        raise ChatError("--train takes no texts: its sentences are fetched, or come from a labelled table by --csv.")
    if arguments.out:
        training.refuse(Path(arguments.out).expanduser())
    told = Told()
    if arguments.csv:
        path = Path(arguments.csv).expanduser()
        taught = lesson.of_table(table.read_file(path, arguments.text_column, arguments.label_column), path.name)
    else:
        taught = lesson.of_movies(settings.data_dir, told)
    out = Path(arguments.out).expanduser() if arguments.out else training.free_name(settings.data_dir / "models", taught.name)
    said = training.train(taught, out, told)
    print(f'{said}\nIt is at {out}. Use it: python app.py classify "A warm, funny film."' + (f" --model {out}" if arguments.out else ""))
    return 0


class Told:
    """A Progress that says what is new, and ends the work after a signal."""

    def __init__(self) -> None:
        self.stopped = False
        self.last = ""
        for number in SIGNALS:
            signal.signal(number, self.stop)

    def stop(self, number: int, frame: Any) -> None:
        self.stopped = True

    def __call__(self, words: str, share: float | None) -> None:
        if self.stopped:
            raise Cancelled
        if words != self.last:
            progressed(words, share)
        self.last = words


def progressed(words: str, share: float | None) -> None:
    """On a terminal in one line; elsewhere what comes before the steps."""
    if share is None or not share:
        print(words, file=sys.stderr, flush=True)
    elif sys.stderr.isatty():
        print(f"\r\033[K{words}", end="" if share is None or share < 1 else "\n", file=sys.stderr, flush=True)


def refuse_nothing_to_do(arguments: argparse.Namespace) -> None:
    """Raises ChatError where there is nothing to classify, or two things."""
    from chatapp.lab.classify.classifier import refuse_temperature

    refuse_temperature(arguments.temperature)
    if bool(arguments.texts) == bool(arguments.csv):
        raise ChatError('Give texts: python app.py classify "A fine film.", or a table: --csv reviews.csv. One of both.')
    if arguments.out and not arguments.csv:
        raise ChatError("--out is for the predictions of a table: give --csv too.")


def opened(name: str, settings: Settings, arguments: argparse.Namespace) -> "Classifier":
    """The classifier of this name, read from its folder; with --zero-shot a chat model, the embedded one without a name."""
    from chatapp.lab.classify import head, which, zero_shot

    if arguments.zero_shot is None:
        label, folder = which.place_of(name, settings)
        return head.read(folder, label)
    from chatapp.xray.text.models import read_alone
    from chatapp.xray.text.which import located

    found = located(settings.model_copy(update={"model": name or EMBEDDED_MODEL, "revision": ""}))
    if found.encoder:
        raise ChatError(f"{found.name} is an encoder, which writes nothing: --zero-shot takes a model that does.")
    return zero_shot.zero_shot(
        read_alone(found, settings, progressed), arguments.zero_shot.split(","), arguments.prompt or zero_shot.PROMPT
    )


def texts(classifier: "Classifier", arguments: argparse.Namespace) -> Answer:
    """{texts}: of each its steps; with --steps the words that decided, too."""
    from chatapp.lab.classify.classifier import refuse_length, steps
    from chatapp.lab.classify.words import measured

    for text in arguments.texts:
        refuse_length(text)
    shown = []
    for text in arguments.texts:
        one = steps(classifier, text, arguments.temperature)
        if arguments.steps or arguments.json:
            one |= ended(measured(classifier, one["read"], one["decided"]))
        shown.append(one)
    return {"texts": shown}


def table(classifier: "Classifier", arguments: argparse.Namespace) -> Answer:
    """What `table.classified` gives; the predictions are written where --out says."""
    from chatapp.lab.classify import table as many

    path = Path(arguments.csv).expanduser()
    found = ended(
        many.classified(classifier, many.read_file(path, arguments.text_column, arguments.label_column), arguments.temperature), told
    )
    if arguments.out:
        try:
            Path(arguments.out).expanduser().write_text(many.as_csv(found), encoding="utf-8")
        except OSError as error:
            raise ChatError(f"{arguments.out} cannot be written: {error.strerror or error}.") from error
    return found


def ended(work: Any, heard: Any = None) -> Answer:
    """What a generator returns; `heard` is told what it yields."""
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            return end.value
        if heard:
            heard(step)


def told(step: tuple[int, int]) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{step[0]:,} of {step[1]:,} texts", end="", file=sys.stderr, flush=True)


def in_words(one: Answer, whole: bool) -> str:
    """For a person at a terminal: label and probability; with all steps the numbers between."""
    best = one["rows"][one["decided"]]
    lines = [f"{best['label']}  {100 * best['probability']:.2f} %  {one['text'] if len(one['text']) < 100 else one['text'][:99] + '…'}"]
    if one["cut"]:
        lines.append(f"  {one['cut']}")
    return "\n".join([*lines, *(all_steps(one) if whole else [])])


def all_steps(one: Answer) -> list[str]:
    """The numbers as the tutorial prints them."""
    logits = ", ".join(f"{row['logit']:.4f}" for row in one["rows"])
    shares = ", ".join(f"{row['probability']:.4f}" for row in one["rows"])
    function = "sigmoid" if one["several"] else "softmax"
    divided = f" / {one['temperature']:g}" if one["temperature"] != 1 else ""
    said = [f"  {name}  {words}" for name, words in one["facts"]]
    said += [f"  tokens  {' '.join(one['tokens'])}", f"  input_ids  {one['ids']}", f"  logits  [{logits}]"]
    said += [f"  {function}(logits{divided})  [{shares}]", f"  id2label[{one['decided']}]  {one['rows'][one['decided']]['label']}"]
    for row, more in zip(one["rows"], one["beside"], strict=False):
        said.append(f"  {row['label']}  " + ", ".join(f"{name} {value:.4f}" for name, value in more.items()))
    return [
        *said,
        "  which words decided (what is lost without them, of the probability and of its log-odds):",
        *map(word_line(one), one["words"]),
        *([f"    {one['why_not']}"] if one["why_not"] else []),
    ]


def word_line(one: Answer) -> Any:
    return lambda word: f"    {100 * word['probability']:+7.2f} %  {word['log_odds']:+7.3f}  {one['read'][word['start'] : word['end']]}"


def table_in_words(found: Answer, out: str | None) -> str:
    """Counts by label, the confusion matrix and the accuracy."""
    labels, rows = found["labels"], found["rows"]
    lines = [f"{len(rows):,} texts: " + ", ".join(f"{sum(row['label'] == label for row in rows):,} {label}" for label in labels)]
    if found["cut"]:
        lines.append(f"{found['cut']:,} of them are longer than what is read: their beginning decided.")
    if found["measured"]:
        width = max(len("true \\ predicted"), *(len(label) for label in labels)) + 2
        head = "".join(name.rjust(width) for name in ("true \\ predicted", *labels))
        lines += [
            head,
            *(
                "".join(str(cell).rjust(width) for cell in (label, *line))
                for label, line in zip(labels, found["measured"]["matrix"], strict=True)
            ),
        ]
        lines.append(found["words"])
    return "\n".join([*lines, f"Written to {out}." if out else "--out OUT.csv keeps the prediction of each text."])
