"""A corpus of a few kilobytes and a recipe that a real child process trains in a second."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from chatapp.lab.child import environment
from chatapp.lab.train import history, process, recipe
from chatapp.lab.train.recipe import Recipe

SENTENCE = "the people of this nation must trust one another and the law because a free government rests upon their consent"


def text(lines: int = 300, seed: int = 1) -> str:
    """Lines of words in random order: a vocabulary and nothing else to learn."""
    dice = random.Random(seed)
    return "".join(" ".join(dice.choices(SENTENCE.split(), k=dice.randint(3, 12))) + ".\n" for _ in range(lines))


def tiny(folder: Path, **values: Any) -> Recipe:
    """Twelve steps of a model of some thousand parameters."""
    (folder / "corpus.txt").write_text(text())
    asked = {
        "corpus": "corpus.txt",
        "tokenizer": {"train": 300},
        "model": {"n_embd": 16, "n_layer": 1, "n_head": 2},
        "packed": True,
        "max_length": 32,
        "max_steps": 12,
        "per_device_train_batch_size": 2,
        "save_steps": 4,
        "learning_rate": 0.01,
        **values,
    }
    return recipe.read(asked, folder)


def begun(folder: Path, asked: Recipe) -> subprocess.Popen:
    """The real child on a new run, in one thread: sums of floats come in one order."""
    history.begin(folder, asked)
    return again(folder)


def again(folder: Path) -> subprocess.Popen:
    return process.begun(folder, threads=1)


def ended(child: subprocess.Popen) -> int:
    """Its status. Its standard input is open until then: it lives as long as its parent."""
    with child:
        return child.wait(120)


def trained(folder: Path, asked: Recipe) -> dict[str, Any]:
    """A whole run; run.json."""
    status = ended(begun(folder, asked))
    assert status == 0, process.last_words(folder)
    return history.about(folder)


def python(*words: str, **options: Any) -> subprocess.CompletedProcess:
    """A program with this very source."""
    env = {**os.environ, **environment(), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *words], env=env, capture_output=True, text=True, timeout=120, **options)
