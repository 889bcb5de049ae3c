"""A tiny classifier, made once, and what one is taught in a second."""

from pathlib import Path

import pytest

from chatapp.lab.classify.head import HeadClassifier, read
from chatapp.lab.classify.lesson import Lesson
from tests.encoders import make_classifier, make_encoder

TEXTS = [("hello world how are you", 1), ("the next token", 0)]
"""Words of the tiny tokenizer: each text has its own label, so that a model that learns nothing gets half of them."""


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_classifier(tmp_path_factory.mktemp("classifier") / "tiny-judge")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> HeadClassifier:
    return read(tiny_folder, "tiny-judge")


@pytest.fixture(scope="session")
def tiny_lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    base = make_encoder(tmp_path_factory.mktemp("base") / "tiny-bert")
    taught = {"train": TEXTS * 40, "held_out": TEXTS * 10, "base": str(base), "learning_rate": 0.01, "epochs": 2, "batch": 8}
    return Lesson("tiny", "two sentences", "No rule.", ["no", "yes"], **taught)
