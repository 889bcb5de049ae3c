"""The remote engine where something is wrong: what was written stays, and the reason is a sentence."""

import pytest
from starlette.responses import HTMLResponse

from chatapp.errors import ChatError
from chatapp.turn import Finish, Heard
from tests.engines.remote.asking import events, failure, opened, text_of
from tests.remotes import FakeRemote, over, say


async def test_what_is_refused_without_a_name_is_a_sentence(fake: FakeRemote) -> None:
    fake.unknown = ("temperature",)
    written, why = await failure(opened(fake.url))
    assert written == "" and len(fake.asked) == 1
    assert why.startswith(
        f"{fake.origin.removeprefix('http://')} was asked for a reply ({fake.url}/chat/completions) and answered 422: Unexp"
    )


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "out of memory"}},
        {"error": "out of memory"},
        {"detail": "out of memory"},
        {"object": "error", "message": "out of memory"},
        'error: {"code": 500, "message": "out of memory"}\n\n',
    ],
)
async def test_an_error_in_the_middle_keeps_what_was_written(fake: FakeRemote, error: dict | str) -> None:
    fake.pieces = [say(content="So far"), error, say(content="never")]
    written, why = await failure(opened(fake.url))
    assert written == "So far" and why.endswith("stopped the reply: out of memory.")


async def test_a_connection_that_breaks_keeps_what_was_written(fake: FakeRemote) -> None:
    fake.pieces, fake.breaks = [say(content="So far")], True
    written, why = await failure(opened(fake.url))
    assert written == "So far" and "the connection broke" in why and why.endswith("What was written so far stays.")


async def test_a_stream_that_ends_without_a_word_is_no_whole_reply(fake: FakeRemote) -> None:
    fake.pieces, fake.done = [say(content="So far")], False
    written, why = await failure(opened(fake.url))
    assert written == "So far" and "without saying why" in why
    fake.done = True
    assert (await events(opened(fake.url)))[-1] == Finish("end"), "[DONE] says that it is all"


@pytest.mark.parametrize("reason", ["content_filter", "error", "abort"])
async def test_a_reply_that_the_server_breaks_off_is_no_whole_one(fake: FakeRemote, reason: str) -> None:
    fake.pieces = [say(content="So far"), over(reason)]
    written, why = await failure(opened(fake.url))
    assert written == "So far" and "broke the reply off" in why


async def test_a_reply_that_does_not_end_is_given_up(fake: FakeRemote) -> None:
    fake.pieces = [say(content="word " * 1000)] * 1000
    written, why = await failure(opened(fake.url))
    assert len(written) == 5000 and "at most 20 tokens, has written 5,000 bytes, and goes on" in why


async def test_half_a_character_and_nul_are_no_words(fake: FakeRemote) -> None:
    halves = r'data: {"model": "m\ud83d", "choices": [{"delta": {"content": "a\ud83d b\u0000"}}]}' + "\n\n"
    fake.pieces = [halves, over()]
    found = await events(opened(fake.url))
    assert text_of(found) == "a\ufffd b" and all(event.text.encode() for event in found if isinstance(event, Heard))


@pytest.mark.parametrize("reason", [{"a": 1}, ["stop"], 7, True])
async def test_why_it_ended_in_no_words_is_no_reason(fake: FakeRemote, reason: object) -> None:
    fake.pieces = [say(content="x"), over(reason)]
    assert (await events(opened(fake.url)))[-1] == Finish("end")


async def test_brackets_without_an_end_are_no_reply(fake: FakeRemote) -> None:
    fake.pieces = [say(content="Hel"), f"data: {'[' * 200_000}\n\n"]
    written, why = await failure(opened(fake.url))
    assert written == "Hel" and "what came is no JSON" in why


async def test_a_page_of_html_is_no_reply(fake: FakeRemote) -> None:
    fake.answer = HTMLResponse("<html>Sign in</html>")
    _, why = await failure(opened(fake.url))
    assert "a page of HTML. Is this the address of an OpenAI-compatible server" in why


async def test_what_is_no_such_server_is_said(fake: FakeRemote) -> None:
    fake.listing = HTMLResponse("<html>Welcome</html>")
    with pytest.raises(ChatError, match=r"no JSON: '<html>Welcome.*Is this the address of an OpenAI-compatible server"):
        opened(fake.url)
