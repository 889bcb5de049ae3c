"""Many texts from a .csv, .jsonl or .txt file: which column holds them, which their labels, what is predicted, what comes out."""

import csv
import io
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError, closest
from chatapp.lab import lists
from chatapp.lab.classify.classifier import LONGEST, Classifier, probabilities
from chatapp.lab.classify.measures import measure, sentence
from chatapp.lab.exports import harmless

TEXTS = ("text", "sentence", "review", "prompt")
LABELS = ("label", "labels", "class", "sentiment")
"""Names by which a column is found where none is given."""

AT_ONCE = 16
MOST_ROWS = 20_000


@dataclass(frozen=True)
class Table:
    """`truth` holds a cell of the label column for each text, as it is written; empty where there is no such column."""

    texts: list[str]
    truth: list[str]
    text_column: str
    label_column: str = ""


def read(name: str, data: bytes, text_column: str = "", label_column: str = "") -> Table:
    """Raises ChatError for a file that is no table, and for a column that is not there."""
    rows = lists.prompts(name, data) if name.lower().endswith(".txt") else lists.variables(name, data)
    columns = list(rows[0])
    if len(rows) > MOST_ROWS:
        raise ChatError(f"{name} has {len(rows):,} rows; at most {MOST_ROWS:,} are classified at once. Split it.", status=422)
    label = _chosen(name, columns, label_column, LABELS, "label")
    text = _chosen(name, [column for column in columns if column != label], text_column, TEXTS, "text")
    if not text:
        raise ChatError(f"{name}: which column holds the texts? Name one of {', '.join(columns)}.", status=422)
    for number, row in enumerate(rows, 1):
        if not isinstance(row.get(text), str) or not row[text].strip() or len(row[text]) > LONGEST:
            raise ChatError(f"{name}: row {number} has no text of 1 to {LONGEST:,} characters in the column {text}.", status=422)
        if label and label not in row:
            raise ChatError(f"{name}: row {number} has no {label}.", status=422)
    return Table([row[text] for row in rows], [str(row[label]).strip() for row in rows] if label else [], text, label)


def read_file(path: Path, text_column: str = "", label_column: str = "") -> Table:
    """Of this machine. Raises ChatError for one that cannot be read."""
    return read(path.name, lists.beside(path.parent)(path.name), text_column, label_column)


def _chosen(name: str, columns: Sequence[str], wanted: str, usual: Sequence[str], what: str) -> str:
    """The column that is wanted; else one of a usual name; of texts also the only one there is; '' for none."""
    if wanted:
        if wanted not in columns:
            raise ChatError(
                f"{name} has no column {wanted!r} for the {what}s; it has: {', '.join(columns)}.{closest(wanted, columns)}", status=422
            )
        return wanted
    found = next((column for column in columns if column.lower() in usual), "")
    return columns[0] if not found and what == "text" and len(columns) == 1 else found


def as_labels(table: Table, labels: Sequence[str]) -> list[int]:
    """The labels of a table as a classifier knows them: by name, in whatever case, or by number. Raises ChatError for an unknown one."""
    known = {str(n): n for n in range(len(labels))} | {label.lower(): n for n, label in enumerate(labels)}
    for number, cell in enumerate(table.truth, 1):
        if cell.lower() not in known:
            raise ChatError(
                f"Row {number} has the {table.label_column} {cell[:40]!r}, which this classifier does not know. Its labels are: "
                f"{', '.join(labels)}.{closest(cell, labels)}",
                status=422,
            )
    return [known[cell.lower()] for cell in table.truth]


def classified(classifier: Classifier, table: Table, temperature: float = 1.0) -> Generator[tuple[int, int], None, dict[str, Any]]:
    """(texts done, texts) while it goes on; returns {labels, rows, cut, measured, words}.

    A row is {text, label, probability, probabilities, truth}; `cut` texts were longer than what is read; `measured` is None without labels.
    """
    truth = as_labels(table, classifier.labels)
    if truth and classifier.several:
        raise ChatError(f"{classifier.name} answers each label for itself, so one label a text is no truth to measure it by.", status=422)
    rows: list[dict[str, Any]] = []
    cut = 0
    for at in range(0, len(table.texts), AT_ONCE):
        yield at, len(table.texts)
        some = [classifier.cut(text) for text in table.texts[at : at + AT_ONCE]]
        cut += sum(bool(one.words) for one in some)
        for one, logits in zip(some, classifier.logits([one.read for one in some]), strict=True):
            rows.append(_row(one.text, logits, classifier, temperature))
    for row, n in zip(rows, truth, strict=False):
        row["truth"] = classifier.labels[n]
    found = measure(truth, [row["decided"] for row in rows], classifier.labels) if truth else None
    return {"labels": list(classifier.labels), "rows": rows, "cut": cut, "measured": found, "words": sentence(found) if found else ""}


def _row(text: str, logits: Sequence[float], classifier: Classifier, temperature: float) -> dict[str, Any]:
    shares = probabilities(logits, temperature, several=classifier.several)
    decided = max(range(len(logits)), key=logits.__getitem__)
    return {"text": text, "decided": decided, "label": classifier.labels[decided], "probability": shares[decided], "probabilities": shares}


def as_csv(found: dict[str, Any]) -> str:
    """The predictions as a table; a text that looks like a formula begins with '."""
    out = io.StringIO()
    writer = csv.writer(out)
    truth = ["truth"] if found["measured"] else []
    writer.writerow(["text", *truth, "predicted", "probability", *(f"p({label})" for label in found["labels"])])
    for row in found["rows"]:
        numbers = [f"{share:.6f}" for share in (row["probability"], *row["probabilities"])]
        writer.writerow(map(harmless, [row["text"], *([row["truth"]] if truth else []), row["label"], *numbers]))
    return out.getvalue()
