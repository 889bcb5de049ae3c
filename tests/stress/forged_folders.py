"""Model folders as an attacker would write them: a tiny real model with one file forged. CANARY is what code from a folder would write."""

import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.models.test_loading import cut_header, cut_weights, drop_weight, lose_shard, own_code

CANARY = "canary"
BRACKETS = "[" * 100_000
CODE = f"open({CANARY!r}, 'w').write('x')\nclass Config: pass\nclass Tokenizer: pass\nclass Model: pass\n"

Forge = Callable[[Path], object]


def file(name: str, content: str | bytes) -> Forge:
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def fields(name: str, **changed: Any) -> Forge:
    """Change values of a JSON file."""

    def forge(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return forge


def header(entries: Any, data: bytes = b"\0" * 64) -> bytes:
    """A safetensors file with this header."""
    raw = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def tensors(**changed: Any) -> Forge:
    """One entry of the real header changed."""

    def forge(folder: Path) -> None:
        data = (folder / "model.safetensors").read_bytes()
        length = int.from_bytes(data[:8], "little")
        entries = json.loads(data[8 : 8 + length])
        entries["model.norm.weight"] |= changed
        (folder / "model.safetensors").write_bytes(header(entries, data[8 + length :]))

    return forge


def index(value: Any) -> Forge:
    """Weights in parts, as this index says."""

    def forge(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(json.dumps(value))

    return forge


class Runs:
    """Unpickling this writes the canary."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (CODE,)


def pickled(name: str) -> Forge:
    def forge(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(pickle.dumps(Runs()))

    return forge


def brings_code(name: str, **fields_of: Any) -> Forge:
    """A file that names classes of a Python file beside it."""

    def forge(folder: Path) -> None:
        (folder / "evil.py").write_text(CODE)
        fields(name, **fields_of)(folder)

    return forge


def template(text: Any) -> Forge:
    def forge(folder: Path) -> None:
        (folder / "chat_template.jinja").unlink(missing_ok=True)
        fields("tokenizer_config.json", chat_template=text)(folder)

    return forge


ESCAPES = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.system('touch canary') }}",
    "{{ self._TemplateReference__context }}",
    "{{ namespace.__init__.__globals__['__builtins__']['open']('canary', 'w') }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}",
    "{% import 'os' as os %}{{ os.system('touch canary') }}",
    "{% include '/etc/passwd' %}",
    "{{ messages.append(messages) }}{{ messages | tojson }}",
)
HEAVY = (
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{{ 'a' * 300000000 }}",
    "{{ range(10000000000) | list }}",
    "{{ '%01000000000d' % 1 }}",
    "{{ ((((9**9)**9)**9)**9)**9 }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}",
    "{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
)
ODD = (
    "",
    "no messages at all",
    "{{ 1 / 0 }}",
    "{{ 1e400 | int }}",
    "{{ x.y.z }}",
    "{{ raise_exception('no') }}",
    "{% for %}",
    "{{ '\ud83d' }}",
)
NO_TEMPLATES: tuple[Any, ...] = (5, [], {}, [{"name": "default"}], {"default": 1}, True)

FOLDERS: dict[str, Forge] = {
    "weights cut": cut_weights,
    "weights cut in the header": cut_header,
    "weights lost one": drop_weight,
    "weights lost parts": lose_shard,
    "weights empty": file("model.safetensors", b""),
    "weights header list": file("model.safetensors", header([])),
    "weights header number": file("model.safetensors", header(5)),
    "weights header of texts": file("model.safetensors", header({"a": "b"})),
    "weights header nested": file("model.safetensors", header(BRACKETS.encode())),
    "weights header endless": file("model.safetensors", struct.pack("<Q", 2**63) + b"{}"),
    "weights header no text": file("model.safetensors", header(b"\xff\xfe{}")),
    "weights metadata number": file("model.safetensors", header({"__metadata__": 5})),
    "weights dtype": tensors(dtype="X99"),
    "weights dtype list": tensors(dtype=[]),
    "weights shape endless": tensors(shape=[2**62]),
    "weights shape negative": tensors(shape=[-64]),
    "weights shape texts": tensors(shape=["a"]),
    "weights offsets turned": tensors(data_offsets=[256, 0]),
    "weights offsets text": tensors(data_offsets="ab"),
    "weights offsets one": tensors(data_offsets=[0]),
    "weights offsets far": tensors(data_offsets=[0, 2**62]),
    "index list": index([1]),
    "index without a map": index({}),
    "index of a list": index({"weight_map": [1]}),
    "index of numbers": index({"weight_map": {"a": 1}}),
    "index outside": index({"weight_map": {"model.norm.weight": "../../../../etc/passwd"}}),
    "pickle bin": pickled("pytorch_model.bin"),
    "pickle named safetensors": lambda folder: file("model.safetensors", pickle.dumps(Runs()))(folder),
    "config nested": file("config.json", BRACKETS),
    "config list": file("config.json", "[]"),
    "config null": file("config.json", "null"),
    "config empty": file("config.json", ""),
    "config no text": file("config.json", b"\xff\xfe"),
    "config NaN": file("config.json", '{"model_type": "llama", "hidden_size": NaN}'),
    "config digits": file("config.json", '{"model_type": "llama", "hidden_size": %s}' % ("9" * 5000)),
    "config type path": fields("config.json", model_type="../../etc/passwd"),
    "config type list": fields("config.json", model_type=["llama"]),
    "config architectures": fields("config.json", architectures=5),
    "config no heads": fields("config.json", num_attention_heads=0),
    "config heads": fields("config.json", num_attention_heads=7, head_dim=None),
    "config no layers": fields("config.json", num_hidden_layers=0),
    "config fewer than no layers": fields("config.json", num_hidden_layers=-1),
    "config a million layers": fields("config.json", num_hidden_layers=10**6),
    "config huge": fields("config.json", hidden_size=10**9),
    "config vocabulary": fields("config.json", vocab_size=10**12),
    "config no vocabulary": fields("config.json", vocab_size=0),
    "config context": fields("config.json", max_position_embeddings=-1),
    "config context text": fields("config.json", max_position_embeddings="long"),
    "config no context": fields("config.json", max_position_embeddings=0),
    "config dtype": fields("config.json", dtype="__import__('os').system('touch canary')"),
    "config rope": fields("config.json", rope_parameters={"rope_type": "evil", "factor": "x"}),
    "config activation": fields("config.json", hidden_act="evil"),
    "config end": fields("config.json", eos_token_id=[10**9, -1]),
    "config quantized": fields("config.json", quantization_config={"quant_method": "evil"}),
    "config quantized list": fields("config.json", quantization_config=[1]),
    "config own type": own_code,
    "config code": brings_code("config.json", auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}),
    "config code of a new type": brings_code("config.json", model_type="evil", auto_map={"AutoConfig": "evil.Config"}),
    "generation list": file("generation_config.json", "[]"),
    "generation nested": file("generation_config.json", BRACKETS),
    "generation code": file("generation_config.json", '{"eos_token_id": "x", "custom_generate": "evil.py"}'),
    "tokenizer empty": file("tokenizer.json", "{}"),
    "tokenizer nested": file("tokenizer.json", BRACKETS),
    "tokenizer list": file("tokenizer.json", "[]"),
    "tokenizer ids": fields("tokenizer.json", added_tokens=[{"id": 2**31, "content": "x", "special": True}]),
    "tokenizer model": fields("tokenizer.json", model={"type": "BPE", "vocab": {"a": -1}, "merges": ["x"]}),
    "tokenizer pattern": fields(
        "tokenizer.json", pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+$("}, "behavior": "Isolated", "invert": False}
    ),
    "tokenizer class": fields("tokenizer_config.json", tokenizer_class="os.system"),
    "tokenizer code": brings_code("tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]}),
    "tokenizer end": fields("tokenizer_config.json", eos_token=5),
    "tokenizer length": fields("tokenizer_config.json", model_max_length="x"),
    "tokenizer settings list": file("tokenizer_config.json", "[]"),
    **{f"template escape {n}": template(text) for n, text in enumerate(ESCAPES)},
    **{f"template heavy {n}": template(text) for n, text in enumerate(HEAVY)},
    **{f"template odd {n}": template(text) for n, text in enumerate(ODD)},
    **{f"template value {n}": template(value) for n, value in enumerate(NO_TEMPLATES)},
}


def cases(real: Path) -> dict[str, Callable[[Path], Path]]:
    """Name → what writes the folder into another one. `real` is a model that works."""

    def write(name: str, place: Path) -> Path:
        folder = Path(shutil.copytree(real, place / name.replace(" ", "-").lower()))
        FOLDERS[name](folder)
        return folder

    return {name: lambda place, name=name: write(name, place) for name in FOLDERS}
