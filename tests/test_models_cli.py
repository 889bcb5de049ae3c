"""python app.py models …: stable JSON, words for people, and wrong usage in one line."""

import json
from pathlib import Path

import pytest

from chatapp import models_cli


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert models_cli.run(arguments) == 0
    return capsys.readouterr().out


def test_list_says_what_is_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--data-dir", str(tmp_path))
    answer = json.loads(said(capsys, "list", "--json", *where))
    embedded = answer["models"][0]
    assert (embedded["name"], embedded["kind"], embedded["problem"]) == ("smollm2", "embedded", "")
    assert answer["bytes"] >= embedded["bytes"] == Path(embedded["place"]).stat().st_size
    assert said(capsys, "list", *where).startswith("smollm2  98.4 MB  embedded")


@pytest.mark.parametrize(
    ("arguments", "words"), [((), "required: ACTION"), (("lst",), "invalid choice: 'lst'"), (("list", "--jsn"), "--jsn")]
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        models_cli.run(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
