"""Whether a model loads is said without loading it: on what, in how much memory, and everything that speaks against it."""

import json
import shutil
from pathlib import Path

import pytest

from chatapp.engines.bandwidth import SPOKEN, known
from chatapp.models.sources import Source, resolve
from chatapp.resident import load_check, needs
from chatapp.settings import Settings


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


def checked(name: object, tmp_path: Path, **values) -> load_check.LoadCheck:
    settings = Settings(device="cpu", dtype="float32", data_dir=tmp_path / "data", **values)
    return load_check.check(resolve(str(name), data_dir=settings.data_dir), settings)


def test_a_folder_is_forecast_as_it_would_load(copy: Path, tmp_path: Path) -> None:
    from chatapp.models.weights import inspect

    found = checked(copy, tmp_path, context=512)
    assert not found.refused and found.forecast.weights == inspect(copy).bytes_as(4)
    assert found.forecast.cache == 2 * 512 * 2 * 2 * 2 * 16 * 4, "what a reply is written with, and what is kept of it"
    read = found.forecast.read + SPOKEN * found.forecast.per_token
    assert found.tokens_per_second == pytest.approx(known(tmp_path / "data") / read, rel=1e-3)
    assert "at most about" in dict(found.facts)["Speed"] and "a forecast" in dict(found.facts)["Speed"]


def test_the_embedded_file_runs_as_it_is(smol_gguf: Path, tmp_path: Path) -> None:
    found = checked("smollm2", tmp_path)
    assert not found.refused and dict(found.facts)["Engine"] == "llamacpp" and found.forecast.weights == smol_gguf.stat().st_size


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"architectures": ["BertModel"], "model_type": "bert"}, "no chat model"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"model_type": "nothing-known"}, "cannot be loaded"),
        ({"hidden_size": 6400, "intermediate_size": 12800}, "describes a model of"),
    ],
)
def test_what_loading_would_refuse_is_said(copy: Path, tmp_path: Path, change: dict, said: str) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | change))
    found = checked(copy, tmp_path)
    assert said in found.refused and not found.plain()["loads"]


def test_too_little_memory_is_refused_with_the_numbers(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "free_bytes", lambda device: 1000)
    assert "does not fit" in checked(copy, tmp_path).refused and "0.0 MB are free" in checked(copy, tmp_path).refused


def test_one_that_was_not_fetched_is_said_to_be_elsewhere() -> None:
    found = load_check.check(Source("org/none", "hub", repo="org/none"), Settings(device="cpu"))
    assert "not on this machine" in found.refused and "models download org/none" in found.refused
