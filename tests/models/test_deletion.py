"""Deleting: what it frees is what is free then, what others use stays, and what is not the app's is not taken."""

import shutil
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.catalog import cached
from chatapp.models.deletion import delete, plan
from chatapp.models.hub import download, no_progress
from chatapp.models.remembered import remember
from chatapp.models.sources import on_hub
from tests.fakerepo import safetensors
from tests.hubs import online


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and "blobs" in path.parts)


def test_a_fetched_model_is_gone_whole_and_can_be_fetched_again(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with online(cache) as (fake, hub):
        fake.add("org/m", {"config.json": b"{}", "model.safetensors": safetensors(10, 5000)})
        download(on_hub("org/m"), no_progress, hub=hub)
        (cache / "models--org--m" / "blobs" / "x.incomplete").write_bytes(b"left by a kill")
        before = size(cache)
        planned = plan("org/m", tmp_path, cache)
        assert planned.frees == before and planned.words == "Deleting org/m frees 0.0 MB on the disk. It can be fetched again."
        delete(planned)
        assert size(cache) == 0 and not (cache / "models--org--m").exists() and cached(cache) == []
        download(on_hub("org/m"), no_progress, hub=hub)
        assert [model.name for model in cached(cache)] == ["org/m"]


def test_one_of_several_files_or_revisions_leaves_the_others_whole(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with online(cache) as (fake, hub):
        fake.add("org/q", {"a.gguf": b"a" * 400, "b.gguf": b"b" * 700})
        for name in ("org/q:a.gguf", "org/q:b.gguf"):
            download(on_hub(name), no_progress, hub=hub)
        first = plan("org/q:a.gguf", tmp_path, cache)
        assert first.frees == 400
        delete(first)
        assert [model.name for model in cached(cache)] == ["org/q:b.gguf"] and size(cache) == 700
        weights = safetensors(10, 5000)
        fake.add("org/m", {"config.json": b"{}", "model.safetensors": weights})
        old = download(on_hub("org/m"), no_progress, hub=hub)[1]
        fake.add("org/m", {"config.json": b'{"new": 1}', "model.safetensors": weights})
        new = download(on_hub("org/m"), no_progress, hub=hub)[0]
    planned = plan(f"org/m@{old}", tmp_path, cache)
    assert planned.frees == 2, "the weights are the new revision's too"
    delete(planned)
    assert (new / "model.safetensors").read_bytes() == weights
    assert [model.name for model in cached(cache)] == ["org/m", "org/q:b.gguf"]


def test_only_folders_of_the_data_folder_are_deleted(tiny_llama: Path, tmp_path: Path) -> None:
    own, elsewhere, data = tmp_path / "data" / "models" / "mine", tmp_path / "elsewhere", tmp_path / "data"
    shutil.copytree(tiny_llama, own)
    shutil.copytree(tiny_llama, elsewhere)
    remember(elsewhere, "sha256:1", data)
    cache = tmp_path / "cache"
    with pytest.raises(ChatError, match="a folder of your own, outside the app's"):
        plan(str(elsewhere), data, cache)
    planned = plan("mine", data, cache)
    assert planned.words.endswith("It cannot be brought back.")
    delete(planned)
    assert not own.exists() and elsewhere.exists()
    with pytest.raises(ChatError, match="came with the app as a Python package"):
        plan("smollm2", data, cache)
    for name in ("mine", "../elsewhere", "/", str(tmp_path)):
        with pytest.raises(ChatError, match="is not on this machine"):
            plan(name, data, cache)
