"""Regenerate, edit, continue, branch; several messages and people at once; a store that fails."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.errors import ChatError
from chatapp.resident.admission import Limits
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.store import Store, StoreError
from chatapp.turn import Event, Finish, Message, Token, Turn
from tests.chats import ME, YOU, Residence, ended, speak, until
from tests.conftest import Scripted
from tests.turns import turns_of

CUT = Sampling(max_tokens=2)


@pytest.fixture
async def chat(scripted, tmp_path: Path) -> AsyncGenerator[Chat]:
    speak(scripted, "The capital of France is Paris. 😀 Good.")
    store = Store(f"sqlite:///{tmp_path}/chat.db")
    chat = Chat(ModelManager.of(scripted, limits=Limits(waiting=3)), store)
    yield chat
    await chat.shutdown()
    store.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_regenerate_and_edit_stand_beside_the_old_version(chat: Chat) -> None:
    first = await ended(chat, await chat.send(ME, "One", system="Old", history=(Message("user", "G"), Message("assistant", "A"))))
    again = await ended(chat, await actions.regenerate(chat, ME, first.id))
    edited = await ended(chat, await actions.edit(chat, ME, first.id, "Uno", system="New", sampling=CUT))
    assert chat.store.outline(ME, first.conversation_id).versions[edited.id] == [first.id, again.id, edited.id]
    assert (again.user, again.system, again.history, again.sampling) == ("One", "Old", first.history, first.sampling)
    assert (edited.user, edited.system, edited.history, edited.sampling) == ("Uno", "New", first.history, CUT)
    assert again.prompt_ids == first.prompt_ids and "Uno" in edited.prompt_text
    assert [t.id for t in await chat.path(ME, first.conversation_id)] == [edited.id]


async def test_continue_goes_on_from_the_very_ids(chat: Chat, scripted) -> None:
    cut = await ended(chat, await chat.send(ME, "Where?", sampling=Sampling(max_tokens=3)))
    assert cut.finish_reason == "length"
    more = await ended(chat, await actions.resume(chat, ME, cut.id, sampling=Sampling(max_tokens=4)))
    assert more.prompt_ids == (*cut.prompt_ids, *cut.reply_ids) == scripted.fed[-1]
    assert (more.prefix_tokens, more.prefix_text, more.continues, more.parent_id) == (3, cut.reply, cut.id, cut.parent_id)
    assert more.reply == cut.reply + more.reply_text and more.prompt_text == cut.prompt_text
    third = await ended(chat, await actions.resume(chat, ME, more.id))
    assert third.prompt_ids == (*more.prompt_ids, *more.reply_ids) and third.prefix_tokens == 7
    assert third.prefix_text == more.reply
    following = await ended(chat, await chat.send(ME, "And?", conversation_id=cut.conversation_id))
    assert third.reply in following.prompt_text


async def test_a_reply_of_another_model_is_continued_from_its_text(chat: Chat, scripted) -> None:
    cut = await ended(chat, await chat.send(ME, "Where?", sampling=CUT))
    old = scripted.tokenizer.encode(cut.reply)
    chat.store.conversations.add(ME, [_by_another_model(chat.store, cut)])
    [copy] = [c for c in chat.store.conversations.listed(ME) if c.id != cut.conversation_id]
    [foreign] = turns_of(chat.store, ME, copy.id)
    more = await ended(chat, await actions.resume(chat, ME, foreign.id))
    assert more.prompt_ids == (*cut.prompt_ids, *old) == scripted.fed[-1]
    assert (more.prefix_tokens, more.prefix_text, more.model) == (len(old), cut.reply, "scripted")


def _by_another_model(store: Store, turn: Turn):
    conversation = store.conversations.whole(ME, turn.conversation_id).copied()
    conversation.turns[0].model, conversation.turns[0].revision, conversation.turns[0].prompt_ids = "another", "v1", (1, 2, 3)
    return conversation


async def test_only_a_cut_reply_can_be_continued(chat: Chat, scripted) -> None:
    whole = await ended(chat, await chat.send(ME, "Where?"))
    with pytest.raises(ChatError, match="complete"):
        await actions.resume(chat, ME, whole.id)
    scripted.hold = asyncio.Event()
    running = await actions.regenerate(chat, ME, whole.id)
    with pytest.raises(ChatError, match="still being written"):
        await actions.resume(chat, ME, running.id)
    scripted.hold.set()


async def test_continue_without_room_is_refused_with_the_numbers(chat: Chat, scripted) -> None:
    scripted.ids, scripted.words = scripted.ids[:1] * 3000, ["x"] * 3000
    full = await ended(chat, await chat.send(ME, "Fill it", sampling=Sampling(max_tokens=32768)))
    assert len(full.prompt_ids) + len(full.reply_ids) == 2048 and full.finish_reason == "length"
    with pytest.raises(ChatError, match="2048 tokens, and the model holds 2048"):
        await actions.resume(chat, ME, full.id)


async def test_branch_takes_the_other_token_and_goes_on(chat: Chat, scripted) -> None:
    whole = await ended(chat, await chat.send(ME, "Where?"))
    other = scripted.tokenizer.encode(" hello")[0]
    branch = await ended(chat, await actions.branch(chat, ME, whole.id, 3, other))
    assert branch.prompt_ids == (*whole.prompt_ids, *whole.reply_ids[:3], other) == scripted.fed[-1]
    assert branch.prefix_text == scripted.tokenizer.decode([*whole.reply_ids[:3], other]) and branch.prefix_tokens == 4
    again = await ended(chat, await actions.branch(chat, ME, branch.id, 1, other))
    assert again.prompt_ids == (*branch.prompt_ids, branch.reply_ids[0], other) and again.prefix_tokens == 6


@pytest.mark.parametrize(("position", "token"), [(-1, 5), (99, 5), (0, -1), (0, 10**6), (0, "end")])
async def test_a_branch_that_cannot_be_is_refused(chat: Chat, scripted, position: int, token: int | str) -> None:
    whole = await ended(chat, await chat.send(ME, "Where?"))
    with pytest.raises(ChatError):
        await actions.branch(chat, ME, whole.id, position, scripted.tokenizer.eos_token_id if token == "end" else token)


async def test_stopped_in_the_middle_of_a_character_it_is_continued_there(chat: Chat, scripted) -> None:
    speak(scripted, "😀!")
    assert len(scripted.ids) > 2 and scripted.words[0] == "", "the tokenizer splits this character"
    cut = await ended(chat, await chat.send(ME, "Smile", sampling=Sampling(max_tokens=1)))
    assert cut.reply == "" and len(cut.reply_ids) == 1
    more = await ended(chat, await actions.resume(chat, ME, cut.id))
    assert more.prompt_ids == (*cut.prompt_ids, *cut.reply_ids) and more.prefix_tokens == 1


async def test_a_message_sent_while_one_runs_waits_behind_it_and_answers_it(chat: Chat, scripted) -> None:
    scripted.hold = asyncio.Event()
    first = await chat.send(ME, "One")
    second = await chat.send(ME, "Two", conversation_id=first.conversation_id)
    third = await chat.send(ME, "Three", conversation_id=first.conversation_id)
    assert (second.parent_id, third.parent_id) == (first.id, second.id)
    assert [chat.position(t.id) for t in (first, second, third)] == [None, 1, 2]
    assert chat.running(ME, first.conversation_id) == [first, second, third]
    scripted.hold.set()
    done = await ended(chat, third)
    words = "".join(scripted.words)
    assert [m for m in ("One", words, "Two", words, "Three") if m not in done.prompt_text] == []
    assert [t.prompt_ids for t in turns_of(chat.store, ME, first.conversation_id)] == scripted.fed


async def test_a_waiting_message_can_be_taken_back_and_the_next_skips_it(chat: Chat, scripted) -> None:
    scripted.hold = asyncio.Event()
    first = await chat.send(ME, "One")
    second = await chat.send(ME, "Two", conversation_id=first.conversation_id)
    third = await chat.send(ME, "Three", conversation_id=first.conversation_id)
    await chat.stop(ME, second.id)
    stored = chat.store.turn(ME, second.id)
    assert stored.finish_reason == "stopped" and not stored.timings.started and stored.user == "Two" and chat.position(third.id) == 1
    scripted.hold.set()
    done = await ended(chat, third)
    assert "One" in done.prompt_text and "Two" not in done.prompt_text and len(scripted.fed) == 2


async def test_several_people_wait_in_order_and_a_full_queue_says_so(chat: Chat, scripted) -> None:
    scripted.hold = asyncio.Event()
    turns = [await chat.send(owner, "Hi") for owner in (ME, YOU, ME, YOU)]
    assert [chat.position(t.id) for t in turns] == [None, 1, 2, 3]
    with pytest.raises(ChatError, match="3 of at most") as refused:
        await chat.send(YOU, "One too many")
    assert refused.value.status == 429 and len(chat.store.conversations.listed(YOU)) == 2
    await chat.stop(ME, turns[0].id)
    await until(lambda: chat.position(turns[1].id) is None)
    assert not turns[1].finish_reason, "stopping mine does not stop yours"
    scripted.hold.set()
    assert [(await ended(chat, t)).finish_reason for t in turns] == ["stopped", "end", "end", "end"]


async def test_two_sends_at_the_same_moment_make_one_path(chat: Chat) -> None:
    first = await ended(chat, await chat.send(ME, "One"))
    a, b = await asyncio.gather(*(chat.send(ME, text, conversation_id=first.conversation_id) for text in ("Two", "Three")))
    await ended(chat, b)
    assert [t.id for t in await chat.path(ME, first.conversation_id)] == [first.id, a.id, b.id]


async def test_a_deleted_earlier_turn_does_not_break_what_waits_behind_it(chat: Chat, scripted) -> None:
    scripted.hold = asyncio.Event()
    first = await chat.send(ME, "One")
    second = await chat.send(ME, "Two", conversation_id=first.conversation_id)
    chat.store.delete_turn(ME, first.id, keep_children=True)
    scripted.hold.set()
    done = await ended(chat, second)
    assert (done.finish_reason, done.parent_id) == ("end", None) and "One" not in done.prompt_text


async def test_what_is_deleted_while_a_message_waits_behind_another_conversation_never_reaches_the_model(chat: Chat, scripted) -> None:
    told = await ended(chat, await chat.send(ME, "SECRETWORD"))
    scripted.hold = asyncio.Event()
    elsewhere = await chat.send(ME, "Something else")
    waiting = await chat.send(ME, "And now?", conversation_id=told.conversation_id)
    assert chat.position(waiting.id) == 1
    chat.store.delete_turn(ME, told.id, keep_children=True)
    scripted.hold.set()
    await ended(chat, elsewhere)
    done = await ended(chat, waiting)
    assert "SECRETWORD" not in scripted.tokenizer.decode(scripted.fed[-1]) and done.prompt_ids == scripted.fed[-1]
    stored = chat.store.turn(ME, waiting.id)
    assert stored.prompt_ids == scripted.fed[-1] and "SECRETWORD" not in stored.prompt_text


async def test_a_message_taken_back_keeps_nothing_of_what_was_deleted_while_it_waited(chat: Chat, scripted) -> None:
    told = await ended(chat, await chat.send(ME, "SECRETWORD"))
    scripted.hold = asyncio.Event()
    await chat.send(ME, "Something else")
    waiting = await chat.send(ME, "And now?", conversation_id=told.conversation_id)
    chat.store.delete_turn(ME, told.id, keep_children=True)
    await chat.stop(ME, waiting.id)
    assert chat.store.turn(ME, waiting.id).prompt_text == ""


async def test_what_is_too_long_is_refused_at_once_also_where_it_would_wait(chat: Chat, scripted) -> None:
    scripted.hold = asyncio.Event()
    await chat.send(ME, "One")
    with pytest.raises(ChatError, match=r"[0-9,]+ tokens.*2,048"):
        await chat.send(ME, "many words " * 3000)
    assert (chat.models.first.queue.running, chat.models.first.queue.waiting) == (1, 0)


@pytest.mark.parametrize("go_on", ["resume", "branch"])
async def test_a_reply_goes_on_without_what_was_deleted_before_it(chat: Chat, scripted, go_on: str) -> None:
    told = await ended(chat, await chat.send(ME, "SECRETWORD"))
    cut = await ended(chat, await chat.send(ME, "And now?", conversation_id=told.conversation_id, sampling=CUT))
    chat.store.delete_turn(ME, told.id, keep_children=True)
    turn = await (actions.resume(chat, ME, cut.id) if go_on == "resume" else actions.branch(chat, ME, cut.id, 1, cut.reply_ids[1]))
    done = await ended(chat, turn)
    prompt = scripted.tokenizer.decode(scripted.fed[-1])
    assert "SECRETWORD" not in prompt and prompt.endswith(cut.reply) and done.prefix_text == cut.reply


class FullDisk(Store):
    """A store whose disk can be filled."""

    full = False

    def progress(self, turn: Turn) -> None:
        self._check()
        super().progress(turn)

    def finish(self, turn: Turn) -> None:
        self._check()
        super().finish(turn)

    def _check(self) -> None:
        if self.full:
            raise StoreError("The disk is full: 0 bytes are free.", "full")


async def test_on_a_full_disk_the_reply_stays_visible_and_sending_waits_for_space(scripted, tmp_path: Path) -> None:
    store = FullDisk(f"sqlite:///{tmp_path}/chat.db")
    chat = Chat(Residence(scripted), store)
    store.full = True
    turn = await chat.send(ME, "Hi")
    done = await ended(chat, turn)
    assert (done.finish_reason, done.reply) == ("end", "Hello world")
    assert "disk is full" in chat.unsaved(turn.id) and store.turn(ME, turn.id).running
    assert [t.reply for t in await chat.path(ME, turn.conversation_id)] == ["Hello world"]
    assert [t.reply async for t in chat.follow(ME, turn.id)] == ["Hello world"]
    with pytest.raises(ChatError, match=r"nothing more is sent until it can: The disk is full"):
        await chat.send(ME, "Next", conversation_id=turn.conversation_id)
    store.full = False
    after = await ended(chat, await chat.send(ME, "Next", conversation_id=turn.conversation_id))
    assert "Hello world" in after.prompt_text
    assert store.turn(ME, turn.id) == done and chat.unsaved(turn.id) == ""
    await chat.shutdown()


class Stubborn(Scripted):
    """An engine that gives one more token when it is cancelled, and takes its time to end."""

    async def generate(self, prompt_ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Event]:
        self.fed.append(tuple(prompt_ids))
        yield Token(1000, "shown", None)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            yield Token(1001, " unseen", None)
        await asyncio.sleep(0.3)
        self.closed += 1
        yield Finish("end")


async def test_stop_does_not_wait_for_a_slow_engine_but_the_next_reply_does(scripted, tmp_path: Path) -> None:
    engine = Stubborn(scripted.tokenizer)
    chat = Chat(Residence(engine), Store(f"sqlite:///{tmp_path}/chat.db"))
    first = await chat.send(ME, "One")
    second = await chat.send(YOU, "Two")
    await until(lambda: first.reply == "shown")
    await chat.stop(ME, first.id)
    assert chat.store.turn(ME, first.id).finish_reason == "stopped" and engine.closed == 0
    await until(lambda: len(engine.fed) == 2)
    assert engine.closed == 1, "the engine was free before it got the next prompt"
    assert (first.reply, first.finish_reason, second.running) == ("shown", "stopped", True)
    await chat.shutdown()


async def test_a_message_found_too_long_when_its_time_comes_says_so_and_is_left_out_later(scripted, tmp_path: Path) -> None:
    residence = Residence(scripted, "loading")
    chat = Chat(residence, Store(f"sqlite:///{tmp_path}/chat.db"))
    turn = await chat.send(ME, "many words " * 3000)
    residence.become("ready")
    done = await ended(chat, turn)
    assert done.finish_reason == "error" and "2,048" in done.error and done.user == "many words " * 3000
    assert (await ended(chat, await chat.send(ME, "Short", conversation_id=turn.conversation_id))).finish_reason == "end"
    await chat.shutdown()
