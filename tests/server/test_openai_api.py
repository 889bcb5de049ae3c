"""/v1 through the real openai client and, where it would not send such a thing, plain HTTP."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import httpx2
import openai
import pytest

from chatapp.engines.base import Capabilities
from chatapp.errors import ChatError
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.server.body import MAX_COMPLETION
from chatapp.server.openai import api as openai_api
from chatapp.server.openai.request import read
from chatapp.settings import Settings
from chatapp.turn import Message, Turn
from tests.chats import Residence, beside
from tests.conftest import Scripted
from tests.openers import Opener
from tests.serving import Site, serve, until
from tests.turns import turns_of

KEY = "a-key-of-ours"
WORDS = ["One", " two", " ünï", "🙂", " end"]
HI = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def engine(tiny_llama: Path) -> Scripted:
    from transformers import AutoTokenizer

    return Scripted(AutoTokenizer.from_pretrained(tiny_llama), WORDS)


@pytest.fixture(scope="module")
def site(engine: Scripted) -> Iterator[Site]:
    with serve(engine, api_key=KEY) as site:
        yield site


@pytest.fixture
def client(site: Site) -> Iterator[openai.OpenAI]:
    with client_of(site) as client:
        yield client


def client_of(site: Site, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{site.url}/v1", api_key=key, max_retries=0, timeout=20)


def post(site: Site, body: object, key: str = KEY) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.post(f"{site.url}/v1/chat/completions", content=content, headers={"authorization": f"Bearer {key}"}, timeout=20)


def turns(site: Site) -> list:
    """Every stored turn of the key, newest conversation first."""
    owner = openai_api.Api(site.chat, site.models, site.settings).owner
    return [turns_of(site.chat.store, owner, row.id)[-1] for row in site.chat.store.conversations.listed(owner)]


def test_the_resident_model_is_listed_and_found(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["scripted"]
    assert client.models.retrieve("scripted").id == "scripted"
    with pytest.raises(openai.NotFoundError, match="There are: scripted"):
        client.models.retrieve("gpt-4o")


def test_a_reply_in_one_piece_has_its_text_reason_and_counts(client: openai.OpenAI, engine: Scripted) -> None:
    answer = client.chat.completions.create(model="scripted", messages=HI)
    assert answer.choices[0].message.content == "".join(WORDS)
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (len(engine.fed[-1]), len(WORDS))
    assert answer.usage.total_tokens == len(engine.fed[-1]) + len(WORDS)


def test_a_stream_carries_the_same_text_and_usage_only_when_asked(client: openai.OpenAI) -> None:
    plain = list(client.chat.completions.create(model="scripted", messages=HI, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in plain) == "".join(WORDS)
    assert plain[0].choices[0].delta.role == "assistant" and plain[-1].choices[0].finish_reason == "stop"
    assert all(c.usage is None for c in plain) and len({c.id for c in plain}) == 1
    counted = list(client.chat.completions.create(model="scripted", messages=HI, stream=True, stream_options={"include_usage": True}))
    assert counted[-1].choices == [] and counted[-1].usage.completion_tokens == len(WORDS)
    assert [c.usage for c in counted[:-1]] == [None] * (len(counted) - 1)


def test_a_stream_ends_with_done(site: Site) -> None:
    answer = post(site, {"messages": HI, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")


def test_every_sampling_field_reaches_the_engine(client: openai.OpenAI, engine: Scripted) -> None:
    more = {"top_k": 7, "min_p": 0.1, "repetition_penalty": 1.2}
    client.chat.completions.create(
        model="scripted", messages=HI, temperature=0, top_p=0.5, seed=9, stop=["x", "y"], max_tokens=40, extra_body=more
    )
    assert engine.samplings[-1] == Sampling(temperature=0, top_p=0.5, max_tokens=40, seed=9, stop=("x", "y"), **more)


@pytest.mark.parametrize("given", [{"max_tokens": 2}, {"max_completion_tokens": 2}, {"max_tokens": 4, "max_completion_tokens": 2}])
def test_a_reply_cut_by_its_length_says_so(client: openai.OpenAI, given: dict[str, int]) -> None:
    answer = client.chat.completions.create(model="scripted", messages=HI, **given)
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 2)


def test_messages_become_system_earlier_messages_and_question(client: openai.OpenAI, site: Site) -> None:
    client.chat.completions.create(
        model="scripted",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": "First"},
            {"role": "assistant", "content": "Answer"},
            {"role": "user", "content": [{"type": "text", "text": "Sec"}, {"type": "text", "text": "ond"}]},
        ],
    )
    turn = turns(site)[0]
    assert (turn.system, turn.user) == ("Be brief.\n\nBe kind.", "Second")
    assert turn.history == (Message("user", "First"), Message("assistant", "Answer"))
    assert turn.prompt_text.index("First") < turn.prompt_text.index("Answer") < turn.prompt_text.index("Second")


def test_replies_are_turns_of_the_key_and_the_store_never_sees_it(client: openai.OpenAI, site: Site) -> None:
    client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "Keep me"}])
    turn = turns(site)[0]
    assert (turn.user, turn.reply_text, turn.finish_reason) == ("Keep me", "".join(WORDS), "end")
    assert turn.owner.startswith("key:") and KEY not in turn.owner


def test_store_false_keeps_the_reply_out_of_the_database(client: openai.OpenAI, site: Site) -> None:
    before = len(turns(site))
    answer = client.chat.completions.create(model="scripted", messages=HI, store=False)
    assert answer.choices[0].message.content == "".join(WORDS) and len(turns(site)) == before


def test_replies_with_store_false_leave_no_memory_behind(engine: Scripted) -> None:
    body = {"messages": [{"role": "user", "content": "word " * 300}], "store": False}
    with serve(engine, api_key=KEY) as site:
        for n in range(60):
            assert post(site, body | {"stream": n % 2 == 0}).status_code == 200
            if n == 10:
                early = pages(site)
        assert until(lambda: rows(site) == 0)
        assert pages(site) < early + 100


def test_hanging_up_forgets_a_reply_with_store_false(scripted: Scripted) -> None:
    scripted.words, scripted.delay = ["x"] * 1000, 0.01
    with serve(scripted, api_key=KEY) as site, client_of(site) as client:
        stream = client.chat.completions.create(model="scripted", messages=HI, stream=True, store=False)
        next(stream)
        assert rows(site) == 1
        stream.close()
        with pytest.raises(httpx2.ReadTimeout):
            headers = {"authorization": f"Bearer {KEY}"}
            httpx2.post(f"{site.url}/v1/chat/completions", json={"messages": HI, "store": False}, headers=headers, timeout=0.5)
        assert until(lambda: rows(site) == 0)


def pages(site: Site) -> int:
    """Pages of 4 KiB that temporary chats take."""
    with site.chat.stores.temporary.database.read() as connection:
        return connection.exec_driver_sql("PRAGMA page_count").scalar()


def rows(site: Site) -> int:
    with site.chat.stores.temporary.database.read() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM turns").scalar()


def test_a_wrong_or_missing_key_is_refused_everywhere(site: Site) -> None:
    with pytest.raises(openai.AuthenticationError, match="missing or wrong"), client_of(site, "wrong") as client:
        client.models.list()
    wrong = ["Bearer", KEY, f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer schlüssel"]
    for header in wrong:
        assert httpx2.get(f"{site.url}/v1/models", headers={b"authorization": header.encode()}).status_code == 401, header
    for path in ("models", "models/scripted", "chat/completions", "nothing/here"):
        answer = httpx2.get(f"{site.url}/v1/{path}")
        assert answer.status_code == 401 and answer.json()["error"]["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"] == "Bearer"


def test_without_a_key_the_api_is_off_and_says_how_to_turn_it_on(engine: Scripted) -> None:
    with serve(engine) as site:
        answer = post(site, {"messages": HI}, key="any")
    assert answer.status_code == 404 and "CHATAPP_API_KEY" in answer.json()["error"]["message"]


BAD = [
    ({"temperature": 3}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"top_k": 1.5}, "top_k"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_completion_tokens": -1}, "max_completion_tokens"),
    ({"seed": -1}, "seed"),
    ({"seed": 1.5}, "seed"),
    ({"seed": True}, "seed"),
    ({"n": True}, "n"),
    ({"logprobs": 0}, "logprobs"),
    ({"stop": 3}, "stop"),
    ({"stop": [""]}, "stop"),
    ({"n": 2}, "n"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": True, "stream_options": {"usage": True}}, "stream_options.usage"),
    ({"tools": [{"type": "function"}]}, "tools"),
    ({"logit_bias": {"5": 1}}, "logit_bias"),
    ({"logprobs": True}, "logprobs"),
    ({"frequency_penalty": 0.5}, "frequency_penalty"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"temprature": 1}, "temprature"),
    ({"model": 5}, "model"),
    ({"messages": []}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": ["Hi"]}, "messages[0]"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"messages": [*HI, {"role": "assistant", "content": "x"}]}, "messages[1].role"),
    ({"messages": [*HI, {"role": "system", "content": "x"}, *HI]}, "messages[1].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{}]}, *HI]}, "messages[0].tool_calls"),
]


@pytest.mark.parametrize(("wrong", "param"), BAD, ids=[f"{n}-{p}" for n, (_, p) in enumerate(BAD)])
def test_what_would_surprise_is_refused_by_name(site: Site, engine: Scripted, wrong: dict, param: str) -> None:
    asked = len(engine.fed)
    answer = post(site, {"messages": HI, **wrong})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["type"]) == (422, param, "invalid_request_error")
    assert error["message"].endswith(".") or error["message"].endswith("?")
    assert len(engine.fed) == asked


def test_a_misspelt_field_is_told_its_name() -> None:
    with pytest.raises(ChatError, match="Did you mean temperature"):
        read(json.dumps({"messages": HI, "temprature": 1}).encode())


def test_what_changes_no_reply_is_ignored(client: openai.OpenAI) -> None:
    more = {"tools": [], "tool_choice": "auto", "response_format": {"type": "text"}, "logprobs": False, "presence_penalty": 0}
    answer = client.chat.completions.create(
        model="scripted", messages=HI, n=1, user="me", metadata={"a": "b"}, service_tier="auto", extra_body=more
    )
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b"\xff", 400), (b"[" * 100_000, 400), (b" " * (MAX_COMPLETION + 1), 413)],
    ids=["cut", "list", "bytes", "deep", "large"],
)
def test_a_body_that_is_no_request_is_refused_with_a_sentence(site: Site, body: bytes, status: int) -> None:
    answer = post(site, body)
    assert answer.status_code == status and answer.json()["error"]["message"].endswith(".")


def test_a_body_that_is_too_long_has_openais_code_for_it(site: Site) -> None:
    error = post(site, b" " * (MAX_COMPLETION + 1)).json()["error"]
    assert error["code"] == "request_too_large" and "2,000,000 bytes" in error["message"]


def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers(site: Site) -> None:
    for stream in (False, True):
        answer = post(site, {"messages": [{"role": "user", "content": "word " * 5000}], "stream": stream})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (413, "context_length_exceeded") and "2048" in error["message"].replace(",", "")


def test_another_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=HI)
    assert caught.value.code == "model_not_found" and caught.value.param == "model"


def test_each_model_is_listed_and_answers_under_its_names(site: Site, client: openai.OpenAI, engine: Scripted) -> None:
    other = Scripted(engine.tokenizer, words=["Other"])
    beside(site.models, other, "org/other")
    assert [model.id for model in client.models.list()] == ["scripted", "org/other"]
    for name, words in {"org/other": "Other", "other": "Other", "default": "".join(WORDS), "scripted": "".join(WORDS)}.items():
        answer = client.chat.completions.create(model=name, messages=HI)
        assert (answer.choices[0].message.content, answer.model in ("org/other", "scripted")) == (words, True)
    beside(site.models, Scripted(engine.tokenizer), "you/other")
    with pytest.raises(openai.BadRequestError, match="several models here: org/other, you/other") as caught:
        client.chat.completions.create(model="other", messages=HI)
    assert (caught.value.code, caught.value.param) == ("model_ambiguous", "model")


@pytest.mark.parametrize(("given", "loads"), [({}, True), ({"api_load": "off"}, False), ({"public": True}, False)])
def test_a_known_model_is_loaded_for_a_request_where_that_is_allowed(given: dict, loads: bool) -> None:
    opener = Opener()
    models = ModelManager(
        Settings(model="org/first", more_models=("org/second",)), find=opener.find, open=opener.open, budget=opener.budget
    )
    models.start()
    with serve(None, models=models, api_key=KEY, **given) as site, client_of(site) as client:
        assert [(model.id, model.status) for model in client.models.list()][1] == ("org/second", "unloaded")
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model="second", messages=HI)
        assert models.find("second").state == ("ready" if loads else "unloaded")
        assert ("--api-load is off" in str(caught.value)) == (not loads), "the fake engine cannot write"


def test_another_path_is_not_found_as_json(site: Site) -> None:
    for method, path in (("GET", "chat/completions"), ("POST", "completions"), ("POST", "models")):
        answer = httpx2.request(method, f"{site.url}/v1/{path}", headers={"authorization": f"Bearer {KEY}"})
        assert answer.status_code == 404 and "POST /v1/chat/completions" in answer.json()["error"]["message"]


def test_a_setting_the_engine_lacks_is_refused_with_the_reason(scripted: Scripted) -> None:
    scripted.capabilities = Capabilities(
        2048, scripted.capabilities.steps, off={"seed": "several people share one batch.", "min_p": "not built."}
    )
    with serve(scripted, api_key=KEY) as site:
        answer = post(site, {"messages": HI, "seed": 4})
        neutral = post(site, {"messages": HI, "min_p": 0.0})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "seed")
    assert "several people share one batch" in answer.json()["error"]["message"]
    assert neutral.status_code == 200


def test_while_the_model_loads_clients_are_told_to_come_back(scripted: Scripted) -> None:
    with serve(None, models=Residence(scripted, "loading"), api_key=KEY) as site:
        answer = post(site, {"messages": HI})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["error"]["code"] == "model_not_ready"


def test_a_full_queue_is_too_many_requests(scripted: Scripted) -> None:
    scripted.words, scripted.delay = ["x"] * 1000, 0.01
    with serve(scripted, api_key=KEY, max_waiting=0) as site, client_of(site) as client:
        stream = client.chat.completions.create(model="scripted", messages=HI, stream=True)
        next(stream)
        answer = post(site, {"messages": HI})
        stream.close()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert answer.json()["error"]["code"] == "queue_full"


def test_tokens_arrive_while_the_model_still_writes(scripted: Scripted) -> None:
    scripted.words, scripted.delay = ["x"] * 200, 0.01
    with serve(scripted, api_key=KEY) as site, client_of(site) as client:
        stream = client.chat.completions.create(model="scripted", messages=HI, stream=True)
        next(c for c in stream if c.choices[0].delta.content)
        assert scripted.steps < 100
        stream.close()


def test_hanging_up_on_a_stream_stops_the_model_and_keeps_what_was_written(scripted: Scripted) -> None:
    scripted.words, scripted.delay = ["x"] * 1000, 0.01
    with serve(scripted, api_key=KEY) as site, client_of(site) as client:
        stream = client.chat.completions.create(model="scripted", messages=HI, stream=True)
        chunks = [next(stream) for _ in range(5)]
        stream.close()
        assert until(lambda: scripted.closed == 1), "the engine's generator was not closed"
        assert until(lambda: turns(site)[0].finish_reason == "stopped")
        assert len(chunks) - 1 <= len(turns(site)[0].reply_text) < 500


def test_hanging_up_before_the_answer_stops_the_model(scripted: Scripted) -> None:
    scripted.words, scripted.delay = ["x"] * 1000, 0.01
    with serve(scripted, api_key=KEY) as site:
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(f"{site.url}/v1/chat/completions", json={"messages": HI}, headers={"authorization": f"Bearer {KEY}"}, timeout=0.5)
        assert until(lambda: scripted.closed == 1) and scripted.steps < 500


def test_hanging_up_in_the_queue_gives_the_place_back(scripted: Scripted) -> None:
    scripted.words, scripted.delay = ["x"] * 1000, 0.01
    with serve(scripted, api_key=KEY) as site, client_of(site) as client:
        first, second = (client.chat.completions.create(model="scripted", messages=HI, stream=True) for _ in range(2))
        next(second)
        assert site.chat.models.first.queue.waiting == 1
        second.close()
        assert until(lambda: site.chat.models.first.queue.waiting == 0)
        first.close()
    assert len(scripted.fed) == 1


def test_a_stream_that_waits_is_kept_alive_with_comments(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_api, "PING_SECONDS", 0.05)
    scripted.words, scripted.delay = ["late"], 0.4
    with serve(scripted, api_key=KEY) as site:
        text = post(site, {"messages": HI, "stream": True}).text
    assert text.count(": waiting\n\n") >= 2 and '"content": "late"' in text


async def test_others_moving_in_the_queue_put_no_comment_off() -> None:
    async def moving() -> AsyncGenerator[Turn]:
        for _ in range(30):
            await asyncio.sleep(0.01)
            yield Turn("me", "c", "Hi")
        yield Turn("me", "c", "Hi", reply_ids=[1])

    found = [item async for item in openai_api.pinged(moving(), 0.05)]
    assert found.count(None) >= 3 and len(found) - found.count(None) == 31


def test_a_failure_of_the_model_is_an_error_in_both_ways(scripted: Scripted) -> None:
    scripted.fail_after, scripted.failure = 2, ChatError("The GPU ran out of memory. Ask for less.")
    with serve(scripted, api_key=KEY) as site, client_of(site) as client:
        with pytest.raises(openai.InternalServerError, match="ran out of memory"):
            client.chat.completions.create(model="scripted", messages=HI)
        with pytest.raises(openai.APIError, match="ran out of memory"):
            list(client.chat.completions.create(model="scripted", messages=HI, stream=True))


def test_closing_the_server_leaves_no_thread(scripted: Scripted) -> None:
    before = set(threading.enumerate())
    with serve(scripted, api_key=KEY) as site:
        assert post(site, {"messages": HI}).status_code == 200
    assert until(lambda: not (set(threading.enumerate()) - before)), set(threading.enumerate()) - before
