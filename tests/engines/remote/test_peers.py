"""Real servers: llama.cpp's own with the embedded model, this app over another one of itself, and transformers serve (slow)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatapp.bench.peers import serve
from chatapp.engines.llamacpp.server import NativeServer
from chatapp.errors import ChatError
from chatapp.sampling import Sampling
from chatapp.turn import Finish, Heard, Token
from tests.conftest import Scripted
from tests.engines.remote.asking import events, opened, text_of
from tests.serving import serve as app


@dataclass
class Llama:
    origin: str
    key: str


@pytest.fixture(scope="module")
def llama(smol_gguf: Path) -> Iterator[Llama]:
    pytest.importorskip("xllamacpp")
    options = {"model": str(smol_gguf), "slots": 1, "context": 512, "batch": 128, "threads": 1, "draft": 0, "cache_mib": 0, "files": []}
    server = NativeServer(options, "llama.cpp")
    address = server.address()
    yield Llama(f"http://{address.host}:{address.port}", address.key)
    server.close()


def said(found: list) -> dict:
    return json.loads([event for event in found if isinstance(event, Heard)][-1].text)


async def test_llama_cpp_repeats_greedy_replies_and_says_its_numbers(llama: Llama) -> None:
    engine = opened(llama.origin, remote_keys=f"{llama.origin}={llama.key}")
    assert (engine.info.context, engine.info.parameters, engine.info.dtype) == (512, 134515008, "Q4_1")
    greedy = Sampling(temperature=0, max_tokens=8)
    first, second = await events(engine, greedy), await events(engine, greedy)
    assert text_of(first) == text_of(second) != "" and first[-1] == Finish("length")
    assert said(first)["said"]["usage"]["completion_tokens"] == sum(isinstance(event, Token) for event in first) == 8
    assert not set(engine.capabilities.off) & {"top_k", "min_p", "typical_p", "repetition_penalty"}


async def test_llama_cpp_goes_on_from_a_given_beginning(llama: Llama) -> None:
    engine = opened(llama.origin, remote_keys=f"{llama.origin}={llama.key}")
    whole = text_of(await events(engine, Sampling(temperature=0, max_tokens=12)))
    begun = text_of(await events(engine, Sampling(temperature=0, max_tokens=6)))
    found = await events(engine, Sampling(temperature=0, max_tokens=6), prefix=begun)
    assert begun + text_of(found) == whole and "beginning" not in said(found)


async def test_llama_cpp_without_its_key_is_a_sentence(llama: Llama) -> None:
    with pytest.raises(ChatError, match=r"answered 401: Invalid API Key\. Give the key for it in CHATAPP_REMOTE_KEYS"):
        opened(llama.origin)


async def test_this_app_is_a_server_for_another_one(scripted: Scripted) -> None:
    with app(scripted, api_key="k") as site:
        engine = opened(site.url, remote_keys=f"{site.url}=k")
        assert engine.info.model.endswith("#scripted")
        found = await events(engine, Sampling(temperature=0, max_tokens=9))
    assert text_of(found) == "Hello world" and said(found)["said"]["usage"]["completion_tokens"] == 3
    assert engine.capabilities.has("repetition_penalty") and engine.capabilities.has("top_k"), "of two names one is known there"


@pytest.mark.slow
async def test_transformers_serve_refuses_fields_and_begins_a_reply_anew(smol: Path) -> None:
    with serve(smol, threads=1) as way:
        engine = opened(f"{str(way._client.base_url).rstrip('/')}#{smol}")
        greedy = Sampling(temperature=0, max_tokens=8)
        found = await events(engine, greedy)
        assert text_of(found) and found[-1] == Finish("length") and said(found)["said"]["usage"]["completion_tokens"] == 8
        assert {"top_k", "min_p", "typical_p", "repetition_penalty"} <= set(engine.capabilities.off)
        begun = await events(engine, greedy, prefix="The capital of France is")
        assert said(begun)["beginning"] in ("unknown", "repeated")
