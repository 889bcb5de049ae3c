"""Models read by several threads at once are whole, and transformers is as it was afterwards."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from transformers import PreTrainedModel

from chatapp.models.loading import load
from chatapp.models.sources import resolve
from chatapp.settings import Settings
from chatapp.xray.module import twin

AT_ONCE = 4


def test_a_tied_model_is_read_by_several_threads_at_once(tiny_gpt2: Path, tmp_path: Path) -> None:
    settings = Settings(model=str(tiny_gpt2), data_dir=tmp_path, device="cpu")
    ties, together = PreTrainedModel.tie_weights, Barrier(AT_ONCE)

    def read(number: int) -> bool:
        together.wait()
        model = twin(load(resolve(settings.model, data_dir=tmp_path), settings).model)
        return model.lm_head.weight is model.transformer.wte.weight and model.lm_head.weight.device.type == "cpu"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(read, range(AT_ONCE))) == [True] * AT_ONCE
    assert PreTrainedModel.tie_weights is ties
