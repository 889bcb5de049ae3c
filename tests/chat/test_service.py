"""Sending: what is on disk when, what the engine was fed, watching, stopping, queueing, failing. Engine scripted, store SQLite."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.errors import ChatError, NotFound
from chatapp.resident.admission import Limits
from chatapp.sampling import Sampling
from chatapp.store import Store
from chatapp.turn import Message, Turn
from tests.chats import ME, YOU, Residence, ended, until
from tests.turns import turns_of

LONG = [f"word{n} " for n in range(400)]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chat.db"


@pytest.fixture
async def chat(scripted, url: str) -> AsyncGenerator[Chat]:
    """A chat over the scripted engine; afterwards nothing of it may still run."""
    store = Store(url)
    chat = Chat(Residence(scripted, limits=Limits(waiting=4)), store)
    yield chat
    await chat.shutdown()
    store.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def slowly(engine) -> None:
    """A reply of 400 words that takes seconds."""
    engine.words, engine.delay = LONG, 0.005


async def test_a_reply_is_recorded_whole(chat: Chat, scripted, url: str) -> None:
    turn = await chat.send(ME, "Hi", system="Be kind", sampling=Sampling(temperature=0, seed=7))
    live = await ended(chat, turn)
    stored = Store(url).turn(ME, turn.id)
    assert stored == live
    assert (stored.reply, stored.reply_ids, stored.logprobs) == ("Hello world", [1000, 1001, 1002], [-0.5] * 3)
    assert (stored.finish_reason, stored.error, stored.system, stored.user) == ("end", "", "Be kind", "Hi")
    assert (stored.model, stored.engine, stored.device, stored.dtype) == ("scripted", "scripted", "cpu", "float32")
    assert stored.versions["chatapp"] and stored.versions["transformers"]
    timings = stored.timings
    assert timings.started >= stored.created and 0 <= timings.first_token <= timings.generating and timings.queued >= 0
    assert stored.prompt_ids == scripted.fed[0] and "Be kind" in stored.prompt_text


async def test_the_engine_is_fed_the_very_ids_of_the_turn_for_each_question(chat: Chat, scripted) -> None:
    first = await ended(chat, await chat.send(ME, "One"))
    second = await ended(chat, await chat.send(ME, "Two", conversation_id=first.conversation_id))
    third = await ended(chat, await actions.regenerate(chat, ME, second.id, system="New"))
    assert [first.prompt_ids, second.prompt_ids, third.prompt_ids] == scripted.fed
    expected = [Message("user", "One"), Message("assistant", "Hello world"), Message("user", "Two")]
    template = [{"role": m.role, "content": m.content} for m in expected]
    assert list(second.prompt_ids) == scripted.tokenizer.apply_chat_template(template, add_generation_prompt=True)["input_ids"]


async def test_every_drawn_reply_has_a_seed_and_the_next_draw_another(chat: Chat, scripted) -> None:
    first = await ended(chat, await chat.send(ME, "hi"))
    again = await ended(chat, await actions.regenerate(chat, ME, first.id))
    asked = await ended(chat, await actions.regenerate(chat, ME, first.id, sampling=Sampling(seed=5)))
    greedy = await ended(chat, await actions.regenerate(chat, ME, first.id, sampling=Sampling(temperature=0)))
    assert [s.seed for s in scripted.samplings] == [first.seed, again.seed, 5, None]
    assert len({first.seed, again.seed, None}) == 3 and asked.seed == 5 and greedy.seed is None
    assert first.sampling.seed is None, "the settings stay as they were asked for"


async def test_the_question_is_on_disk_before_the_first_token(chat: Chat, scripted, url: str) -> None:
    scripted.hold = asyncio.Event()
    turn = await chat.send(ME, "Are you there?")
    other = Store(url).turn(ME, turn.id)
    assert (other.user, other.reply_ids, other.running) == ("Are you there?", [], True)
    assert scripted.steps == 0
    scripted.hold.set()
    assert (await ended(chat, turn)).finish_reason == "end"


async def test_a_running_reply_is_flushed_while_it_runs(chat: Chat, scripted, url: str) -> None:
    slowly(scripted)
    turn = await chat.send(ME, "Tell me")
    other = Store(url)
    await until(lambda: len(other.turn(ME, turn.id).reply_ids) > 20)
    stored = other.turn(ME, turn.id)
    assert stored.running and stored.reply_text == "".join(LONG[: len(stored.reply_ids)])
    await chat.stop(ME, turn.id)


async def test_stop_keeps_what_was_shown_and_closes_the_engine(chat: Chat, scripted, url: str) -> None:
    slowly(scripted)
    turn = await chat.send(ME, "Tell me")
    await until(lambda: len(turn.reply_ids) > 5)
    shown = turn.reply_text
    await chat.stop(ME, turn.id)
    assert turn.finish_reason == "stopped" and turn.reply_text == shown != ""
    assert Store(url).turn(ME, turn.id) == turn and turn.can_continue and turn.timings.started
    await until(lambda: scripted.closed == 1)
    steps = scripted.steps
    await asyncio.sleep(0.03)
    assert scripted.steps == steps
    await chat.stop(ME, turn.id)  # stopping what has ended changes nothing
    assert Store(url).turn(ME, turn.id).finish_reason == "stopped"


async def test_a_closed_follower_does_not_end_the_reply(chat: Chat, scripted) -> None:
    scripted.words, scripted.delay = LONG[:30], 0.002
    turn = await chat.send(ME, "Tell me")
    async with aclosing(chat.follow(ME, turn.id)) as watching:
        await anext(watching)
    assert turn.running
    assert (await ended(chat, turn)).reply == "".join(LONG[:30])


async def test_a_page_that_closes_while_sending_does_not_undo_half_of_it(chat: Chat) -> None:
    sending = asyncio.create_task(chat.send(ME, "Do not lose me"))
    await asyncio.sleep(0)
    sending.cancel()
    await until(lambda: bool(chat.store.conversations.listed(ME)))
    [summary] = chat.store.conversations.listed(ME)
    [turn] = turns_of(chat.store, ME, summary.id)
    assert (await ended(chat, turn)).reply == "Hello world"


class LateStore(Store):
    """A store whose write of a question is seen by others before the writer hears of it."""

    told = threading.Event()

    def begin(self, turn: Turn, model: str | None = None) -> None:
        super().begin(turn, model)
        self.told.wait(10)


async def test_a_turn_seen_in_the_store_the_moment_it_is_written_can_be_followed_and_stopped(scripted, tmp_path: Path) -> None:
    store = LateStore(f"sqlite:///{tmp_path}/chat.db")
    chat = Chat(Residence(scripted), store)
    sending = [asyncio.create_task(chat.send(ME, text)) for text in ("Follow me", "Stop me")]
    await until(lambda: len(store.conversations.listed(ME)) == 2)
    seen = {turn.user: turn for summary in store.conversations.listed(ME) for turn in turns_of(store, ME, summary.id)}
    scripted.words, scripted.delay = LONG[:50], 0.01
    following = asyncio.create_task(ended(chat, seen["Follow me"]))
    stopping = asyncio.create_task(chat.stop(ME, seen["Stop me"].id))
    await asyncio.sleep(0.05)
    store.told.set()
    await asyncio.gather(*sending, stopping)
    assert (await following).reply == "".join(LONG[:50])
    assert store.turn(ME, seen["Stop me"].id).finish_reason == "stopped"
    await chat.shutdown()


async def test_two_followers_see_the_same_and_a_slow_one_sees_the_latest(chat: Chat, scripted) -> None:
    scripted.words, scripted.delay = LONG[:100], 0.001
    turn = await chat.send(ME, "Tell me")
    slow = []

    async def watch_slowly() -> None:
        async for seen in chat.follow(ME, turn.id):
            slow.append(seen.reply_text)
            await asyncio.sleep(0.05)

    fast, _ = await asyncio.gather(ended(chat, turn), watch_slowly())
    assert slow[-1] == fast.reply_text == "".join(LONG[:100])
    assert len(slow) < 50 and slow == sorted(slow, key=len)


async def test_following_what_has_ended_gives_it_once(chat: Chat) -> None:
    turn = await ended(chat, await chat.send(ME, "Hi"))
    assert [seen async for seen in chat.follow(ME, turn.id)] == [turn]


@pytest.mark.parametrize("text", ["", "  \n", "\0"])
async def test_nothing_to_send_is_refused(chat: Chat, text: str) -> None:
    with pytest.raises(ChatError, match="empty"):
        await chat.send(ME, text)
    assert chat.store.conversations.listed(ME) == []


async def test_too_long_is_refused_with_both_numbers_and_leaves_no_trace(chat: Chat) -> None:
    with pytest.raises(ChatError, match=r"[0-9,]+ tokens.*2,048"):
        await chat.send(ME, "many words " * 3000)
    assert chat.store.conversations.listed(ME) == [] and chat.models.first.queue.running == 0


async def test_half_characters_and_nul_do_not_break_a_message(chat: Chat) -> None:
    turn = await chat.send(ME, "a\0b \ud83d\ude00 \ud83d!")
    assert turn.user == "ab 😀 \ufffd!"
    assert (await ended(chat, turn)).finish_reason == "end"


async def test_max_tokens_beyond_the_context_are_clamped_for_the_engine_only(chat: Chat, scripted) -> None:
    turn = await ended(chat, await chat.send(ME, "Hi", sampling=Sampling(max_tokens=32768)))
    assert turn.sampling.max_tokens == 32768
    assert scripted.samplings[0].max_tokens == 2048 - len(turn.prompt_ids)


async def test_given_messages_and_a_wrong_conversation(chat: Chat, scripted) -> None:
    given = (Message("user", "Earlier"), Message("assistant", "Yes"))
    turn = await ended(chat, await chat.send(ME, "Now", history=given))
    assert turn.history == given and "Earlier" in turn.prompt_text
    with pytest.raises(NotFound):
        await chat.send(ME, "Hi", conversation_id="made-up-by-a-browser")
    other = await ended(chat, await chat.send(ME, "Elsewhere"))
    with pytest.raises(NotFound):
        await chat.send(ME, "Hi", conversation_id=turn.conversation_id, parent_id=other.id)


async def test_a_question_without_a_reply_is_joined_to_the_next_and_one_taken_back_is_left_out(chat: Chat, scripted) -> None:
    scripted.fail_after = 0
    failed = await ended(chat, await chat.send(ME, "My dog is Rex."))
    scripted.fail_after = None
    scripted.hold = asyncio.Event()
    running = await chat.send(ME, "Who?", conversation_id=failed.conversation_id)
    waiting = await chat.send(ME, "Never mind", conversation_id=failed.conversation_id)
    await chat.stop(ME, waiting.id)
    scripted.hold.set()
    await ended(chat, running)
    last = await ended(chat, await chat.send(ME, "And now?", conversation_id=failed.conversation_id))
    assert "My dog is Rex.\n\nWho?" in last.prompt_text and "Never mind" not in last.prompt_text
    assert [t.user for t in turns_of(chat.store, ME, failed.conversation_id)] == ["My dog is Rex.", "Who?", "Never mind", "And now?"]


async def test_an_engine_that_breaks_ends_its_own_reply_only(chat: Chat, scripted, caplog: pytest.LogCaptureFixture) -> None:
    scripted.fail_after = 2
    with caplog.at_level(logging.ERROR, logger="chatapp"):
        broken = await ended(chat, await chat.send(ME, "Hi"))
    assert (broken.finish_reason, broken.reply) == ("error", "Hello ")
    assert "RuntimeError" in broken.error and "scripted failure" not in broken.error and "Traceback" not in broken.error
    assert "scripted failure" in caplog.text, "the log has the traceback"
    scripted.failure = ChatError("The GPU is out of memory: 3 GB were needed, 1 is free. Lower the context.")
    told = await ended(chat, await chat.send(ME, "Hi"))
    assert told.error == str(scripted.failure)
    scripted.fail_after = None
    assert (await ended(chat, await chat.send(ME, "Hi"))).finish_reason == "end"


async def test_a_message_waits_visibly_while_the_engine_loads_and_is_rendered_then(scripted, url: str) -> None:
    residence = Residence(scripted, "loading")
    chat = Chat(residence, Store(url))
    turn = await chat.send(ME, "Hi")
    assert (chat.position(turn.id), turn.prompt_ids, Store(url).turn(ME, turn.id).user) == (1, (), "Hi")
    residence.become("ready")
    done = await ended(chat, turn)
    assert chat.position(turn.id) is None and done.prompt_ids == scripted.fed[0] == Store(url).turn(ME, turn.id).prompt_ids
    await chat.shutdown()


async def test_a_model_that_cannot_be_loaded_is_told_to_those_waiting_and_to_the_next(scripted, url: str) -> None:
    residence = Residence(scripted, "loading")
    chat = Chat(residence, Store(url))
    turn = await chat.send(ME, "Hi")
    residence.become("failed", "The folder /m has no config.json.")
    said = "scripted could not be loaded: The folder /m has no config.json. Load it again, or choose another model."
    assert ((await ended(chat, turn)).finish_reason, turn.error) == ("error", said)
    with pytest.raises(ChatError, match=r"no config\.json"):
        await chat.send(ME, "Hi")
    await chat.shutdown()


async def test_somebody_elses_ids_read_as_not_found_everywhere(chat: Chat, scripted) -> None:
    done = await ended(chat, await chat.send(ME, "Mine", sampling=Sampling(max_tokens=2)))
    slowly(scripted)
    live = await chat.send(ME, "Mine too", conversation_id=done.conversation_id)
    for turn in (done, live):
        attempts = [
            chat.send(YOU, "x", conversation_id=turn.conversation_id),
            actions.regenerate(chat, YOU, turn.id),
            actions.edit(chat, YOU, turn.id, "x"),
            actions.resume(chat, YOU, turn.id),
            actions.branch(chat, YOU, turn.id, 0, 5),
            chat.stop(YOU, turn.id),
            anext(chat.follow(YOU, turn.id)),
            chat.path(YOU, turn.conversation_id),
            chat.meter.budget(YOU, turn.conversation_id, "x"),
        ]
        for attempt in attempts:
            with pytest.raises(NotFound):
                await attempt
    assert chat.running(YOU, live.conversation_id) == [] and chat.store.conversations.listed(YOU) == []
    await chat.stop_all(YOU)
    assert live.running
    await chat.stop(ME, live.id)


async def test_a_temporary_chat_leaves_nothing_in_the_database(chat: Chat, url: str) -> None:
    first = await ended(chat, await chat.send(ME, "Secret-Question", keep=False))
    again = await ended(chat, await chat.send(ME, "And-Again", conversation_id=first.conversation_id, keep=False))
    edited = await ended(chat, await actions.edit(chat, ME, again.id, "Edited-Secret"))
    assert "Secret-Question" in edited.prompt_text
    assert [t.user for t in await chat.path(ME, first.conversation_id)] == ["Secret-Question", "Edited-Secret"]
    assert chat.store.conversations.listed(ME) == []
    path = Path(url.removeprefix("sqlite:///"))
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM turns").fetchone() == (0,)
    kept = b"".join(p.read_bytes() for p in path.parent.glob("chat.db*"))
    assert b"Secret" not in kept and b"Hello world" not in kept


async def test_shutdown_interrupts_and_saves_and_takes_no_more(scripted, url: str) -> None:
    slowly(scripted)
    chat = Chat(Residence(scripted), Store(url))
    running, waiting = await chat.send(ME, "One"), await chat.send(ME, "Two")
    await until(lambda: len(running.reply_ids) > 5)
    await chat.shutdown()
    stored = Store(url).turn(ME, running.id)
    assert stored == running and stored.finish_reason == "interrupted" and stored.can_continue and len(stored.reply_ids) > 5
    assert Store(url).turn(ME, waiting.id).finish_reason == "interrupted"
    assert len(scripted.fed) == 1 and asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(ChatError, match="shutting down"):
        await chat.send(ME, "Three")


async def test_what_a_dead_process_left_running_is_interrupted_at_the_next_start(scripted, url: str) -> None:
    store = Store(url)
    store.begin(Turn(ME, "c1", "Left alone", id="t1", prompt_ids=(1, 2)))
    store.close()
    chat = Chat(Residence(scripted), Store(url))
    turn = await ended(chat, Turn(ME, "c1", "", id="t1"))
    assert (turn.finish_reason, turn.user, turn.can_continue) == ("interrupted", "Left alone", True)


async def test_the_meter_counts_the_path_and_what_is_typed(chat: Chat) -> None:
    empty = await chat.meter.budget(ME, None, "Hi")
    turn = await ended(chat, await chat.send(ME, "Some words before"))
    after = await chat.meter.budget(ME, turn.conversation_id, "Hi", sampling=Sampling(max_tokens=100))
    assert after.used > empty.used > 0 and (after.reserved, after.context, after.over) == (100, 2048, False)
    assert (await chat.meter.budget(ME, turn.conversation_id, "long " * 5000)).over
