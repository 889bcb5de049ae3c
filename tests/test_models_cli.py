"""python app.py models …: stable JSON, words for people, and wrong usage in one line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatapp import models_cli
from chatapp.errors import ChatError
from tests.encoders import make_classifier, make_encoder
from tests.fakehub import FakeHub
from tests.hubs import the_apps_own
from tests.test_cli import APP


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


def test_files_explains_a_folder(tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(said(capsys, "files", str(tiny_llama), "--json", "--data-dir", str(tmp_path)))
    by_name = {file["name"]: file for file in answer["files"]}
    assert by_name["config.json"]["kind"] == "configuration" and by_name["config.json"]["bytes"] > 0
    assert by_name["tokenizer.json"]["more"]["sentence"]["tokens"] and answer["tensors"]["parameters"] > 0
    words = said(capsys, "files", str(tiny_llama), "--data-dir", str(tmp_path))
    assert "hidden_size = 64" in words and "model.layers 0…1, each" in words and "Not here:" in words


def test_files_takes_a_name_that_list_gives_and_compares_two(tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--data-dir", str(tmp_path))
    words = said(capsys, "files", "smollm2", "--diff", str(tiny_llama), *where)
    assert "blocks: 30 → 2" in words and "only sizes and templates" in words
    with pytest.raises(ChatError, match="no model of that name on this machine"):
        models_cli.run(["files", "nowhere/nothing", *where])


def test_files_of_the_command_line_import_no_torch(tiny_llama: Path, tmp_path: Path) -> None:
    code = (
        f"import runpy, sys; sys.argv[1:] = ['models', 'files', {str(tiny_llama)!r}, '--json', '--data-dir', {str(tmp_path)!r}]\n"
        f"try: runpy.run_path({str(APP)!r}, run_name='__main__')\n"
        "finally: print(*{'gradio', 'torch', 'transformers', 'sqlalchemy'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr.strip() == "" and json.loads(done.stdout)["files"]


def test_load_check_says_on_what_it_loads_and_why_not(tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--data-dir", str(tmp_path))
    answer = json.loads(said(capsys, "load-check", str(tiny_llama), "--json", *where))
    assert answer["loads"] and answer["memory"]["kv_cache"] > 0 and dict(answer["facts"])["Engine"] == "direct"
    assert "does not load here" in said(capsys, "load-check", "nowhere/nothing", *where)


def test_architecture_prints_the_modules(tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = said(capsys, "architecture", str(tiny_llama), "--data-dir", str(tmp_path))
    assert words.startswith("LlamaForCausalLM(") and "2 x LlamaDecoderLayer" in words and "self_attn: Attention" in words


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeHub]:
    with the_apps_own(tmp_path / "cache") as fake:
        yield fake


def test_search_info_download_list_delete(fake: FakeHub, tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = {"README.md": b"---\nlicense: mit\n---\n# Words"}
    files = {path.name: path.read_bytes() for path in tiny_llama.iterdir()}
    repo = fake.add("org/tiny", files | readme, card={"license": "mit", "datasets": ["d/x"]}, downloads=7)
    where = ("--data-dir", str(tmp_path))
    (row,) = json.loads(said(capsys, "search", "tiny", "--dataset", "d/x", "--max-parameters", "1B", "--json"))["models"]
    assert (row["repo"], row["fit"]["verdict"], row["abilities"]["chat"], row["licence"]) == ("org/tiny", "fits", True, "mit")
    assert said(capsys, "search", "tiny").split()[0] == "org/tiny" and "Nothing was found" in said(capsys, "search", "nothing")
    info = json.loads(said(capsys, "info", f"{fake.url}/org/tiny", "--json"))
    assert (info["commit"], info["card"]["text"], info["choices"][0]["name"]) == (repo.sha, "# Words", "org/tiny")
    assert "all views will work" in said(capsys, "info", "org/tiny")
    fetched = json.loads(said(capsys, "download", "org/tiny", "--json"))
    assert fetched["revision"] == repo.sha and (Path(fetched["place"]) / "model.safetensors").is_file()
    assert "org/tiny" in [model["name"] for model in json.loads(said(capsys, "list", "--json", *where))["models"]]
    with pytest.raises(ChatError, match=r"frees 0\.\d MB on the disk\. It can be fetched again\. Nothing was deleted: add --yes"):
        models_cli.run(("delete", "org/tiny", *where))
    planned = json.loads(said(capsys, "delete", "org/tiny", "--json", *where))
    assert not planned["deleted"] and planned["frees"] > 100_000
    assert said(capsys, "delete", "org/tiny", "--yes", *where).startswith("org/tiny was deleted; ")
    assert not Path(fetched["place"]).exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("info", "../etc"), "is no name of a model on the Hub"),
        (("download", "org/none"), "org/none is not on the Hub, or is private"),
        (("search", "--rows", "0"), "0 models were asked for"),
        (("delete", "nothing"), "nothing is not on this machine"),
        (("files", "~nobody.there/x"), "There is no folder or file ~nobody.there/x"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(arguments: tuple[str, ...], words: str, fake: FakeHub) -> None:
    with pytest.raises(ChatError, match=words):
        models_cli.run(arguments)


def test_list_search_and_info_say_what_writes_no_text(fake: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judge = make_classifier(tmp_path / "models" / "judge")
    fake.add("org/judge", judge, task="text-classification")
    where = ("--data-dir", str(tmp_path))
    uses = {model["label"]: model["use"]["purpose"] for model in json.loads(said(capsys, "list", "--json", *where))["models"]}
    assert uses == {"HuggingFaceTB/SmolLM2-135M-Instruct": "chat", "judge": "classifier"}
    assert "folder, classifier: It gives a text one of 2 labels: negative, positive." in said(capsys, "list", *where)
    (row,) = json.loads(said(capsys, "search", "judge", "--task", "text-classification", "--json"))["models"]
    info = json.loads(said(capsys, "info", "org/judge", "--json"))
    assert (row["use"]["purpose"], info["use"]["purpose"], info["xray"]) == ("classifier", "classifier", [])
    assert "classifier" in said(capsys, "search", "judge", "--task", "text-classification")


@pytest.mark.parametrize(("make", "how"), [(make_classifier, "classify 'a text' --model"), (make_encoder, "text 'a text' --model")])
def test_what_was_saved_says_how_it_is_used(make, how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, target = make(tmp_path / "one"), tmp_path / "other"
    assert f"Use it: python app.py {how} {target}" in said(capsys, "save", str(folder), str(target), "--data-dir", str(tmp_path))
