"""python app.py deploy …: a Space of the fake Hub made, updated, left alone; refusals in a sentence; and that what is sent runs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import yaml
from gradio_client import Client

from chatapp import deploy_cli, versions
from chatapp.deploy import files as of_space
from chatapp.deploy.files import FOLDERS, belongs, changes, git_id
from chatapp.deploy.model import source_of, unasked
from chatapp.errors import ChatError
from chatapp.models import hub_access
from chatapp.models.sources import EMBEDDED_REPO
from chatapp.versions import ROOT
from tests.fakehub import FakeHub
from tests.fakerepo import safetensors
from tests.fakespaces import Space
from tests.hubs import the_apps_own
from tests.serving import free_port

TOKEN, READS, SECRET = "hf_of_ann_who_writes", "hf_of_ann_who_reads", "a-key-that-nobody-may-see"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with the_apps_own(tmp_path / "cache") as fake:
        fake.users |= {TOKEN: "ann", READS: "ann"}
        fake.reading.add(READS)
        fake.paying.add("ann")
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("CHATAPP_API_KEY", SECRET)
        yield fake


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert deploy_cli.run(arguments) == 0
    told = capsys.readouterr()
    assert SECRET not in told.out + told.err and TOKEN not in told.out + told.err
    return told.out


def written(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def front(files: dict[str, bytes]) -> dict:
    return yaml.safe_load(files["README.md"].decode().split("---")[1])


def test_a_folder_gets_what_would_be_uploaded_and_no_network_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATAPP_API_KEY", SECRET)
    told = said(capsys, "ann/my-chat", "--to", str(tmp_path / "out"), "--secret", "CHATAPP_API_KEY", "--variable", "CHATAPP_CONTEXT=512")
    files = written(tmp_path / "out")
    assert "CHATAPP_CONTEXT=512" in told and "Secrets to be set: CHATAPP_API_KEY." in told and f"Files: {len(files)}, " in told
    assert {path.partition("/")[0] for path in files} == {
        "app.py", "Spacefile", "LICENSE", "README.md", "requirements.txt", "chatapp", "assets",
    }  # fmt: skip
    assert all(files[path] == (ROOT / path).read_bytes() for path in files if path not in ("README.md", "requirements.txt"))
    assert not [path for path in files if "__pycache__" in path or "/." in path or path.endswith((".pyc", ".png"))]
    assert not [path for path, data in files.items() if SECRET.encode() in data]
    assert (front(files)["title"], front(files)["hf_oauth"]) == ("my-chat", True)
    assert front(files)["sdk_version"] == versions.tested()["gradio"]
    (preload,) = front(files)["preload_from_hub"]
    assert preload.startswith(f"{EMBEDDED_REPO} config.json,") and front(files)["models"] == [EMBEDDED_REPO]
    for place, words in ((tmp_path / "out", "is no empty folder"), (tmp_path / "out/app.py/x", "cannot be written: Not a directory")):
        with pytest.raises(ChatError, match=words):
            deploy_cli.run(["ann/my-chat", "--to", str(place)])


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_in_the_app_is_refused_as_it_would_be_uploaded(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / "elsewhere").symlink_to(tmp_path / folder)
    monkeypatch.setattr(of_space, "ROOT", tmp_path)
    for place in (tmp_path / folder / "space", tmp_path / "elsewhere" / "space"):
        with pytest.raises(ChatError, match=r"space is in chatapp or assets, all of which a Space gets. Name a folder elsewhere"):
            of_space.write({"app.py": b""}, place)
    assert not [*(tmp_path / folder).iterdir()]
    of_space.write({"app.py": b""}, tmp_path / f"{folder}-of-a-space")


def test_a_name_that_looks_like_a_number_is_a_title_all_the_same() -> None:
    assert of_space.card("ann/1e5", unasked(source_of("smollm2"))).splitlines()[1] == 'title: "1e5"'


def test_a_space_is_made_as_asked_and_a_second_run_changes_nothing(
    fake: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(capsys, "ann/chat", "--private", "--secret", "CHATAPP_API_KEY", "--variable", "CHATAPP_CONCURRENCY=2")
    space = fake.spaces["ann/chat"]
    assert told.splitlines()[-1] == f"{fake.url}/spaces/ann/chat" and "created on cpu-basic, private" in told
    assert space.private and space.secrets == {"CHATAPP_API_KEY": SECRET} and len(space.commits) == 1
    assert (space.variables["CHATAPP_MODEL"], space.variables["CHATAPP_CONCURRENCY"]) == (EMBEDDED_REPO, "2")
    assert "CHATAPP_DATA_DIR" not in space.variables  # /data is there only once a bucket is mounted
    said(capsys, "ann/chat", "--to", str(tmp_path / "out"))
    assert space.files == {".gitattributes": space.files[".gitattributes"], **written(tmp_path / "out")}
    fake.log.clear()
    assert "Nothing changed, so nothing is sent." in said(capsys, "ann/chat")
    assert [line for line in fake.log if not line.startswith(("GET", "HEAD"))] == []


def test_an_update_sends_what_differs_and_leaves_what_is_not_its_own(fake: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "ann/chat")
    space = fake.spaces["ann/chat"]
    whole = dict(space.files)
    space.files |= {"app.py": b"old", "chatapp/gone.py": b"old", "packages.txt": b"mine"}
    space.variables |= {"CHATAPP_CONTEXT": "256", "MINE": "1"}
    told = said(capsys, "ann/chat", "--hardware", "t4-small", "--private", "--variable", "CHATAPP_THREADS=2", "--secret", "HF_TOKEN")
    assert "; 1 to send" in told and "1 to remove" in told
    assert space.files == whole | {"packages.txt": b"mine"}
    assert (space.variables["CHATAPP_CONTEXT"], space.variables["MINE"], space.variables["CHATAPP_THREADS"]) == ("256", "1", "2")
    assert space.private and space.hardware == "t4-small" and space.secrets == {"HF_TOKEN": TOKEN}
    assert "Variables set: CHATAPP_THREADS=2." in told and "Hardware: cpu-basic → t4-small." in told


def test_on_zerogpu_the_engine_is_the_one_that_works_there(fake: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    fake.paying.clear()
    said(capsys, "ann/chat", "--hardware", "zero-a10g")
    space = fake.spaces["ann/chat"]
    assert (space.hardware, space.variables["CHATAPP_ENGINE"]) == ("zero-a10g", "direct")
    assert b"torch" not in space.files["requirements.txt"]


def test_a_model_is_fetched_at_the_build_where_it_is_everybodys(fake: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"config.json": b"{}", "model.safetensors": safetensors(4), "original/consolidated.pth": b"", "tokenizer.json": b"{}"}
    fake.add("org/open", files)
    fake.add("org/gated", files, gated="manual", readers=frozenset({TOKEN}))
    assert "fetched while the Space is built" in said(capsys, "ann/open", "--model", f"{fake.url}/org/open")
    assert front(fake.spaces["ann/open"].files)["preload_from_hub"] == ["org/open config.json,model.safetensors,tokenizer.json"]
    assert fake.spaces["ann/open"].variables["CHATAPP_MODEL"] == "org/open"
    with pytest.raises(ChatError, match=r"org/gated is gated: .* give --secret HF_TOKEN"):
        deploy_cli.run(["ann/gated", "--model", "org/gated"])
    assert "ann/gated" not in fake.spaces
    assert "when the Space starts" in said(capsys, "ann/gated", "--model", "org/gated", "--secret", "HF_TOKEN")
    assert "preload_from_hub" not in front(fake.spaces["ann/gated"].files)
    assert "Nothing changed" in said(capsys, "ann/gated")  # it remembers its model and that it has a token


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ann"], "'ann' can be no name of a Space. Give OWNER/NAME"),
        (["ann/my chat"], "can be no name of a Space"),
        (["https://example.org/spaces/ann/chat"], "can be no name of a Space"),
        (["ann/chat", "--hardware", "t4-smal"], "There is no hardware 't4-smal'. Did you mean t4-small"),
        (["ann/chat", "--model", "./folder"], "is no name of a model on the Hub, and a Space has no other"),
        (["ann/chat", "--model", ""], "is no name of a model on the Hub"),
        (["ann/chat", "--variable", "CHATAPP_CONTXT=1"], "'CHATAPP_CONTXT'. Did you mean CHATAPP_CONTEXT"),
        (["ann/chat", "--variable", "CHATAPP_CONTEXT"], "--variable CHATAPP_CONTEXT=VALUE"),
        (["ann/chat", "--variable", "CHATAPP_CONTEXT=many"], r"--context \(CHATAPP_CONTEXT\) is 'many'"),
        (["ann/chat", "--variable", "CHATAPP_PORT=80"], "CHATAPP_PORT is decided by the Space itself"),
        (["ann/chat", "--variable", "CHATAPP_MODEL=org/m"], "is given by --model"),
        (["ann/chat", "--variable", f"CHATAPP_API_KEY={SECRET}"], "CHATAPP_API_KEY is a secret, .* give --secret CHATAPP_API_KEY"),
        (["ann/chat", "--secret", f"CHATAPP_API_KEY={SECRET}"], "--secret takes a name alone"),
        (["ann/chat", "--secret", "CHATAPP_API_KY"], "'CHATAPP_API_KY'. Did you mean CHATAPP_API_KEY"),
        (["ann/chat", "--secret", "CHATAPP_AUTH"], "environment, where CHATAPP_AUTH is not set"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_before_the_hub_is_asked(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATAPP_API_KEY", SECRET)
    with pytest.raises(ChatError, match=words) as refused:
        deploy_cli.run(arguments)
    assert SECRET not in str(refused.value)


def test_what_the_hub_refuses_is_a_sentence_and_nothing_is_made(fake: FakeHub) -> None:
    with pytest.raises(ChatError, match="org/none is not on the Hub, or is private"):
        deploy_cli.run(["ann/chat", "--model", "org/none"])
    with pytest.raises(ChatError, match="may not write to bob/chat: bob has to be its account"):
        deploy_cli.run(["bob/chat"])
    fake.spaces["bob/chat"] = Space("bob/chat", variables={"CHATAPP_MODEL": EMBEDDED_REPO})
    with pytest.raises(ChatError, match="may not write to bob/chat: bob has to be its account"):
        deploy_cli.run(["bob/chat"])
    assert [*fake.spaces] == ["bob/chat"] and not fake.spaces["bob/chat"].commits


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "there is no token. Make one with write permission .* hf auth login"),
        ("hf_of_nobody", "does not know this token: .* hf auth login"),
        (READS, "The token of ann may only read. Make one with write permission"),
    ],
)
def test_a_token_that_does_not_do_says_how_to_get_one(fake: FakeHub, monkeypatch: pytest.MonkeyPatch, token: str, words: str) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ChatError, match=words):
        deploy_cli.run(["ann/chat"])
    assert fake.spaces == {}


def test_without_pro_it_is_said_what_may_be_had(fake: FakeHub) -> None:
    fake.paying.clear()
    with pytest.raises(ChatError, match=r"to be paid for ann/chat on cpu-basic.* PRO accounts.* --hardware zero-a10g"):
        deploy_cli.run(["ann/chat"])


def test_a_space_of_something_else_is_left_as_it_is(fake: FakeHub) -> None:
    fake.spaces["ann/chat"] = Space("ann/chat", files={"app.py": b"print('mine')", "README.md": b""})
    with pytest.raises(ChatError, match="something else in it, which stays as it is"):
        deploy_cli.run(["ann/chat"])
    assert fake.spaces["ann/chat"].files["app.py"] == b"print('mine')"


def test_a_name_that_is_a_variable_by_hand_is_no_secret_too_nor_the_other_way(fake: FakeHub) -> None:
    fake.spaces["ann/chat"] = space = Space("ann/chat", variables={"CHATAPP_API_KEY": SECRET}, secrets={"CHATAPP_THREADS": "2"})
    for arguments in (["--secret", "CHATAPP_API_KEY"], ["--variable", "CHATAPP_THREADS=4"]):
        with pytest.raises(ChatError, match=f"ann/chat would have {arguments[1].split('=')[0]} as a variable.* and as a secret") as refused:
            deploy_cli.run(["ann/chat", *arguments])
        assert SECRET not in str(refused.value)
    assert (space.variables, space.secrets, space.commits) == ({"CHATAPP_API_KEY": SECRET}, {"CHATAPP_THREADS": "2"}, [])


def test_an_upload_that_is_cut_off_is_gone_on_with_by_the_same_command(fake: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    fake.cuts.append("/commit/main")
    with pytest.raises(ChatError, match=r"The connection to the Hub broke off: .* Run the same command again"):
        deploy_cli.run(["ann/chat"])
    assert not fake.spaces["ann/chat"].commits
    assert "it is there, and is updated" in said(capsys, "ann/chat") and "chatapp/cli.py" in fake.spaces["ann/chat"].files


def test_a_hub_that_is_ill_or_away_is_said(fake: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.down = 503
    with pytest.raises(ChatError, match=r"fault of its own at the moment \(status 503\)"):
        deploy_cli.run(["ann/chat"])
    monkeypatch.setattr(hub_access.OURS.__class__, "address", f"{fake.url}/no-hub")
    fake.down = 0
    with pytest.raises(ChatError, match=r"look at HF_ENDPOINT: .* \(status 404\)"):
        deploy_cli.run(["ann/chat"])
    monkeypatch.setattr(hub_access.OURS.__class__, "address", "http://127.0.0.1:9")
    with pytest.raises(ChatError, match=r"The Hub cannot be reached: http://127.0.0.1:9.* Run the same command again"):
        deploy_cli.run(["ann/chat"])


def test_what_differs_is_found_by_the_ids_of_git_and_lfs() -> None:
    assert git_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"  # as `git hash-object` says
    large = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"  # as `sha256sum` says
    there = {"same": git_id(b"1"), "large": large, "other": "z", "assets/old": "x", "own": "y"}
    wanted = {"same": b"1", "large": b"1", "new": b"1", "other": b"1"}
    assert changes(wanted, there) == ({"new": b"1", "other": b"1"}, ["assets/old"])
    assert belongs({"README.md": "x"}) and belongs({"chatapp/settings.py": "x", "own": "y"}) and not belongs({"index.html": "x"})


@pytest.mark.slow
def test_what_is_uploaded_runs_as_a_space(fake: FakeHub, tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With this machine's packages; the model is where a build that reads README puts it, and the variables are the Space's."""
    fake.add(EMBEDDED_REPO, {path.name: path.read_bytes() for path in tiny_llama.iterdir()})
    said(capsys, "ann/chat", "--to", str(folder := tmp_path / "space"))
    said(capsys, "ann/chat")
    home = tmp_path / "home"
    fetch(front(written(folder))["preload_from_hub"][0], home, fake)
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HF_", "CHATAPP_", "XDG_", "PYTHONPATH"))},
        **fake.spaces["ann/chat"].variables,
        "SYSTEM": "spaces",
        "SPACE_ID": "ann/chat",
        "SPACE_HOST": "ann-chat.hf.space",
        "HOME": str(home),
        "HF_ENDPOINT": fake.url,
        "CHATAPP_HOST": "127.0.0.1",
        "CHATAPP_PORT": str(port),
    }
    command = [sys.executable, "app.py"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as app:
        try:
            lines = []
            while not any(line.startswith("  Memory") for line in lines):
                lines.append(app.stdout.readline())
                assert lines[-1], "".join(lines)
            assert fake.repos[EMBEDDED_REPO].sha in "".join(lines)  # the Hub's model, not that of this machine's package
            url = f"http://127.0.0.1:{port}"
            page = httpx2.get(url)
            assert page.status_code == 200 and "hf.space" in page.headers["Content-Security-Policy"]
            assert Client(url, verbose=False).predict("Hi", max_tokens=8, api_name="/chat")
            assert sum(line.startswith("GET") and line.endswith("/model.safetensors") for line in fake.log) == 1  # by the build alone
        finally:
            app.kill()


def fetch(preload: str, home: Path, fake: FakeHub) -> None:
    """What a Space's build does with a line of preload_from_hub."""
    from huggingface_hub import snapshot_download

    repo, files = preload.split()
    place = snapshot_download(
        repo, allow_patterns=files.split(","), cache_dir=home / ".cache/huggingface/hub", endpoint=fake.url, token=False
    )
    assert {path.name for path in Path(place).iterdir()} == set(files.split(","))
