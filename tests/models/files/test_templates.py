"""Chat templates: which line writes what is exact, and one that misbehaves is a sentence."""

import json
import time
from pathlib import Path

import pytest

from chatapp.models.files import templates
from chatapp.models.files.explained import Explained
from chatapp.models.files.folder import Entry
from chatapp.models.files.listing import explain
from tests.test_layers import ROOT

HERE = Entry("chat_template.jinja", 1)
REAL = sorted((ROOT / "tests" / "chat_templates").glob("*.jinja"))


def explained(template: str) -> Explained:
    return templates.explain(HERE, template, {"bos_token": "<s>", "eos_token": "</s>"})


@pytest.mark.parametrize("path", REAL, ids=lambda p: p.stem)
def test_the_parts_of_real_templates_are_the_rendered_text(path: Path) -> None:
    found = explained(path.read_text()).more["template"]
    assert "".join(part for _, part in found["parts"]) == found["text"] and found["parts"]
    lines = len(found["source"].split("\n"))
    assert all(1 <= line <= lines for line, _ in found["parts"])


def test_each_part_stands_beside_the_line_that_wrote_it() -> None:
    found = explained("{% for m in messages %}\n[{{ m.role }}]\n{{ m.content }}\n{% endfor %}\nend")
    wrote = {line.key: line.words for line in found.lines if line.key.startswith("line")}
    assert list(wrote) == ["line 2", "line 3", "line 5"]
    assert "[" in wrote["line 2"] and "What is the capital" in wrote["line 3"] and "'end'" in wrote["line 5"]


def test_a_template_on_one_line_is_broken_up_without_a_change() -> None:
    one = "{% for m in messages %}{% if m.role == 'user' %}{{ 'U: ' + m.content }}{% else %}{{ 'A: ' + m.content }}{% endif %}{% endfor %}"
    found = explained(one).more["template"]
    assert found["source"].count("\n") >= 4 and len({line for line, _ in found["parts"]}) == 2


def test_macros_and_set_blocks_are_told_by_the_line_that_uses_them() -> None:
    macro = "{% macro say(m) %}\n<{{ m.content }}>\n{% endmacro %}\n"
    template = macro + "{% set x %}abc{% endset %}\n{{ x }}{% if x == 'abc' %}\n{{ say(messages[0]) }}\n{% endif %}"
    found = explained(template).more["template"]
    assert {line for line, _ in found["parts"]} == {5, 6} and "<Answer briefly.>" in found["text"]


def test_a_template_that_forges_marks_gets_no_lines_and_keeps_its_text() -> None:
    found = explained("{{ '\ue0007\ue001' }}{{ messages[0].content }}").more["template"]
    assert found["parts"] == [] and "Answer briefly." in found["text"]


def test_a_template_that_refuses_a_system_prompt_is_shown_without_and_says_so() -> None:
    gemma = (ROOT / "tests" / "chat_templates" / "gemma2.jinja").read_text()
    found = explained(gemma).more["template"]
    assert found["chat"][0]["role"] == "user" and "System role not supported" in found["refused"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for i in range(10**5) %}{% for j in range(10**5) %}{% endfor %}{% endfor %}", "did not finish"),
        ("{{ ''.__class__.__mro__ }}", "template"),
        ("{{ raise_exception('no chats here') }}", "no chats here"),
        ("{% for %}", "template"),
        ("{{ 'a' * 10**9 }}", "template"),
    ],
)
def test_what_a_template_does_wrong_is_a_sentence(template: str, said: str) -> None:
    begun = time.monotonic()
    found = explained(template)
    assert said in found.problem and "Traceback" not in found.problem and time.monotonic() - begun < 30
    assert found.content == template


def test_the_template_inside_tokenizer_config_is_found_by_name(tmp_path: Path) -> None:
    several = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}"}]
    settings = {"bos_token": {"content": "<s>"}, "chat_template": several}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (file,) = explain(tmp_path).files
    assert file.more["template"]["text"] == "<s>Answer briefly." and "'default' of 2" in file.explanation
    assert ("bos_token", "<s>") in [(line.key, line.value) for line in file.lines]


def test_the_embedded_gguf_is_explained_with_its_template(smol_gguf: Path) -> None:
    (file,) = explain(smol_gguf).files
    said = {line.key: line.words for line in file.lines}
    assert "30 layers × 3 heads × 64" in said["llama.attention.head_count_kv"] and "134,515,008" in said["tensors"]
    assert "<|im_start|>user\nWhat is the capital of France?<|im_end|>" in file.more["template"]["text"]
    table = explain(smol_gguf, run=False).plain()["tensors"]
    assert table["dtypes"]["Q4_1"] > 0 and table["parameters"] == 134_515_008
