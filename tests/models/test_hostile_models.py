"""A model's files may say anything: each that no model says ends in one sentence that names the file, before time or memory is spent."""

import json
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatapp.errors import ChatError
from chatapp.models import weights
from chatapp.models.gguf import GgufFile, read_gguf
from chatapp.models.loading import load
from chatapp.models.sources import resolve
from chatapp.prompt.template import render
from chatapp.settings import Settings, parse
from chatapp.turn import Message
from tests.test_strict_json import JSON

CPU = Settings(device="cpu", dtype="float32")


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


def config(**values: Any) -> Callable[[Path], None]:
    """Change config.json."""

    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def settings_of(name: str, **values: Any) -> Callable[[Path], None]:
    """Change a file of the tokenizer; the template is in its settings and not beside them."""

    def change(folder: Path) -> None:
        (folder / "chat_template.jinja").unlink(missing_ok=True)
        (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | values))

    return change


def text(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


def safetensors(header: str) -> Callable[[Path], object]:
    """A weights file with this header."""
    return lambda folder: (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header.encode())


def index(content: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(content)

    return change


DEEP = "[" * 100_000
FOLDERS = {
    "brackets": (text("config.json", DEEP), r"model/config\.json is broken: it is not valid JSON"),
    "list": (text("config.json", "[]"), r"model/config\.json is broken: it is list, not an object"),
    "tokenizer brackets": (text("tokenizer_config.json", DEEP), r"model/tokenizer_config\.json is broken"),
    "names": (config(architectures=5), r"model/config\.json is broken: architectures is 5, which is no list of names"),
    "no name": (config(architectures=[None]), r"model/config\.json is broken: architectures is \[None\]"),
    "added token": (
        settings_of("tokenizer.json", added_tokens=[{"id": 2**31, "content": "x"}]),
        "^The tokenizer of model cannot be loaded: ",
    ),
    "vocabulary": (
        settings_of("tokenizer.json", model={"type": "BPE", "vocab": {"a": -1}, "merges": ["x"]}),
        "^The tokenizer of model cannot be loaded: ",
    ),
    "length": (
        settings_of("tokenizer_config.json", model_max_length="x"),
        "^The tokenizer of model cannot be loaded: its model_max_length is 'x' and not a number",
    ),
    "template number": (settings_of("tokenizer_config.json", chat_template=5), "its chat_template is '5' and not a text"),
    "template numbers": (settings_of("tokenizer_config.json", chat_template={"default": 1}), "its chat_template is '1' and not a text"),
    "no heads": (config(num_attention_heads=0), r"model/config\.json is broken: num_attention_heads is 0, which is no size"),
    "minus": (config(vocab_size=-1), r"model/config\.json is broken: vocab_size is -1, which is no size"),
    "layers": (config(num_hidden_layers=10**6), r"num_hidden_layers is 1000000, and the files of the weights hold \d+ tensors"),
    "wide": (
        config(intermediate_size=10**7),
        r"config\.json describes a model of [\d,]+ weights \(\d.*GB as float32\), and its files hold",
    ),
    "words": (config(hidden_size="many"), r"^model cannot be loaded: "),
    "heads": (config(num_attention_heads=7, head_dim=None), r"^model cannot be loaded: |config\.json describes"),
    "activation": (config(hidden_act="no such thing"), r"^model cannot be loaded: "),
    "header list": (safetensors("[]"), r"model\.safetensors is damaged: its header is no table of tensors"),
    "header deep": (safetensors(DEEP), r"model\.safetensors is damaged: its header is not JSON"),
    "header entry": (safetensors('{"a": 1}'), r"model\.safetensors is damaged: its header does not say what tensor 'a' is"),
    "header shape": (
        safetensors('{"a": {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 4]}}'),
        r"does not say what tensor 'a' is",
    ),
    "index list": (index("[1]"), r"model/model\.safetensors\.index\.json is broken: it is list"),
    "index map": (index('{"weight_map": {"a": 1}}'), r"index\.json is broken: it has no weight_map"),
    "index away": (index('{"weight_map": {"a": "../../x"}}'), r"it names '\.\./\.\./x', which is no file beside it"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_no_model_has_is_refused_by_file_and_reason(copy: Path, name: str) -> None:
    damage, says = FOLDERS[name]
    damage(copy)
    begun = time.monotonic()
    with pytest.raises(ChatError, match=says):
        load(resolve(str(copy), data_dir=copy.parent), CPU)
    assert time.monotonic() - begun < 20


def test_half_a_character_in_a_template_is_none_in_what_the_model_reads(copy: Path) -> None:
    settings_of("tokenizer_config.json", chat_template="\ud83d{{ messages[0].content }}")(copy)
    tokenizer = load(resolve(str(copy), data_dir=copy.parent), CPU).tokenizer
    assert render([Message("user", "Hi")], tokenizer, context=100, max_tokens=5).text == "\ufffdHi"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=JSON | st.dictionaries(st.text(max_size=3), st.fixed_dictionaries({"dtype": JSON, "shape": JSON, "data_offsets": JSON})))
def test_any_header_of_weights_is_read_or_refused_in_words(tmp_path: Path, entries: Any) -> None:
    safetensors(json.dumps(entries))(tmp_path)
    try:
        weights.header(tmp_path / "model.safetensors")
    except ChatError as error:
        assert "model.safetensors" in str(error)


def a_text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def gguf(path: Path, **values: tuple[int, bytes]) -> Path:
    """A GGUF file without tensors, with these values as (type, bytes)."""
    pairs = b"".join(a_text(name.replace("__", ".")) + u32(kind) + content for name, (kind, content) in values.items())
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + pairs + bytes(64))
    return path


NESTED = (u32(9) + struct.pack("<Q", 1)) * 200_000 + u32(4) + struct.pack("<Q", 0)
GGUFS = {
    "nested": ({"a": (9, NESTED)}, r"an array holds values of type 9"),
    "alignment": ({"general__alignment": (4, u32(0))}, r"general\.alignment is 0"),
    "alignment text": ({"general__alignment": (8, a_text("x"))}, r"general\.alignment is x"),
    "long text": ({"a": (8, struct.pack("<Q", 2**62))}, r"goes beyond its end"),
    "long array": ({"a": (9, u32(4) + struct.pack("<Q", 2**60))}, r"goes beyond its end"),
    "type": ({"a": (99, b"")}, r"value type 99 is unknown"),
    "context": ({"general__architecture": (8, a_text("llama")), "llama__context_length": (8, a_text("x"))}, r"context_length is x"),
    "minus": ({"general__architecture": (8, a_text("llama")), "llama__block_count": (5, struct.pack("<i", -1))}, r"block_count is -1"),
}


@pytest.mark.parametrize("name", GGUFS)
def test_a_gguf_that_no_model_has_is_refused_by_file_and_reason(tmp_path: Path, name: str) -> None:
    values, says = GGUFS[name]
    with pytest.raises(ChatError, match=f"^bad.gguf is damaged: its GGUF header cannot be read .*{says}"):
        read_gguf(gguf(tmp_path / "bad.gguf", **values))


def test_a_gguf_without_tensors_is_left_to_llamacpp_to_refuse(tmp_path: Path) -> None:
    """The first part of a split file may hold none."""
    assert read_gguf(gguf(tmp_path / "none.gguf")).kind == "unknown"


def test_more_blocks_than_tensors_are_refused(tmp_path: Path) -> None:
    path = gguf(tmp_path / "bad.gguf", general__architecture=(8, a_text("llama")), llama__block_count=(4, u32(10**6)))
    tensor = a_text("output") + u32(1) + struct.pack("<QIQ", 1, 0, 0)
    path.write_bytes(path.read_bytes()[:8] + struct.pack("<Q", 1) + path.read_bytes()[16:-64] + tensor + bytes(64))
    with pytest.raises(ChatError, match="block_count is 1,000,000, and there are 1 tensors"):
        read_gguf(path)


@pytest.mark.parametrize("size", [2**63 + 100, 2**64 - 1])
@pytest.mark.parametrize("element", [8, 0], ids=["texts", "numbers"])
def test_an_array_of_more_bytes_than_an_integer_holds_is_refused(tmp_path: Path, size: int, element: int) -> None:
    counts = struct.pack("<QQ", 2, size) if element == 8 else struct.pack("<Q", size)
    with pytest.raises(ChatError, match=f"a value of {size:,} bytes goes beyond its end"):
        read_gguf(gguf(tmp_path / "bad.gguf", b=(9, u32(element) + counts), c=(4, u32(1))))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_gguf_with_any_byte_changed_is_read_or_refused_in_words(tmp_path: Path, data: st.DataObject) -> None:
    values = {
        "general__architecture": (8, a_text("llama")),
        "llama__context_length": (4, u32(64)),
        "b": (9, u32(8) + struct.pack("<Q", 1) + a_text("x")),
    }
    path = gguf(tmp_path / "odd.gguf", **values)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        read_gguf(path)
    except ChatError as error:
        assert "odd.gguf" in str(error)


def test_a_model_without_attention_heads_needs_no_cache(tmp_path: Path) -> None:
    of = {"general.architecture": "mamba", "mamba.embedding_length": 768, "mamba.block_count": 24}
    assert GgufFile(tmp_path, of | {"mamba.attention.head_count": 0}).kv_bytes_per_token == 0
    assert GgufFile(tmp_path, of | {"mamba.attention.head_count": []}).kv_bytes_per_token == 0


def test_more_threads_than_any_machine_has_are_refused_at_the_start() -> None:
    with pytest.raises(ChatError, match=r"threads.*512"):
        parse(["--threads", "1000000"])
