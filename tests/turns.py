"""Turns for the tests of the store: short ones by hand, and any turn at all by hypothesis."""

import time
from dataclasses import replace

import sqlalchemy as sa
from hypothesis import strategies as st

from chatapp.sampling import SAMPLING_PARAMS, Sampling
from chatapp.store import Conversation, Store
from chatapp.store.schema import drafts
from chatapp.turn import Message, Span, Timings, Turn, new_id

ME, YOU = "owner-me", "owner-you"


def asked(
    store: Store, text: str, parent: Turn | None = None, *, conversation: str = "c1", owner: str = ME, reply: str | None = ""
) -> Turn:
    """A question in the store; with a reply also finished, with reply=None still running."""
    turn = Turn(owner, conversation, text, parent_id=parent.id if parent else None)
    store.begin(turn)
    if reply is not None:
        turn.reply_text, turn.finish_reason = reply, "end"
        store.finish(turn)
    return turn


def turns_of(store: Store, owner: str, conversation_id: str) -> list[Turn]:
    """The visible path as it is stored, prompts included."""
    return store.conversations.whole(owner, conversation_id).path()


def died(store: Store, seen_by: Store) -> None:
    """The system does to the store what it does for a process that died; PostgreSQL takes a moment to notice."""
    store.runner.close()

    def alive() -> bool:
        with seen_by.database.read() as connection:
            return seen_by.runner.alive(connection, store.runner.id)

    deadline = time.monotonic() + 30
    while alive():
        assert time.monotonic() < deadline, "the lock of a closed connection is still held"
        time.sleep(0.01)


def all_of(store: Store, owner: str) -> list[Conversation]:
    """Everything that somebody has."""
    return [store.conversations.whole(owner, id) for id in store.conversations.ids(owner)]


def put_draft(store: Store, owner: str, text: str) -> None:
    """An unsent text, as earlier versions kept it."""
    with store.database.write() as connection:
        connection.execute(drafts.insert(), dict(owner=owner, key="new", text=text, updated=1.0))


def drafts_of(store: Store, owner: str) -> list[str]:
    with store.database.read() as connection:
        return list(connection.execute(sa.select(drafts.c.text).where(drafts.c.owner == owner)).scalars())


TEXT = st.text(st.characters(codec=None), max_size=30)  # any code point: NUL, half surrogates, what the escape itself uses
ID = st.integers(-(2**31), 2**31 - 1)
COUNT = st.integers(0, 2**31 - 1)
SECONDS = st.floats(0, 1e10, allow_nan=False)
ROLE = st.sampled_from(["system", "user", "assistant"])
LOGPROB = st.none() | st.floats(max_value=0, width=32, allow_nan=False)
MESSAGE = st.builds(Message, ROLE, TEXT)
SPAN = st.builds(Span, COUNT, COUNT, st.sampled_from(["content", "template"]), st.none() | ROLE, st.none() | COUNT)
SAMPLING = st.builds(
    Sampling,
    **{k.name: st.integers(int(k.minimum), int(k.maximum)) for k in SAMPLING_PARAMS if isinstance(k.default, int)},
    **{k.name: st.floats(k.minimum, k.maximum) for k in SAMPLING_PARAMS if isinstance(k.default, float)},
    seed=st.none() | st.integers(0, 2**32 - 1),
    stop=st.lists(st.text(min_size=1, max_size=5), max_size=3).map(tuple),
)


def believable(turn: Turn) -> Turn:
    """The same with numbers that a model could have written: what an import takes."""
    prompt, reply = tuple(i % 2**24 for i in turn.prompt_ids), [i % 2**24 for i in turn.reply_ids]
    logprobs = (turn.logprobs + [None] * len(reply))[: len(reply)]
    return replace(turn, prompt_ids=prompt, reply_ids=reply, logprobs=logprobs, prefix_tokens=min(turn.prefix_tokens, len(prompt)))


def turns(owner: str, conversation_id: str) -> st.SearchStrategy[Turn]:
    """Any turn that the dataclass can hold, under a new id."""
    made = st.builds(
        Turn,
        st.just(owner),
        st.just(conversation_id),
        TEXT,
        parent_id=st.none(),
        system=TEXT,
        history=st.lists(MESSAGE, max_size=3).map(tuple),
        sampling=SAMPLING,
        created=SECONDS,
        prompt_text=TEXT,
        prompt_ids=st.lists(ID, max_size=20).map(tuple),
        spans=st.lists(SPAN, max_size=3).map(tuple),
        dropped_messages=COUNT,
        escaped_special_tokens=st.lists(TEXT, max_size=3).map(tuple),
        date=TEXT,
        prefix_tokens=COUNT,
        prefix_text=TEXT,
        continues=st.none() | st.uuids().map(lambda u: u.hex),
        reply_text=TEXT,
        reply_ids=st.lists(ID, max_size=20),
        logprobs=st.lists(LOGPROB, max_size=20),
        finish_reason=st.sampled_from(["", "end", "length", "stop", "stopped", "error", "interrupted"]),
        error=TEXT,
        cached_prompt_tokens=COUNT,
        timings=st.builds(Timings, SECONDS, SECONDS, st.none() | SECONDS, SECONDS),
        model=TEXT,
        revision=TEXT,
        engine=TEXT,
        device=TEXT,
        dtype=TEXT,
        versions=st.dictionaries(TEXT, TEXT, max_size=3),
    )
    return made.map(lambda turn: replace(turn, id=new_id()))
