"""--quantization is refused, with the reason, wherever it cannot be had."""

from pathlib import Path

import pytest

from chatapp.engines import choose
from chatapp.errors import ChatError
from chatapp.models.loading import load
from chatapp.models.quantization import SHRINKS, in_words, refuse_quantization
from chatapp.models.sources import Source
from chatapp.settings import Settings


@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_without_an_nvidia_gpu_it_is_refused_before_anything_loads(tiny_llama: Path, kind: str) -> None:
    source = Source("tiny", "folder", folder=tiny_llama)
    settings = Settings(device="cpu", quantization=kind)
    for attempt in (lambda: choose(source, settings), lambda: load(source, settings)):
        with pytest.raises(ChatError, match=f"--quantization {kind} needs an NVIDIA GPU, and the model goes to cpu"):
            attempt()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ChatError, match=r"bitsandbytes: pip install -r requirements-gpu\.txt"):
        refuse_quantization(Settings(quantization="int4"), "cuda:0")


def test_the_reason_says_that_nobody_measured_it() -> None:
    assert in_words(Settings(), "why") == "why"
    assert "not measured" in in_words(Settings(quantization="int8"), "why")
    assert SHRINKS["int4"] < SHRINKS["int8"] < SHRINKS["none"] == 1
