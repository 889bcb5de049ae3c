"""Opening a model at an address: which one is meant, keys and to whom they go, and what is said where nobody answers."""

import itertools
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from starlette.responses import JSONResponse, StreamingResponse

from chatapp.engines.remote import client
from chatapp.engines.remote.client import key_for
from chatapp.engines.remote.engine import RemoteEngine
from chatapp.errors import ChatError
from chatapp.models.servers import ROUTER, server_of
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.turn import Message
from tests.engines.remote.asking import events, failure, opened
from tests.remotes import FakeRemote, remote
from tests.serving import free_port


def test_the_first_model_or_the_one_that_is_named(fake: FakeRemote) -> None:
    fake.models = [{"id": "org/one"}, {"id": "org/two:tag"}]
    assert opened(fake.origin).info.model == f"{fake.url}#org/one"
    assert opened(f"{fake.url}#org/two:tag").info.model == f"{fake.url}#org/two:tag"
    assert opened(f"{fake.url}#org/two").info.model == f"{fake.url}#org/two", "Ollama takes a name without its tag"
    assert opened(f"{fake.url}#/a/folder").info.model.endswith("#/a/folder"), "a folder need not be listed"
    with pytest.raises(ChatError, match=r"has no model 'org/too'\. Did you mean org/one\?|has no model 'org/too'"):
        opened(f"{fake.url}#org/too")
    info = opened(fake.url).info
    assert (info.engine, info.device, info.revision, info.vocabulary) == ("remote", fake.origin.removeprefix("http://"), "", 0)


def test_a_server_that_lists_nothing_needs_a_name(fake: FakeRemote) -> None:
    fake.models = []
    with pytest.raises(ChatError, match=r"names no model: say which, as .*/v1#name"):
        opened(fake.url)
    fake.listing = JSONResponse({"detail": "no cache folder"}, status_code=500)
    with pytest.raises(ChatError, match=r"answered 500: no cache folder"):
        opened(fake.url)
    assert opened(f"{fake.url}#mine").info.model.endswith("#mine")


def test_a_list_that_does_not_end_is_given_up(fake: FakeRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LONGEST_LINE", 10_000)
    fake.listing = StreamingResponse(itertools.repeat("word " * 100), media_type="audio/mpeg")
    with pytest.raises(ChatError, match=r"its answer did not end\. Is this the address of an OpenAI-compatible server"):
        opened(fake.url)


def test_nobody_there_is_said_at_once() -> None:
    with pytest.raises(ChatError, match=r"127\.0\.0\.1:\d+ cannot be reached: .*Start the server, or correct the address"):
        opened(f"http://127.0.0.1:{free_port()}/v1")


async def test_a_key_reaches_its_own_address_alone(fake: FakeRemote) -> None:
    with remote() as other:
        fake.key = "s3cret-key"
        keys = f"{fake.origin}=s3cret-key, http://localhost:1={'x' * 9}"
        await events(opened(fake.url, remote_keys=keys))
        await events(opened(other.url, remote_keys=keys))
        assert set(fake.keys) == {"Bearer s3cret-key"} and set(other.keys) == {None}
        assert len(other.keys) == 2 and "s3cret" not in repr(opened(fake.url, remote_keys=keys).info)


def test_a_redirect_is_not_followed_and_no_key_travels_with_it(fake: FakeRemote) -> None:
    with pytest.raises(ChatError, match=r"answered 307.*Redirects are not followed"):
        opened(f"{fake.origin}/moved", remote_keys=f"{fake.origin}=k")
    assert fake.paths == ["/moved/models"]


async def test_a_wrong_key_is_said_without_the_key_even_where_the_server_repeats_it(fake: FakeRemote) -> None:
    fake.key = "right-key"
    with pytest.raises(ChatError, match=r"answered 401: Wrong key.*CHATAPP_REMOTE_KEYS") as why:
        opened(fake.url, remote_keys=f"{fake.origin}=wr0ng-s3cret")
    assert "wr0ng-s3cret" not in str(why.value)
    engine = opened(fake.url, remote_keys=f"{fake.origin}=right-key")
    fake.pieces[0]["system_fingerprint"] = "seen: right-key"
    assert "seen: …" in str(await events(engine)) and "seen: right-key" not in str(await events(engine))
    fake.key = "changed"
    _, said = await failure(engine)
    assert "401" in said and "Bearer right-key" not in said


def test_the_environments_proxy_is_not_asked_for_this_machine(fake: FakeRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert isinstance(opened(fake.url), RemoteEngine)


def test_the_machines_hub_token_goes_to_the_hubs_router_over_https_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_machine")
    assert huggingface_hub.get_token() == "hf_machine"
    assert key_for(server_of(f"{ROUTER}/v1#org/name"), Settings()) == "hf_machine"
    others = ("http://router.huggingface.co/v1", "https://router.huggingface.co:8443/v1", "https://router.huggingface.co.example.org/v1")
    assert [key_for(server_of(name), Settings()) for name in (*others, "http://127.0.0.1/v1")] == ["", "", "", ""]
    own = Settings(remote_keys="https://router.huggingface.co/v1=hf_other")
    assert key_for(server_of(f"{ROUTER}/v1"), own) == "hf_other"


@pytest.mark.parametrize("keys", ["abc", "https://a.example", "https://a.example=", "sk-s3cret=https://a.example"])
def test_keys_that_cannot_be_read_are_refused_without_repeating_them(fake: FakeRemote, keys: str) -> None:
    with pytest.raises(ChatError, match=r"Entry 1 of CHATAPP_REMOTE_KEYS is wrong") as why:
        opened(fake.url, remote_keys=keys)
    assert "s3cret" not in str(why.value)


async def test_words_go_out_and_never_ids(fake: FakeRemote) -> None:
    engine: Any = opened(fake.url)
    assert engine.tokens is None and engine.tokenizer is None
    with pytest.raises(ChatError, match=r"asked in words, not by token ids"):
        [event async for event in engine.generate([1, 2], Sampling())]
    assert engine.render([Message("user", "x")], max_tokens=5).ids == ()


def test_weights_are_needed_elsewhere(tmp_path: Path) -> None:
    from chatapp.models.loading import fetch, load_tokenizer
    from chatapp.models.sources import resolve
    from chatapp.resident.load_check import on_this_machine

    source = resolve("http://127.0.0.1:9/v1#a", data_dir=tmp_path)
    for work in (lambda: fetch(source, Settings()), lambda: load_tokenizer(source, Settings()), lambda: on_this_machine(source)):
        with pytest.raises(ChatError, match=r"run by another server, and this needs its weights"):
            work()
