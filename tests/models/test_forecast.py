"""One forecast: what a configuration says before a model is here, what transformers makes of it, and what a running model keeps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.models.fits import Room
from chatapp.models.forecast import CELLS, Forecast, Sizes, forecast
from chatapp.models.memory import kv_bytes_per_token, process_bytes, taken_bytes
from chatapp.models.shape import shape_of
from chatapp.models.sources import resolve
from chatapp.models.weights import inspect
from chatapp.resident.needs import forecast as before_loading
from chatapp.settings import Settings
from tests.conftest import CHATML
from tests.hubs import the_apps_own
from tests.tiny import make_tiny

FAMILIES = ("llama", "gpt2", "qwen2", "qwen3", "mistral", "gemma", "phi3", "olmo2", "granite", "smollm3")


@pytest.mark.parametrize("family", FAMILIES)
def test_three_ways_to_know_the_keys_and_values_of_a_token_agree(family: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from chatapp.engines.direct.kvcache import cache_argument, new_cache
    from chatapp.engines.direct.kvcache import kv_bytes_per_token as kept

    folder = make_tiny(family, tmp_path / family, chat_template=CHATML)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    cache = new_cache(model.config)
    with torch.inference_mode():
        model(input_ids=torch.tensor([[3]]), use_cache=True, **{cache_argument(model): cache})
    config = json.loads((folder / "config.json").read_text())
    listed = 4 * shape_of(config).kv_numbers
    assert listed == kv_bytes_per_token(model.config.get_text_config(), torch.float32) == kept(cache) > 0


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2"])
def test_the_hub_and_this_machine_forecast_the_same(family: str, tmp_path: Path) -> None:
    folder = make_tiny(family, tmp_path / family, chat_template=CHATML)
    settings = Settings(model=str(folder), device="cpu", dtype="float32", data_dir=tmp_path, context=1000)
    here = before_loading(resolve(str(folder), data_dir=tmp_path), settings)
    listed = Room(here.free, 4, 1000).of_weights(inspect(folder), json.loads((folder / "config.json").read_text()))
    assert listed.words == str(here)


SIZES = Sizes(weights=10**9, per_token=1000, hidden=64, inner=128, vocabulary=50_000, context=4096)


def test_a_forecast_names_its_parts_and_its_sum() -> None:
    served = forecast("llamacpp", SIZES, 4, 510, 2 * 10**9)
    assert served.cache == 4 * 512 * 1000 and forecast("llamacpp", SIZES, 4, 512, 0).cache == 4 * 768 * 1000, "two tokens are left free"
    direct = forecast("direct", SIZES, 4, 9999, 0)
    assert (direct.concurrency, direct.context, direct.cache) == (1, 4096, 2 * 4096 * 1000)
    assert served.bytes == served.weights + served.cache + served.work and served.required > served.bytes
    assert str(served) == "1.0 GB weights + 2.0 MB KV cache (4 × 510 tokens) + 97.0 MB to work in of 2.0 GB free"
    assert CELLS == 256


def test_packages_are_said_once_beside_the_rest() -> None:
    first = Forecast(10**9, 0, 1, 1, 2 * 10**9, runtime=240_000_000)
    assert first.bytes == 10**9 and first.required == 1_340_000_000
    assert str(first) == "1.0 GB weights of 2.0 GB free, and 0.2 GB once for PyTorch and its like"


def test_what_a_new_token_reads_leaves_out_the_table_that_is_looked_up() -> None:
    from chatapp.models.forecast import sizes_of

    config = {"hidden_size": 10, "vocab_size": 100, "num_hidden_layers": 1, "num_attention_heads": 1}
    assert sizes_of(8000, shape_of(config), 4).read == 8000
    assert sizes_of(8000, shape_of(config | {"tie_word_embeddings": False}), 4).read == 4000
    assert sizes_of(8000, shape_of(config | {"num_local_experts": 8}), 4).read == 0, "which experts are read is not known"


def test_memory_that_is_written_is_counted() -> None:
    before = taken_bytes("cpu")
    block = bytearray(b"x") * 50_000_000
    assert 45e6 < taken_bytes("cpu") - before < 80e6 and len(block) == 50_000_000
    assert process_bytes(2**22 - 1) == 0


def test_what_the_hub_lists_is_weighed_and_no_weights_travel(tiny_llama: Path, tmp_path: Path) -> None:
    settings = Settings(device="cpu", dtype="float32", data_dir=tmp_path, context=512)
    with the_apps_own(tmp_path / "cache") as fake:
        fake.add("org/tiny", tiny_llama)
        fake.add("org/file", {"config.json": (tiny_llama / "config.json").read_bytes(), "q.gguf": b"GGUF" + bytes(10**6)})
        listed = before_loading(resolve("org/tiny", data_dir=tmp_path), settings)
        quantized = before_loading(resolve("org/file:q.gguf", data_dir=tmp_path), settings.model_copy(update={"engine": "llamacpp"}))
        asked = "\n".join(fake.log)
    here = before_loading(resolve(str(tiny_llama), data_dir=tmp_path), settings)
    assert replace(listed, free=0) == replace(here, free=0)
    assert quantized.weights == 10**6 + 4 and quantized.per_token == here.per_token // 2
    assert "safetensors" not in asked and "q.gguf" not in asked
