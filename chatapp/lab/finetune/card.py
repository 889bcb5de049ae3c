"""What came of it, in words: the table and the replies for a terminal, and the adapter's README.md."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatapp.lab.finetune.learning import Learned, Lesson
from chatapp.lab.finetune.measures import perplexity
from chatapp.lab.finetune.rows import Row, Rows

WIDEST = 160
"""Characters of a prompt or reply that are shown."""


@dataclass(frozen=True)
class Measured:
    """On the held-out chats: nats per token of the replies, and replies of the model's own."""

    loss: float
    replies: list[str]


@dataclass(frozen=True)
class Report:
    """`after` is None where it was stopped before that was measured; `model` is how the base is named, `numbers` how many are learned."""

    folder: Path
    model: str
    base: str
    rows: Rows
    lesson: Lesson
    numbers: int
    learned: Learned
    before: Measured
    after: Measured | None = None

    def with_after(self, after: Measured) -> "Report":
        """The same, measured at its end."""
        return Report(**{**vars(self), "after": after})


def table(report: Report) -> list[tuple[str, str, str]]:
    """(what, before, after)"""
    both = [report.before.loss] + ([report.after.loss] if report.after else [])
    losses, perplexities = [f"{loss:.3f}" for loss in both], [_perplexity(loss) for loss in both]
    return [
        ("nats per token", losses[0], losses[1] if report.after else "–"),
        ("perplexity", perplexities[0], perplexities[1] if report.after else "–"),
    ]


def _perplexity(loss: float) -> str:
    value = perplexity(loss)
    return f"{value:,.2f}" if value < 1e5 else f"{value:.1e}"


def facts(report: Report) -> str:
    """One sentence of numbers."""
    rows, learned = report.rows, report.learned
    ended = {"done": "", "time": ", when the minutes were over", "stopped": ", when it was stopped"}[learned.why]
    return (
        f"{learned.steps:,} of {learned.total:,} steps in {learned.seconds / 60:.1f} minutes{ended}, on {_chats(rows.train)} with "
        f"{_tokens(rows.train)} of replies; held out: {_chats(rows.validation)}, {_tokens(rows.validation)}."
    )


def notes(report: Report) -> list[str]:
    """What a person should know of the numbers."""
    found = notes_of(report.rows)
    if report.after and report.after.loss > report.before.loss:
        found.append(f"What is held out became less likely: {_why_worse(report)}")
    return found


def notes_of(rows: Rows) -> list[str]:
    """What a person should know of the chats."""
    found = []
    if rows.repeated:
        found.append(f"{rows.repeated:,} that stood there twice {'was' if rows.repeated == 1 else 'were'} taken once.")
    if rows.left_out:
        found.append(f"{rows.left_out:,} longer than {rows.length:,} tokens {'was' if rows.left_out == 1 else 'were'} left out.")
    if len(rows.validation) < 10:
        found.append(f"{_chats(rows.validation)} held out: the difference is a hint, no measurement.")
    return found


def _why_worse(report: Report) -> str:
    if report.learned.loss > report.before.loss:
        return "so did its own examples, as the steps were too large. Give a lower learning rate."
    return "it learned its examples by heart. Try fewer epochs, or more pairs."


def in_words(report: Report) -> str:
    """For a terminal."""
    lines = [facts(report), "", f"{'held-out replies':<18}{'before':>10}{'after':>10}"]
    lines += [f"{what:<18}{before:>10}{after:>10}" for what, before, after in table(report)]
    for row, before, after in _shown(report):
        lines += ["", f"asked:   {_short(row.chat.asked[-1].content)}", f"before:  {_short(before)}"]
        lines += [f"after:   {_short(after)}"] if report.after else []
        lines.append(f"given:   {_short(row.chat.reply)}")
    return "\n".join([*lines, "", *notes(report), f"The adapter is in {report.folder}"])


def plain(report: Report) -> dict[str, Any]:
    """For run.json: the numbers, the replies before and after, and all of it in words for a terminal."""
    shown = [
        {"prompt": row.chat.asked[-1].content, "before": before, "after": after, "given": row.chat.reply}
        for row, before, after in _shown(report)
    ]
    how = {"step": report.learned.steps, "seconds": round(report.learned.seconds, 1), "why": report.learned.why}
    losses = {"before": report.before.loss, "after": report.after.loss if report.after else None}
    return how | losses | {"shown": shown, "notes": notes(report), "facts": facts(report), "words": in_words(report)}


def readme(report: Report) -> str:
    """The card, with what the Hub reads at its head."""
    head = f"---\nlibrary_name: peft\npipeline_tag: text-generation\nbase_model: {report.base}\ntags: [lora, trained-here]\n---\n"
    lines = [f"| {what} | {before} | {after} |" for what, before, after in table(report)]
    shown = []
    for row, before, after in _shown(report):
        shown.append(f"- **{_short(row.chat.asked[-1].content)}**\n  - before: {_short(before)}")
        shown += [f"  - after: {_short(after)}"] if report.after else []
    return "\n\n".join(
        [
            f"{head}\n# {report.folder.name}",
            f"A LoRA adapter of rank {report.lesson.rank} ({report.numbers:,} numbers, on every linear layer but the output's) for "
            f"{report.model}. The loss counts tokens of replies only. {facts(report)} Learning rate {report.lesson.learning_rate:g}, "
            f"{report.lesson.epochs} epochs, seed {report.lesson.seed}.",
            "\n".join(["| held-out replies | before | after |", "|---|---|---|", *lines]),
            *(["\n".join(shown)] if shown else []),
            *([" ".join(notes(report))] if notes(report) else []),
            _use(report),
        ]
    )


def _use(report: Report) -> str:
    return (
        "```python\nfrom peft import PeftModel\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{report.base}"), ".")\n'
        'tokenizer = AutoTokenizer.from_pretrained(".")\n```\n'
    )


def _shown(report: Report) -> list[tuple[Row, str, str]]:
    after = report.after.replies if report.after else [""] * len(report.before.replies)
    return list(zip(report.rows.validation, report.before.replies, after, strict=False))


def _chats(rows: list[Row]) -> str:
    return f"{len(rows):,} {'chat' if len(rows) == 1 else 'chats'}"


def _tokens(rows: list[Row]) -> str:
    return f"{sum(row.learned for row in rows):,} tokens"


def _short(text: str) -> str:
    """In one line."""
    line = " ".join(text.split())
    return line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"
