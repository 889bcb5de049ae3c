"""python app.py train: a recipe becomes a model folder, is planned, shown as code, and gone on with; wrong input in one sentence."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from chatapp import train_cli
from chatapp.errors import ChatError
from chatapp.lab.train import history
from chatapp.lab.train import recipe as recipes
from tests.lab.train.tiny_runs import tiny


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (path := tmp_path / "recipe.yaml").write_text(recipes.written(tiny(tmp_path)))
    return path


def run(tmp_path: Path, *arguments: object) -> int:
    return train_cli.run([*map(str, arguments), "--data-dir", str(tmp_path / "data")])


def test_a_recipe_becomes_a_model_folder(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, recipe, "--out", tmp_path / "model") == 0
    said = capsys.readouterr()
    assert "12 steps in" in said.out and f"The model is in {tmp_path / 'model'}" in said.out and "bigram" in said.out
    lines = said.err.splitlines()
    assert len(set(lines)) == len(lines), "no line stands twice"
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "model").config.n_layer == 1
    with pytest.raises(ChatError, match=r"is not empty .* Give --resume"):
        run(tmp_path, recipe, "--out", tmp_path / "model")


def test_a_stopped_run_goes_on_by_its_recipe_or_by_its_folder(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "data" / history.FOLDER
    history.begin(home / "0", recipes.parse(recipe.read_bytes(), tmp_path))
    history.update(home / "0", state="stopped")
    assert run(tmp_path, recipe, "--resume") == 0
    assert history.about(home / "0")["state"] == "done"
    with pytest.raises(ChatError, match=r"There is no stopped run of this recipe in"):
        run(tmp_path, recipe, "--resume")
    with pytest.raises(ChatError, match=r"There is no run in .*nowhere"):
        run(tmp_path, recipe, "--resume", "--out", tmp_path / "nowhere")
    recipe.write_text(recipe.read_text().replace("max_length: 32", "max_length: 16"))
    with pytest.raises(ChatError, match=r"was begun with max_length: 32, and the recipe says 16"):
        run(tmp_path, recipe, "--resume", "--out", home / "0")


def test_the_run_as_code_trains_alone(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tmp_path, recipe, "--code") == 0
    code = capsys.readouterr().out
    assert "chatapp" not in code
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "script", "exec"), {"__name__": "script"})
    config = AutoModelForCausalLM.from_pretrained(tmp_path / "trained").config
    assert (config.n_embd, config.vocab_size, config.n_positions) == (16, 300, 32)


@pytest.mark.slow
def test_a_plan_is_measured_and_shown(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, recipe, "--plan") == 0
    said = capsys.readouterr().out
    for words in ("12 of 12", "BPE of 300 trained on the corpus", "packed blocks of 32 tokens", "uniform", "measured on 3"):
        assert words in said
    assert list((tmp_path / "data").glob("training/*")) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["two-minute"], "no such preset. Did you mean two-minutes?"),
        (["elsewhere/recipe.yaml"], "cannot be read: No such file"),
    ],
)
def test_a_wrong_name_is_a_sentence(arguments: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=words):
        run(tmp_path, *arguments)


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "soon"])
def test_minutes_are_above_zero(minutes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(tmp_path, "two-minutes", "--max-minutes", minutes)
    assert "is no number of minutes above 0" in capsys.readouterr().err
