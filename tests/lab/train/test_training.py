"""A run from its recipe to a model folder, really trained in this process; stopped, cut, out of room, and gone on with."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from chatapp.errors import ChatError
from chatapp.lab.train import bits, checkpoints, data, history, recipe
from chatapp.lab.train.recorder import snapshot_steps
from chatapp.lab.train.training import train, windows_of
from chatapp.tasks import Progress
from tests.lab.train.tiny_runs import text, tiny


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of floats come in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def silent(words: str, share: float | None) -> None:
    pass


def stopping(folder: Path, step: int) -> Progress:
    """Somebody stops the run when it tells of this step."""

    def tell(words: str, share: float | None) -> None:
        if words.startswith(f"Step {step} of"):
            (folder / history.STOP).touch()

    return tell


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(first: Path, second: Path) -> bool:
    left, right = weights(first), weights(second)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole one, with nothing in its way."""
    home = tmp_path_factory.mktemp("whole")
    history.begin(home / "run", tiny(home))
    train(home / "run", silent)
    return home / "run"


def test_a_run_ends_as_a_model_folder(run: Path) -> None:
    about = history.about(run)
    assert about["state"] == "done" and about["total_steps"] == 12 == about["result"]["step"]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(run), AutoTokenizer.from_pretrained(run)
    assert sum(part.numel() for part in model.parameters()) == about["parameters"] and tokenizer.pad_token == tokenizer.eos_token
    assert tokenizer.decode(tokenizer("the people must")["input_ids"]) == "the people must"
    card = (run / "README.md").read_text()
    assert f"{about['result']['validation']:.3f}" in card and f"{about['baselines']['bigram']:.3f}" in card
    assert same(run, run / "snapshots" / "step-000012")


def test_the_numbers_at_the_end_are_those_of_the_folder(run: Path) -> None:
    kept, about = data.kept(run), history.about(run)
    model = AutoModelForCausalLM.from_pretrained(run).eval()
    ids = torch.tensor(kept["validation"].astype("int64"))
    with torch.inference_mode():
        total = bits.nats(model, ids, 32, 16)
        alone = [
            torch.nn.functional.cross_entropy(
                model(ids[None, begin:end]).logits[0, first - begin - 1 : -1], ids[first:end], reduction="sum"
            )
            for begin, end, first in bits.windows(len(ids), 32, 16)
        ]
    assert float(sum(alone)) == pytest.approx(total, rel=1e-5)
    assert about["result"]["validation"] == pytest.approx(total / bits.LN2 / about["corpus"]["validation"]["bytes"], rel=1e-5)


def test_what_happened_is_in_the_log(run: Path) -> None:
    losses = history.of_kind(run, "loss")
    assert [event["step"] for event in losses] == list(range(1, 13)) and losses[-1]["loss"] < losses[0]["loss"]
    assert all(event["grad_norm"] > 0 and event["tokens_per_second"] > 0 and event["learning_rate"] > 0 for event in losses)
    assert "tutorial_loss" not in losses[0]
    assert tuple(event["step"] for event in history.of_kind(run, "snapshot")) == snapshot_steps(12)
    validated = history.of_kind(run, "validation")
    assert (validated[0]["step"], validated[-1]["step"]) == (0, 12), "the first and the last in any case"
    first = validated[0]["bits_per_byte"]
    assert first == pytest.approx(history.about(run)["baselines"]["uniform"], rel=0.05), "random weights know nothing"


@pytest.mark.parametrize("packed", [True, False])
def test_a_run_that_was_stopped_goes_on_as_if_it_never_was(run: Path, packed: bool, tmp_path: Path) -> None:
    asked, stopped = tiny(tmp_path, packed=packed), tmp_path / "stopped"
    history.begin(stopped, asked)
    assert train(stopped, stopping(stopped, 6))["state"] == "stopped"
    assert checkpoints.newest_whole(stopped)[0] == stopped / "checkpoint-6" and history.about(stopped)["result"]["step"] == 6
    assert train(stopped, silent)["state"] == "done"
    whole = run
    if not packed:
        history.begin(whole := tmp_path / "whole", asked)
        train(whole, silent)
    assert same(stopped, whole)
    pairs = zip(history.of_kind(stopped, "loss"), history.of_kind(whole, "loss"), strict=True)
    assert all((one["step"], one["loss"]) == (other["step"], other["loss"]) for one, other in pairs)


def test_a_checkpoint_that_was_cut_is_skipped_and_said(run: Path, tmp_path: Path) -> None:
    history.begin(cut := tmp_path / "cut", tiny(tmp_path))
    train(cut, stopping(cut, 9))
    state = cut / "checkpoint-9" / "optimizer.pt"
    state.write_bytes(state.read_bytes()[:-100])
    (cut / history.LOG).open("ab").write(b'{"kind": "loss", "st')
    assert train(cut, silent)["state"] == "done" and same(cut, run)
    assert "checkpoint-9 was not whole" in history.of_kind(cut, "note")[0]["words"]
    assert [event["step"] for event in history.of_kind(cut, "loss")] == list(range(1, 13))


def test_padding_counts_in_no_loss_of_a_run(tmp_path: Path) -> None:
    """The first loss is a bare one over the text alone; the tutorial's own counts the rest of each row, too."""
    still = {"n_embd": 16, "n_layer": 1, "n_head": 2, "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}
    history.begin(folder := tmp_path / "run", tiny(tmp_path, packed=False, max_steps=1, model=still))
    train(folder, silent)
    (event,) = history.of_kind(folder, "loss")
    model = AutoModelForCausalLM.from_pretrained(folder / "snapshots" / "step-000000").eval()
    kept = data.kept(folder)
    sums = bare_sums(model, kept["ids"], kept["lengths"])
    every = [(sum(sums[row][0] for row in two) / sum(sums[row][1] for row in two), two) for two in combinations(range(len(sums)), 2)]
    nearest, two = min(every, key=lambda one: abs(one[0] - event["loss"]))
    assert event["loss"] == pytest.approx(nearest, rel=1e-6)
    assert event["tutorial_loss"] == pytest.approx(sum(sums[row][2] for row in two) / 2, rel=1e-5)
    assert event["tutorial_loss"] != pytest.approx(event["loss"], rel=1e-3)


def bare_sums(model: torch.nn.Module, ids: np.ndarray, lengths: np.ndarray) -> list[tuple[float, int, float]]:
    """Of each row: nats of its text, how many of its tokens were predicted, and the mean over all places, padding too."""
    found = []
    for row, length in zip(torch.tensor(ids.astype("int64")), lengths, strict=True):
        with torch.inference_mode():
            mask = (torch.arange(len(row)) < int(length)).long()
            logits = model(row[None], attention_mask=mask[None]).logits[0, :-1]
        each = torch.nn.functional.cross_entropy(logits, row[1:], reduction="none")
        found.append((float(each[: length - 1].sum()), int(length) - 1, float(each.mean())))
    return found


@pytest.mark.parametrize(
    ("count", "length", "shape"), [(10_000, 128, (8, 128)), (300, 128, (2, 128)), (50, 128, (1, 50)), (9_000, 4096, (1, 4096))]
)
def test_validation_while_learning_reads_evenly_from_all_of_the_text(count: int, length: int, shape: tuple[int, int]) -> None:
    found = windows_of(np.arange(count), length)
    assert found.shape == shape and found[0, 0] == 0 and found.max() < count and (np.diff(found, axis=1) == 1).all()
    assert shape[0] == 1 or found[-1, -1] == count - 1


def test_one_run_at_a_time_in_a_folder(run: Path) -> None:
    lock = history.hold(run)
    try:
        with pytest.raises(ChatError, match="Another process works in"):
            train(run, silent)
    finally:
        history.release(lock)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "corpus.txt is empty."),
        ("too little", "has 10 bytes of text. From less than 2,000 nothing can be learned."),
        ("the people of this nation. " * 100, "Give more text, or a smaller max_length"),
    ],
)
def test_what_cannot_be_learned_from_is_a_sentence(text: str, words: str, tmp_path: Path) -> None:
    history.begin(folder := tmp_path / "run", tiny(tmp_path, max_length=2048))
    (tmp_path / "corpus.txt").write_text(text)
    with pytest.raises(ChatError, match=words):
        train(folder, silent)
    assert history.about(folder)["state"] == "failed" and words in history.about(folder)["error"]


@pytest.mark.slow
def test_the_tutorials_recipe_to_its_end_on_a_small_corpus(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(text(400))
    asked = recipe.read({"corpus": "corpus.txt"}, tmp_path)
    history.begin(folder := tmp_path / "run", asked)
    found = train(folder, silent)
    rows = found["rows"]
    assert found["state"] == "done" and found["total_steps"] == 3 * -(-rows["count"] // 8) and rows["padding"] > 0.5
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert (model.config.n_embd, model.config.n_layer, model.config.n_head, model.config.n_positions) == (128, 6, 8, 128)
    assert found["result"]["validation"] < found["baselines"]["uniform"]
    last = history.of_kind(folder, "loss")[-1]
    assert last["tutorial_loss"] > last["loss"], "padding that is masked is not learned either"
