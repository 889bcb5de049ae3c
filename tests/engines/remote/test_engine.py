"""The remote engine against a server with the manners of those that there are: words, ends, failures, keys, Stop."""

import asyncio
import json
import threading
import time
from contextlib import aclosing
from typing import Any

import pytest
from starlette.responses import JSONResponse

from chatapp.engines.remote.engine import UNKNOWN_CONTEXT
from chatapp.errors import ChatError
from chatapp.sampling import Sampling
from chatapp.turn import Finish, Heard, Message, Prefilled, Sent, Token
from tests.engines.remote.asking import ASK, GREEDY, events, failure, opened, text_of
from tests.remotes import FakeRemote, counts, over, say


async def test_a_reply_is_what_the_server_wrote_with_its_own_word_at_the_end(fake: FakeRemote) -> None:
    engine = opened(fake.url)
    found = await events(engine, Sampling(temperature=0.5, max_tokens=20, seed=7, stop=("\nUser:",)))
    assert text_of(found) == "Hello world" and found[-1] == Finish("end")
    assert [type(event) for event in found[:3]] == [Sent, Prefilled, Token]
    (sent,), heard = fake.asked, json.loads([event for event in found if isinstance(event, Heard)][-1].text)
    assert json.loads(found[0].text) == sent
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"}]
    wanted = {"model": "org/far", "temperature": 0.5, "top_p": 0.95, "top_k": 50, "min_p": 0.0, "max_tokens": 20, "seed": 7}
    assert wanted.items() <= sent.items() and sent["stop"] == ["\nUser:"] and sent["stream"] is True
    said = heard["said"]
    assert said["usage"] == {"prompt_tokens": 40, "completion_tokens": 3} and said["finish_reason"] == "stop" and "beginning" not in heard


@pytest.mark.parametrize("done", [True, False], ids=["done", "no done"])
@pytest.mark.parametrize(("prefix", "end"), [("data: ", "\n\n"), ("data:", "\n\n"), ("data: ", "\r\n\r\n"), (": ping\n\ndata: ", "\n\n")])
async def test_lines_come_in_many_shapes(fake: FakeRemote, done: bool, prefix: str, end: str) -> None:
    fake.done, fake.prefix, fake.end = done, prefix, end
    assert text_of(await events(opened(fake.url))) == "Hello world"


async def test_breaks_of_lines_inside_json_and_cut_characters_are_kept(fake: FakeRemote) -> None:
    fake.pieces = ['data: {"choices":[{"delta":{"content":"a\u2028b\x85é😀"}}]}\n\n', over()]
    assert text_of(await events(opened(fake.url))) == "a\u2028b\x85é😀"


async def test_a_server_that_does_not_stream_is_read_too(fake: FakeRemote) -> None:
    message = {"role": "assistant", "content": "All at once"}
    fake.answer = JSONResponse({"choices": [{"message": message, "finish_reason": "length"}], "usage": {"prompt_tokens": 9}})
    found = await events(opened(fake.url))
    assert text_of(found) == "All at once" and found[-1] == Finish("length")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_thoughts_stand_before_the_reply_as_local_models_write_them(fake: FakeRemote, name: str) -> None:
    fake.pieces = [say(role="assistant", content=None), say(**{name: "Hm"}), say(**{name: ", so"}), say(content="42"), over()]
    assert text_of(await events(opened(fake.url))) == "<think>\nHm, so\n</think>\n\n42"
    fake.pieces = [say(**{name: "Hm"}), over("length")]
    assert text_of(await events(opened(fake.url))) == "<think>\nHm", "what was cut in a thought stays open"
    kept = opened(fake.url).render([*ASK, Message("assistant", "<think>\nHm\n</think>\n\n42"), Message("user", "Why?")], max_tokens=9)
    assert json.loads(kept.text)["messages"][2]["content"] == "42", "thoughts are not sent back"


@pytest.mark.parametrize(
    ("piece", "finish"),
    [(over("length"), "length"), (over("stop"), "end"), (over("stop", stop_reason="###"), "stop"), (over("eos_token"), "end")],
)
async def test_why_it_ended(fake: FakeRemote, piece: dict, finish: str) -> None:
    fake.pieces = [say(content="x"), piece]
    assert (await events(opened(fake.url)))[-1] == Finish(finish)


async def test_a_stop_string_that_the_server_lets_through_ends_the_reply(fake: FakeRemote) -> None:
    fake.pieces = [say(content="one ##"), say(content="# two"), over()]
    found = await events(opened(fake.url), Sampling(stop=("###",)))
    assert text_of(found) == "one " and found[-1].reason == "stop"


@pytest.mark.parametrize("shape", ["detail", "text", "object"])
async def test_fields_that_a_server_refuses_by_name_are_left_out_from_then_on_and_said_to_be_off(fake: FakeRemote, shape: str) -> None:
    fake.unknown, fake.shape = ("top_k", "repetition_penalty", "repeat_penalty", "stream_options"), shape
    engine = opened(fake.url)
    assert engine.capabilities.has("top_k")
    assert text_of(await events(engine)) == "Hello world"
    first, second = fake.asked
    assert "top_k" in first and not set(fake.unknown) & set(second) and "min_p" in second
    off = engine.capabilities.off
    assert "Unexpected fields" in off["top_k"] and "repetition_penalty" in off and engine.capabilities.has("min_p")
    await events(engine)
    assert len(fake.asked) == 3, "it is not asked with them again"


async def test_one_refused_name_of_two_turns_nothing_off_and_a_hint_names_no_field(fake: FakeRemote) -> None:
    fake.unknown, fake.shape = ("repeat_penalty",), "object"
    fake.refusal = lambda words: JSONResponse(
        {"error": {"message": "There is no field named 'repeat_penalty'. Did you mean repetition_penalty?"}}, status_code=422
    )
    engine = opened(fake.url)
    await events(engine)
    assert "repetition_penalty" in fake.asked[-1] and engine.capabilities.has("repetition_penalty")


@pytest.mark.parametrize(
    ("after", "mute"), [(0, True), (0, False), (2, False)], ids=["before anything", "before the first token", "in the middle"]
)
async def test_stop_closes_the_connection_at_once(fake: FakeRemote, after: int, mute: bool) -> None:
    engine = opened(fake.url)
    fake.held.clear()
    fake.mute = mute
    fake.hold_after = after
    begun, seen = asyncio.Event(), 0

    async def read() -> None:
        nonlocal seen
        async with aclosing(engine.answer(engine.render(ASK, max_tokens=9).text, GREEDY)) as found:
            async for event in found:
                seen += isinstance(event, Token)
                if seen == after:
                    begun.set()

    reading = asyncio.create_task(read())
    await begun.wait()
    await asyncio.to_thread(until, lambda: fake.asked)
    reading.cancel()
    async with asyncio.timeout(10):  # the server says no more before the test ends
        await asyncio.wait({reading})
    assert reading.cancelled() and await asyncio.to_thread(fake.gone.wait, 10), "the server sees it"


async def test_closing_the_engine_ends_what_is_being_read(fake: FakeRemote) -> None:
    engine = opened(fake.url)
    fake.held.clear()
    fake.hold_after = 1
    closing = threading.Thread(target=lambda: (until(lambda: fake.asked), engine.close()))
    closing.start()
    _, why = await failure(engine)
    closing.join()
    assert "unloaded" in why


def until(true: Any) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


async def test_the_context_is_what_the_server_says_or_what_is_asked_for(fake: FakeRemote) -> None:
    assert opened(fake.url).info.context == 2000
    assert opened(fake.url, context=512).info.context == 512 and opened(fake.url, context=9000).info.context == 2000
    fake.models = [{"id": "a", "meta": {"n_ctx": 700, "n_ctx_train": 9000, "n_params": 10**9}}]
    assert (opened(fake.url).info.context, opened(fake.url).info.parameters) == (700, 10**9)
    fake.models = [{"id": "a", "meta": {"n_ctx_train": 9000}}]
    assert opened(fake.url).info.context == 9000 and "trained for" in opened(fake.url).info.dtype_reason
    assert opened(fake.url, context=16000).info.context == 16000, "the server may hold more than the model was trained for"
    fake.models = [{"id": "a"}]
    assert opened(fake.url).info.context == UNKNOWN_CONTEXT and "--context" in opened(fake.url).info.dtype_reason


async def test_oldest_turns_are_left_out_by_an_estimate_that_learns(fake: FakeRemote) -> None:
    fake.models = [{"id": "org/far", "max_model_len": 400}]
    engine = opened(fake.url)
    long = [Message("system", "Be brief.")]
    for n in range(6):
        long += [Message("user", f"{n} " + "word " * 30), Message("assistant", "yes " * 20)]
    long.append(Message("user", "last"))
    prompt = engine.render(long, max_tokens=100)
    sent = [m["content"] for m in json.loads(prompt.text)["messages"]]
    assert prompt.dropped_messages and prompt.dropped_messages % 2 == 0 and sent[0] == "Be brief." and sent[-1] == "last"
    budget = engine.budget(long, max_tokens=100)
    assert budget.estimated and budget.dropped == prompt.dropped_messages and budget.used + budget.reserved <= 400
    with pytest.raises(ChatError, match=r"about [\d,]+ tokens, an estimate.*--context"):
        engine.render([Message("user", "word " * 2000)], max_tokens=100)
    before = engine.budget(long[-3:], max_tokens=100).used
    fake.pieces = [say(content="four"), over(), counts(3 * before, 3)]
    for _ in range(20):
        [event async for event in engine.answer(engine.render(long[-3:], max_tokens=100).text, GREEDY)]
    assert engine.budget(long[-3:], max_tokens=100).used > 1.8 * before, "the server counted three times as many"


async def test_a_reply_is_no_longer_than_the_context_leaves_room_for(fake: FakeRemote) -> None:
    fake.models = [{"id": "org/far", "max_model_len": 300}]
    engine = opened(fake.url)
    await events(engine, Sampling(max_tokens=5000))
    assert 200 < fake.asked[-1]["max_tokens"] < 300


@pytest.mark.parametrize(("owner", "goes_on"), [("llamacpp", True), ("vllm", True), ("somebody", False)])
async def test_a_given_beginning_is_the_last_message_and_what_is_not_known_is_noted(fake: FakeRemote, owner: str, goes_on: bool) -> None:
    fake.models = [{"id": "org/far", "owned_by": owner}]
    found = await events(opened(fake.url), prefix="Once upon")
    sent, heard = fake.asked[-1], json.loads([event for event in found if isinstance(event, Heard)][-1].text)
    assert sent["messages"][-1] == {"role": "assistant", "content": "Once upon"}
    assert ("continue_final_message" in sent) == (owner == "vllm") and heard.get("beginning") == (None if goes_on else "unknown")


async def test_a_beginning_that_the_server_repeats_stands_once(fake: FakeRemote) -> None:
    fake.pieces = [say(content="Once up"), say(content="on a time"), over()]
    found = await events(opened(fake.url), prefix="Once upon")
    assert text_of(found) == " a time" and json.loads(found[-2].text)["beginning"] == "repeated"
    fake.pieces = [say(content="Once"), over()]
    assert text_of(await events(opened(fake.url), prefix="Once upon")) == "Once", "what only began alike is not lost"
