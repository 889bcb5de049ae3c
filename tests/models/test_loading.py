"""Models load, and each that cannot ends in one sentence with its cure."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification, GPT2Config, LlamaConfig, MambaConfig

from chatapp.errors import ChatError
from chatapp.models import loading
from chatapp.models.convert import convert_gguf, convert_tokenizer
from chatapp.models.info import UNKNOWN_CONTEXT, context_of, gguf_info
from chatapp.models.loading import load, load_tokenizer, pick_device, pick_dtype
from chatapp.models.sources import Source, resolve
from chatapp.models.tokenizer import read_tokenizer
from chatapp.models.weights import tensor_bytes
from chatapp.settings import Settings
from chatapp.tasks import Cancelled
from tests.fakehub import FakeHub

CPU = Settings(device="cpu", dtype="float32")


def folder_source(folder: Path) -> Source:
    return resolve(str(folder), data_dir=folder.parent)


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


@pytest.mark.parametrize("kind", ["tiny_llama", "tiny_gpt2"])
def test_a_chat_model_and_a_base_model_load(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    told: list[tuple[str, float | None]] = []
    loaded = load(folder_source(folder), CPU, lambda what, share: told.append((what, share)))
    assert loaded.info.context == 2048
    assert loaded.info.parameters == loaded.model.num_parameters()
    assert (loaded.info.device, loaded.info.dtype, loaded.info.dtype_reason) == ("cpu", "float32", "asked for by --dtype")
    assert not loaded.model.training
    assert (loaded.tokenizer.chat_template is None) == (kind == "tiny_gpt2")
    shares = [share for _, share in told]
    assert shares[0] == 0.0
    assert shares[-1] == 1.0


def test_the_share_that_is_told_is_one_of_bytes(tiny_llama: Path) -> None:
    told: list[float] = []
    load(folder_source(tiny_llama), CPU, lambda what, share: told.append(share))
    sizes = sorted(tensor_bytes(tiny_llama).values())
    steps = sorted(round((after - before) * sum(sizes)) for before, after in pairwise(told) if after > before)
    assert steps == sizes and len(set(sizes)) > 3, "the table of words is not one of so many tensors"


def test_raising_in_the_progress_cancels_a_load(tiny_llama: Path) -> None:
    def cancel(what: str, share: float | None) -> None:
        if share:
            raise Cancelled

    with pytest.raises(Cancelled):
        load(folder_source(tiny_llama), CPU, cancel)


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def cut_header(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def drop_weight(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def lose_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def own_code(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "novel", "auto_map": {"AutoConfig": "code.Config"}}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_weights, r"model\.safetensors was cut short: it has [\d,]+ bytes of [\d,]+\."),
        (cut_header, r"model\.safetensors is damaged: it has 100 bytes"),
        (drop_weight, r"1 of its weights are in no file, first model\.norm\.weight"),
        (lose_shard, r"2 of 2 weight files are missing, first model-00001-of-00002\.safetensors"),
        (pickled, r"pytorch_model\.bin is there, but such files can run code"),
        (own_code, "code from its repository, which this app never runs"),
        (lambda f: (f / "config.json").write_text('{"model_type": "llama",'), r"model/config\.json is broken: it is not valid JSON"),
        (lambda f: (f / "config.json").write_text('{"model_type": "no-such-model"}'), "cannot be loaded"),
        (lambda f: (f / "config.json").write_text('{"model_type": "llama", "hidden_size": "big"}'), "hidden_size"),
        (lambda f: (f / "tokenizer.json").write_text('{"version": 1'), r"tokenizer\.json is broken"),
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer of model cannot be loaded"),
    ],
)
def test_a_broken_model_says_which_file_and_what_is_wrong(damage: Callable[[Path], object], words: str, copy: Path) -> None:
    damage(copy)
    with pytest.raises(ChatError, match=words):
        load(folder_source(copy), CPU)


def test_an_encoder_is_refused_as_no_chat_model(tiny_llama: Path, tmp_path: Path) -> None:
    config = DistilBertConfig(vocab_size=64, dim=16, n_layers=1, n_heads=2, hidden_dim=16)
    DistilBertForSequenceClassification(config).save_pretrained(tmp_path)
    shutil.copy(tiny_llama / "tokenizer.json", tmp_path)
    with pytest.raises(ChatError, match="is no chat model: it is a DistilBertForSequenceClassification"):
        load(folder_source(tmp_path), CPU)


def test_a_model_larger_than_the_memory_is_refused_with_both_numbers(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "free_memory", lambda: 100_000)
    with pytest.raises(ChatError, match=r"too large: its weights need 0\.\d MB and 0\.1 MB are free in memory"):
        load(folder_source(tiny_llama), CPU)


def test_the_context_is_read_under_the_names_models_use() -> None:
    assert context_of(GPT2Config(n_positions=512)) == 512
    assert context_of(LlamaConfig(max_position_embeddings=4096)) == 4096
    assert context_of(MambaConfig()) == UNKNOWN_CONTEXT, "it has no limit of its own"


@pytest.mark.parametrize(("flags", "dtype"), [({"fpu"}, torch.float32), ({"avx512_bf16"}, torch.bfloat16), ({"amx_bf16"}, torch.bfloat16)])
def test_a_cpu_uses_bfloat16_only_where_it_has_units_for_it(flags: set[str], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "cpu_flags", lambda: flags)
    chosen, reason = pick_dtype(Settings(), "cpu")
    assert chosen == dtype
    assert "bfloat16 units" in reason


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ChatError, match="cuda:99 is not there"):
        pick_device(Settings(device="cuda:99"))
    with pytest.raises(ChatError, match="'gpu' is unknown"):
        pick_device(Settings(device="gpu"))
    assert pick_device(Settings(device="cpu")) == "cpu"


# --- the embedded model and GGUF


def test_the_embedded_model_converts_to_a_folder_that_knows_things(smol: Path) -> None:
    assert {"model.safetensors", "tokenizer.json", "chat_template.jinja", "config.json"} <= {p.name for p in smol.iterdir()}
    loaded = load(folder_source(smol), CPU)
    ids = loaded.tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    reply = loaded.model.generate(ids, max_new_tokens=3, do_sample=False)[0, ids.shape[1] :]
    assert "Paris" in loaded.tokenizer.decode(reply)


def test_a_second_conversion_finds_the_first(smol: Path, smol_gguf: Path) -> None:
    stamp = (smol / "model.safetensors").stat().st_mtime_ns
    again = convert_gguf(smol_gguf, smol.parent.parent, lambda what, share: pytest.fail("nothing is left to do"))
    assert again == smol
    assert (smol / "model.safetensors").stat().st_mtime_ns == stamp


def test_the_tokenizer_of_a_gguf_needs_no_weights(smol: Path, smol_gguf: Path, tmp_path: Path) -> None:
    source = Source("smol", "gguf", gguf=smol_gguf)
    tokenizer = load_tokenizer(source, Settings(data_dir=tmp_path))
    assert [p.name for p in (tmp_path / "models").glob("*/model.safetensors")] == []
    assert tokenizer.get_vocab() == read_tokenizer(smol, "smol").get_vocab()
    assert convert_tokenizer(smol_gguf, tmp_path, lambda what, share: pytest.fail("it is kept")).name.endswith("-tokenizer")


def test_ids_of_the_embedded_tokenizer_are_those_of_llama_cpp(smol: Path) -> None:
    """llama.cpp's /tokenize gave these (xllamacpp 2026.10): digits are split off first. Transformers' own reading of the GGUF differs."""
    tokenizer = read_tokenizer(smol, "smol")
    known = {
        "hello  12 world 3.14": [28120, 256, 33, 34, 905, 216, 35, 30, 33, 36],
        "a1b2\n\n 77": [81, 33, 82, 34, 8866, 39, 39],
        "IV Ⅳ ٣": [3277, 216, 173, 223, 113, 216, 164, 113],
        "<|im_start|>user": [1, 4093],
    }
    assert {text: tokenizer.encode(text, add_special_tokens=False) for text in known} == known


def test_facts_of_a_gguf_come_from_its_header(smol_gguf: Path) -> None:
    facts = gguf_info(smol_gguf, "smol", "")
    assert (facts.parameters, facts.context, facts.dtype) == (134_515_008, 8192, "Q4_1")


def test_a_cut_gguf_is_refused_and_leaves_nothing(smol_gguf: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(smol_gguf.read_bytes()[:50_000_000])
    for task in (convert_gguf, convert_tokenizer):
        with pytest.raises(ChatError, match=r"cut short: it has 50,000,000 bytes of 98,362,432"):
            task(cut, tmp_path, lambda what, share: None)
    cut.write_bytes(b"GGUF" + b"\x03\0\0\0" + b"\xff" * 100)
    with pytest.raises(ChatError, match="damaged"):
        convert_gguf(cut, tmp_path, lambda what, share: None)
    cut.write_bytes(b"not a model")
    with pytest.raises(ChatError, match="no GGUF file"):
        convert_gguf(cut, tmp_path, lambda what, share: None)
    assert not (tmp_path / "models").exists()


def test_a_cancelled_conversion_leaves_nothing(smol_gguf: Path, tmp_path: Path) -> None:
    def cancel(what: str, share: float | None) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        convert_gguf(smol_gguf, tmp_path, cancel)
    assert list((tmp_path / "models").iterdir()) == []


# --- the Hub


def huge_header() -> bytes:
    """The beginning of a safetensors file that announces a terabyte of F32."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [500_000, 1_000_000], "data_offsets": [0, 2_000_000_000_000]}}).encode()
    return len(header).to_bytes(8, "little") + header


def answers(hub_url: str, home: Path, names: list[str], **environment: str) -> dict[str, dict]:
    """What tests/hub_client.py says about each name, in a fresh process."""
    env = {"HF_ENDPOINT": hub_url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "tests.hub_client", str(home), *names],
        env=os.environ | env | environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {line["name"]: line for line in lines}


def test_models_come_from_the_hub_and_refusals_are_sentences(tiny_llama: Path, tmp_path: Path) -> None:
    with FakeHub() as hub:
        repo = hub.add("org/tiny", tiny_llama, revisions=("v1",))
        hub.add("org/gated", tiny_llama, gated=True, readers=frozenset({"hf_reader"}))
        hub.add("org/pickle", {"config.json": b"{}", "pytorch_model.bin": b"x" * 10_000})
        hub.add("org/huge", {"config.json": b"{}", "model.safetensors": huge_header()})
        hub.add("org/quantized", {"model.gguf": b"GGUF"})
        names = [
            "cancel:org/tiny",
            "org/tiny",
            "org/tiny@v1",
            "org/tiny@v2",
            "org/none",
            "org/gated",
            "org/pickle",
            "org/huge",
            "org/quantized",
        ]
        said = answers(hub.url, tmp_path, [*names, "org/quantized:other.gguf"])
        assert said["cancel:org/tiny"]["kind"] == "Cancelled"
        for name in ("org/tiny", "org/tiny@v1"):
            assert said[name]["revision"] == repo.sha
        assert said["org/tiny"]["downloaded"][-1] == 1.0
        assert said["org/tiny@v1"]["downloaded"] == [], "one commit is fetched once"
        assert "has no revision v2" in said["org/tiny@v2"]["error"]
        assert "is not on the Hub, or is private" in said["org/none"]["error"]
        assert (said["org/gated"]["status"], "accept terms" in said["org/gated"]["error"]) == (403, True)
        assert "no safetensors weights" in said["org/pickle"]["error"]
        assert "org/huge is too large: its weights need 1,100" in said["org/huge"]["error"]
        for refused in ("org/pickle", "org/huge"):
            assert not any(line == f"GET /{refused}/resolve/{hub.repos[refused].sha}/config.json" for line in hub.log), "nothing travels"
        assert "choose one. It has org/quantized:model.gguf." in said["org/quantized"]["error"]
        assert "has no file other.gguf" in said["org/quantized:other.gguf"]["error"]
        assert answers(hub.url, tmp_path, ["org/gated"], HF_TOKEN="hf_reader")["org/gated"]["parameters"] > 0
    offline = answers("http://127.0.0.1:9", tmp_path, [f"org/tiny@{repo.sha}", "org/tiny", "org/other"], HF_HUB_OFFLINE="1")
    assert offline[f"org/tiny@{repo.sha}"]["revision"] == repo.sha
    assert offline["org/tiny"]["revision"] == repo.sha, "what is cached works offline"
    assert "Hub cannot be reached" in offline["org/other"]["error"]
