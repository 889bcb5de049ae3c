"""What is here: the embedded model, the Hub's cache, folders and files, each once and by a name that loads it."""

import json
import shutil
from pathlib import Path

from chatapp.models.catalog import LocalModel, cached, folders, here, told_apart
from chatapp.models.remembered import remember
from chatapp.models.sources import embedded_gguf, resolve

COMMIT, OLDER = "1" * 40, "2" * 40


def into_cache(cache: Path, repo: str, commit: str, files: dict[str, bytes], ref: str = "") -> None:
    """As the Hub's client leaves a download behind."""
    home = cache / f"models--{repo.replace('/', '--')}"
    snapshot = home / "snapshots" / commit
    for name, content in files.items():
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        blob = home / "blobs" / f"{commit[:8]}{name.replace('/', '-')}"
        blob.parent.mkdir(exist_ok=True)
        blob.write_bytes(content)
        (snapshot / name).symlink_to(blob)
    if ref:
        (home / "refs").mkdir(exist_ok=True)
        (home / "refs" / ref).write_text(commit)


def by_name(found: list[LocalModel]) -> dict[str, LocalModel]:
    assert len({model.name for model in found}) == len(found)
    return {model.name: model for model in found}


def test_the_cache_lists_each_revision_and_each_gguf_file_by_a_name_that_means_it(tmp_path: Path) -> None:
    whole = {"config.json": b"{}", "model.safetensors": b"x" * 1000}
    into_cache(tmp_path, "org/whole", COMMIT, whole, ref="main")
    into_cache(tmp_path, "org/whole", OLDER, {"config.json": b"{}"})
    into_cache(tmp_path, "org/q", COMMIT, {"a.Q4.gguf": b"x" * 40, "b/c.Q8.gguf": b"x" * 80}, ref="main")
    into_cache(tmp_path, "org/words", COMMIT, {"tokenizer.json": b"{}"}, ref="main")
    found = by_name(cached(tmp_path))
    assert [*found] == ["org/q:a.Q4.gguf", "org/q:b/c.Q8.gguf", "org/whole", f"org/whole@{OLDER}", "org/words"]
    assert (found["org/whole"].bytes, found["org/whole"].problem, found["org/whole"].revision) == (1002, "", COMMIT)
    assert found["org/q:b/c.Q8.gguf"].bytes == 80
    assert "no model.safetensors" in found[f"org/whole@{OLDER}"].problem
    assert "no config.json" in found["org/words"].problem
    for name, model in found.items():
        source = resolve(name, data_dir=tmp_path)
        assert (source.repo, source.revision or COMMIT) == (model.repo, model.revision)


def test_without_a_cache_there_is_nothing_in_it(tmp_path: Path) -> None:
    assert cached(tmp_path / "none") == []


def test_a_name_that_no_model_has_is_not_among_the_folders(tmp_path: Path) -> None:
    """A slot whose load failed keeps the name that was typed."""
    assert folders(tmp_path, ["~nobody.there/x", "x" * 5000, "/a\0b", ""]) == []


def test_folders_are_those_of_the_data_folder_and_those_loaded_before(tiny_llama: Path, tmp_path: Path) -> None:
    own, elsewhere, data = tmp_path / "data" / "models" / "mine", tmp_path / "checkpoint-500", tmp_path / "data"
    shutil.copytree(tiny_llama, own)
    shutil.copytree(tiny_llama, elsewhere)
    shutil.copytree(tiny_llama, data / "models" / "converted-0123456789ab")
    (elsewhere / "model.safetensors").unlink()
    (data / "models" / "note.txt").write_text("no model")
    remember(elsewhere, "sha256:1", data)
    remember(own, "sha256:2", data)
    remember(tmp_path / "gone", "sha256:3", data)
    found = by_name(folders(data))
    assert [*found] == [str(elsewhere), str(own)], "each once, and no conversion of the app's own"
    assert found[str(own)].problem == "" and found[str(own)].label == "mine"
    assert found[str(own)].bytes == sum(path.stat().st_size for path in own.iterdir())
    assert "no model.safetensors" in found[str(elsewhere)].problem


def test_the_embedded_model_comes_first(tmp_path: Path) -> None:
    first = here(tmp_path, tmp_path / "none")[0]
    assert (first.name, first.kind, first.place) == ("smollm2", "embedded", embedded_gguf())


def test_a_gguf_that_was_saved_to_a_folder_of_its_own_is_listed_once(tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    for number in (1, 2):
        (tmp_path / "models" / "mine" / f"m-0000{number}-of-00002.gguf").write_bytes(b"GGUF")
    (tmp_path / "models" / "other").mkdir()
    (tmp_path / "models" / "other" / "n.gguf").write_bytes(b"GGUF")
    assert [(model.kind, model.label) for model in folders(tmp_path)] == [("gguf", "m-00001-of-00002"), ("gguf", "n")]


def test_what_writes_no_text_is_listed_as_what_it_is(tmp_path: Path) -> None:
    weights = {"model.safetensors": b"x"}
    sst = {"architectures": ["DistilBertForSequenceClassification"], "model_type": "distilbert", "id2label": {"0": "bad", "1": "good"}}
    into_cache(tmp_path, "org/sst", COMMIT, {"config.json": json.dumps(sst).encode(), **weights}, ref="main")
    bert = json.dumps({"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 384}).encode()
    into_cache(tmp_path, "org/minilm", COMMIT, {"config.json": bert, "modules.json": b"[]", **weights}, ref="main")
    into_cache(tmp_path, "org/writes", COMMIT, {"config.json": b"{}", **weights}, ref="main")
    found = by_name(cached(tmp_path))
    assert {name: model.use.purpose for name, model in found.items()} == {
        "org/sst": "classifier",
        "org/minilm": "encoder",
        "org/writes": "chat",
    }
    assert "bad, good" in found["org/sst"].use.words and "of a sentence" in found["org/minilm"].use.words


def test_folders_of_one_name_are_told_apart_by_where_they_lie(tiny_llama: Path, tmp_path: Path) -> None:
    for place in ("one/checkpoint-500", "other/checkpoint-500", "other/mine"):
        remember(Path(shutil.copytree(tiny_llama, tmp_path / place)), f"sha256:{len(place)}", tmp_path)
    assert sorted(told_apart(folders(tmp_path)).values()) == ["checkpoint-500 (one/checkp)", "checkpoint-500 (other/checkp)", "mine"]


def test_what_lies_in_folders_that_begin_alike_or_are_called_alike_is_told_apart_too(tmp_path: Path) -> None:
    for place in ("experiment-1", "experiment-2", "a/models", "b/models"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "m.gguf").write_bytes(b"GGUF")
    found = folders(tmp_path, [str(file) for file in tmp_path.rglob("*.gguf")])
    inside = {name.removeprefix(f"{tmp_path}/"): shown.replace(f"{tmp_path}/", "") for name, shown in told_apart(found).items()}
    assert inside == {
        "experiment-1/m.gguf": "m (experiment-1/m.gguf)",
        "experiment-2/m.gguf": "m (experiment-2/m.gguf)",
        "a/models/m.gguf": "m (a/models/m.gguf)",
        "b/models/m.gguf": "m (b/models/m.gguf)",
    }
