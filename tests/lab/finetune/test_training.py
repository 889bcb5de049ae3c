"""An adapter learns, loads in plain peft with the same logits, is merged to the same model, and is kept when it is stopped."""

import json
import math
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from chatapp.engines.text import end_ids
from chatapp.errors import ChatError
from chatapp.lab.finetune import adapter, card, measures, training
from chatapp.lab.finetune.asked import Lesson
from chatapp.lab.finetune.learning import AT_ONCE, Learned, learn, nats, together, watched
from chatapp.lab.finetune.rows import row, split
from chatapp.tasks import Cancelled
from tests.lab.finetune.taught import CHATS, pair, quiet, sitting, stopped_after, student

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # plain peft asks by an older name

LESSON = Lesson(epochs=2, learning_rate=0.02)


def rows_of(one: training.Student, *chats):
    return [row(chat, one.tokenizer, end_ids(one.tokenizer), 512) for chat in chats]


def unwatched(step: int) -> None: ...


def logits(model, ids) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=torch.tensor([ids])).logits


def test_plain_peft_and_the_merged_model_give_the_logits_that_were_learned(tiny_llama: Path, tmp_path: Path) -> None:
    merged = (out := tmp_path / "made") / "merged"
    report = training.finetune(student(tiny_llama, tmp_path), CHATS, LESSON, sitting(out), merge=True)
    ids = report.rows.validation[0].ids
    base = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    before = logits(base, ids)
    loaded = PeftModel.from_pretrained(base, out)
    after = logits(loaded, ids)
    assert (after - before).abs().max() > 0.05
    assert (logits(AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32), ids) - after).abs().max() < 1e-4
    assert measures.loss(loaded, report.rows.validation, quiet) == pytest.approx(report.after.loss, abs=1e-4)
    assert report.after.loss < report.before.loss
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == str(tiny_llama)
    assert AutoTokenizer.from_pretrained(out).chat_template and AutoTokenizer.from_pretrained(merged).chat_template
    numbers = f"| nats per token | {report.before.loss:.3f} | {report.after.loss:.3f} |"
    assert numbers in (out / "README.md").read_text()
    events = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [event["step"] for event in events if event["kind"] == "loss"] == [1, 2, 3, 4, 5, 6]
    assert [event["step"] for event in events if event["kind"] == "validation"] == [0, *sorted(watched(6)), 6]
    assert events[0]["loss"] == report.before.loss and events[-1]["loss"] == report.after.loss


def test_one_pair_is_learned_by_heart(tiny_llama: Path, tmp_path: Path) -> None:
    one = student(tiny_llama, tmp_path)
    model = adapter.attached(one.model, 8, "tiny", "", 0)
    rows = rows_of(one, pair("hello", "I am fine, thank you."))
    before = measures.loss(model, rows, quiet)
    learned = learn(model, rows, Lesson(epochs=150, learning_rate=0.02), sitting(tmp_path / "run"), unwatched)
    assert (learned.steps, learned.why) == (150, "done")
    assert measures.loss(model, rows, quiet) < before / 2, "the output layer is frozen, and random"
    ends = end_ids(one.tokenizer)
    assert measures.replies(model, rows, one.tokenizer, ends, 512, quiet) == ["I am fine, thank you."]


def test_the_loss_is_that_of_learned_tokens_alone_whatever_padding_is_beside(tiny_llama: Path, tmp_path: Path) -> None:
    one = student(tiny_llama, tmp_path)
    rows = rows_of(one, pair("hello", "fine"), pair("hello world " * 9, "thank you very much"))
    by_hand = 0.0
    for each in rows:
        logp = logits(one.model, each.ids)[0].log_softmax(-1)
        by_hand -= sum(float(logp[n - 1, label]) for n, label in enumerate(each.labels) if label >= 0)
    assert float(nats(one.model, rows).detach()) == pytest.approx(by_hand, rel=1e-5)


def test_what_goes_through_the_model_at_once_is_bounded(tiny_llama: Path, tmp_path: Path) -> None:
    rows = rows_of(student(tiny_llama, tmp_path), *(pair("hello " * (20 * n), "fine") for n in range(1, 20)))
    parts = list(together(rows))
    assert sorted(len(one.ids) for part in parts for one in part) == sorted(len(one.ids) for one in rows)
    assert len(parts) < len(rows) and all(len(part) * max(len(one.ids) for one in part) <= AT_ONCE for part in parts)


def test_a_base_model_learns_too(tiny_gpt2: Path, tmp_path: Path) -> None:
    report = training.finetune(student(tiny_gpt2, tmp_path), CHATS, LESSON, sitting(tmp_path / "made"))
    assert report.after.loss < report.before.loss


def test_stopped_it_keeps_what_it_learned(tiny_llama: Path, tmp_path: Path) -> None:
    here = sitting(out := tmp_path / "made", stopped_after(out, 2))
    report = training.finetune(student(tiny_llama, tmp_path), CHATS, LESSON, here, merge=True)
    assert (report.learned.steps, report.learned.why, report.after) == (2, "stopped", None)
    assert "2 of 6 steps" in card.in_words(report) and "when it was stopped" in card.in_words(report)
    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_llama), out)
    assert not (out / "merged").exists()


def test_stopped_before_a_step_there_is_no_adapter(tiny_llama: Path, tmp_path: Path) -> None:
    here = sitting(out := tmp_path / "made")
    (out / "stop").touch()
    with pytest.raises(Cancelled):
        training.finetune(student(tiny_llama, tmp_path), CHATS, LESSON, here)
    assert not (out / adapter.NAME).exists()


def test_minutes_end_it_and_what_was_learned_is_measured(tiny_llama: Path, tmp_path: Path) -> None:
    lesson = Lesson(epochs=100_000, minutes=0.005)
    report = training.finetune(student(tiny_llama, tmp_path), CHATS, lesson, sitting(tmp_path / "made"))
    assert report.learned.why == "time" and 0 < report.learned.steps < report.learned.total and report.after


def test_a_rate_at_which_numbers_run_away_is_a_sentence(tiny_llama: Path, tmp_path: Path) -> None:
    one = student(tiny_llama, tmp_path)
    model = adapter.attached(one.model, 8, "tiny", "", 0)
    adapter.trainable(model)[0].data.fill_(math.nan)
    with pytest.raises(ChatError, match=r"no number any more at step 1: .* lower learning rate"):
        learn(model, rows_of(one, CHATS[0]), LESSON, sitting(tmp_path / "run"), unwatched)


def test_what_does_not_fit_into_memory_is_refused_with_the_numbers(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "free_bytes", lambda device: 1_000_000)
    with pytest.raises(ChatError, match=r"Learning needs .* MB of memory beside the weights .* and 1.0 MB are free"):
        training.finetune(student(tiny_llama, tmp_path), CHATS, LESSON, sitting(tmp_path / "made"))
    assert not (tmp_path / "made" / adapter.NAME).exists()


@pytest.mark.parametrize(("last", "words"), [(1.0, "learned its examples by heart"), (30.0, "Give a lower learning rate")])
def test_why_it_became_worse_is_said(tiny_llama: Path, tmp_path: Path, last: float, words: str) -> None:
    rows = split(CHATS, (one := student(tiny_llama, tmp_path)).tokenizer, end_ids(one.tokenizer), 512, 0)
    learned, before, after = Learned(6, 6, 60.0, "done", last), card.Measured(2.0, []), card.Measured(20.0, [])
    said = card.in_words(card.Report(tmp_path, "tiny", "tiny", rows, LESSON, 1, learned, before, after))
    assert words in said and "4.9e+08" in said and "7.39" in said
