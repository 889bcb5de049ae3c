"""What a template listens to, read from real ones, and from what is none."""

from pathlib import Path

import pytest

from chatapp.prompt.abilities import Abilities, abilities

TEMPLATES = Path(__file__).parent.parent / "chat_templates"


@pytest.mark.parametrize(
    ("name", "tools", "switch", "thinks"),
    [
        ("qwen3", False, "", True),
        ("llama32", False, "", False),
        ("chatml", False, "", False),
        ("gemma2", False, "", False),
        ("phi3", False, "", False),
    ],
)
def test_real_templates(name: str, tools: bool, switch: str, thinks: bool) -> None:
    assert abilities((TEMPLATES / f"{name}.jinja").read_text()) == Abilities(True, tools, switch, thinks)


QWEN3 = (
    "{%- if tools %}\n    {{- '<|im_start|>system\\n' }}{% endif %}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
)
"""Two passages of the whole template."""


def test_tools_and_a_switch_for_thinking_are_found() -> None:
    assert abilities(QWEN3) == Abilities(True, True, "enable_thinking", True)


def test_words_in_strings_and_behind_dots_are_no_variables() -> None:
    assert abilities("{{ 'tools' }}{{ message.tools }}tools {# tools #}{{ x[\"enable_thinking\"] }}") == Abilities(True)
    assert abilities("{{ tools }}").tools
    assert abilities("") == Abilities(False)
    assert abilities("{% " * 100_000).chat, "a text that is no template takes no time"
