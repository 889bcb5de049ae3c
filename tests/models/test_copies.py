"""Conversions of GGUF files are removed when no file is left that they were made from, and never while an app uses them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chatapp.models.convert import convert_tokenizer

APP = """
import sys
from pathlib import Path
from chatapp.models.convert import convert_tokenizer
print(convert_tokenizer(Path(sys.argv[1]), Path(sys.argv[2]), lambda what, share: None), flush=True)
sys.stdin.read()
"""


def silent(what: str, share: float | None) -> None: ...


@pytest.fixture
def file(smol_gguf: Path, tmp_path: Path) -> Path:
    return link(tmp_path / "mine.gguf", smol_gguf)


def link(path: Path, to: Path) -> Path:
    path.symlink_to(to)
    return path


def run(file: Path, data: Path) -> tuple[subprocess.Popen, Path]:
    """Another app that uses the conversion, and its folder."""
    app = subprocess.Popen([sys.executable, "-c", APP, file, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return app, Path(app.stdout.readline().strip())


@pytest.fixture
def folder(file: Path, tmp_path: Path) -> Path:
    """Made by an app that has ended."""
    app, folder = run(file, tmp_path)
    app.communicate()
    return folder


def test_a_conversion_goes_with_its_file_at_the_next_one(folder: Path, file: Path, smol_gguf: Path, tmp_path: Path) -> None:
    assert json.loads((folder / "sources.json").read_text()) == [str(file)]
    second = convert_tokenizer(link(tmp_path / "second.gguf", smol_gguf), tmp_path, silent)
    assert folder.is_dir(), "its file is still there"
    file.unlink()
    third = convert_tokenizer(link(tmp_path / "third.gguf", smol_gguf), tmp_path, silent)
    assert sorted((tmp_path / "models").iterdir()) == sorted([second, third])


def test_a_conversion_goes_when_its_file_holds_something_else(folder: Path, file: Path, smol_gguf: Path, tmp_path: Path) -> None:
    file.unlink()
    file.write_bytes(b"another model")
    convert_tokenizer(link(tmp_path / "second.gguf", smol_gguf), tmp_path, silent)
    assert not folder.exists()


def test_a_second_file_of_the_same_content_keeps_it(folder: Path, file: Path, smol_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    same = link(tmp_path / "elsewhere" / file.name, smol_gguf)
    assert convert_tokenizer(same, tmp_path, silent) == folder
    file.unlink()
    convert_tokenizer(link(tmp_path / "second.gguf", smol_gguf), tmp_path, silent)
    assert folder.is_dir()


def test_what_another_app_uses_stays_until_it_has_ended(file: Path, smol_gguf: Path, tmp_path: Path) -> None:
    app, folder = run(file, tmp_path)
    try:
        file.unlink()
        convert_tokenizer(link(tmp_path / "second.gguf", smol_gguf), tmp_path, silent)
        assert (folder / "tokenizer.json").is_file()
    finally:
        app.communicate()
    convert_tokenizer(link(tmp_path / "third.gguf", smol_gguf), tmp_path, silent)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["my-model", "my-model-0123456789ab"])
def test_a_persons_own_model_is_never_removed(name: str, smol_gguf: Path, tmp_path: Path) -> None:
    own = tmp_path / "models" / name
    own.mkdir(parents=True)
    (own / "config.json").write_text("{}")
    if name == "my-model":
        (own / "sources.json").write_text('["/nowhere"]')
    convert_tokenizer(link(tmp_path / "mine.gguf", smol_gguf), tmp_path, silent)
    assert (own / "config.json").is_file()
