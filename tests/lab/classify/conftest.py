"""A tiny classifier, made once."""

from pathlib import Path

import pytest

from chatapp.lab.classify.head import HeadClassifier, read
from tests.encoders import make_classifier


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_classifier(tmp_path_factory.mktemp("classifier") / "tiny-judge")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> HeadClassifier:
    return read(tiny_folder, "tiny-judge")
