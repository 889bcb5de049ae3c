"""Export and import lose nothing, and a file that is broken anywhere imports nothing and says where."""

import copy
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatapp import transfer
from chatapp.errors import ChatError, NotFound
from chatapp.store import Conversation, Store, erase, record
from chatapp.transfer import export, import_file, read
from chatapp.turn import Message, Span, new_id
from tests.turns import ME, YOU, asked, believable, turns, turns_of

SHARED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


@pytest.fixture
def chat(store: Store) -> Store:
    """A store with a tree in it: two versions of the second question, the first one shown."""
    first = asked(store, "What is a **tree**?", reply="A plant.\n\n- tall")
    second = asked(store, "And ünder it?", first, reply="Roots.")
    asked(store, "And above?", first, reply="Sky.")
    store.select(ME, second.id)
    store.conversations.pin(ME, "c1")
    store.conversations.rename(ME, "c1", "Trees")
    asked(store, "Other", conversation="c2", reply="Yes.")
    return store


def written(store: Store, kind: str, conversation_id: str | None = None, owner: str = ME) -> str:
    return "".join(export(store, owner, kind, conversation_id))


# our own files


def test_what_was_written_in_last_is_named(chat: Store) -> None:
    data = written(chat, "json").encode()
    assert import_file(chat, ME, data).newest == "c2"  # all known
    erase.everything(chat.database, ME)
    assert import_file(chat, ME, data).newest == "c2"


def test_json_export_import_export_is_identical(chat: Store) -> None:
    before = written(chat, "json")
    erase.everything(chat.database, ME)
    imported = import_file(chat, ME, before.encode())
    assert (imported.kind, imported.ids, imported.turns) == ("chatapp", ("c1", "c2"), 4)
    assert written(chat, "json") == before
    assert [t.user for t in turns_of(chat, ME, "c1")] == ["What is a **tree**?", "And ünder it?"]
    assert [s.id for s in chat.conversations.listed(ME, "roots")] == ["c1"]


def test_what_is_already_here_is_left_alone_and_what_is_missing_comes_back(chat: Store) -> None:
    before = written(chat, "json")
    again = import_file(chat, ME, before.encode())
    assert (again.ids, again.turns, again.known) == ((), 0, ("c1", "c2"))
    assert written(chat, "json") == before
    erase.everything(chat.database, ME)
    import_file(chat, ME, before.encode())
    chat.conversations.delete(ME, "c1")
    restored = import_file(chat, ME, before.encode())
    assert restored.known == ("c2",)
    assert len(chat.conversations.listed(ME)) == 2


@SHARED
@given(data=st.data())
def test_any_turn_survives_export_and_import(store: Store, data: st.DataObject) -> None:
    erase.everything(store.database, ME)
    conversation = new_id()
    turn = believable(data.draw(turns(ME, conversation)))
    store.conversations.add(ME, [Conversation(conversation, "Any", 1.5, 2.5, True, turn.id, [turn])])
    before = written(store, "json")
    before.encode()  # half surrogates are escaped, so that any file can hold it
    for kind in ("markdown", "jsonl"):
        written(store, kind).encode()
    erase.everything(store.database, ME)
    import_file(store, ME, before.encode())
    assert written(store, "json") == before
    assert store.turn(ME, turn.id) == replace(turn, finish_reason=turn.finish_reason or "interrupted")


def test_importing_what_another_owner_has_makes_copies(chat: Store) -> None:
    (theirs,) = import_file(chat, YOU, written(chat, "json", "c1").encode()).ids
    assert theirs != "c1"
    originals, copies = chat.conversations.whole(ME, "c1"), chat.conversations.whole(YOU, theirs)
    assert not {t.id for t in originals.turns} & {t.id for t in copies.turns}
    assert [t.user for t in copies.path()] == [t.user for t in originals.path()]
    assert (copies.title, copies.pinned, copies.created) == (originals.title, originals.pinned, originals.created)
    assert chat.conversations.summary(ME, "c1").title == "Trees"


def test_a_running_reply_is_exported_as_interrupted(store: Store) -> None:
    asked(store, "one", reply=None)
    data = written(store, "json")
    erase.everything(store.database, ME)
    import_file(store, ME, data.encode())
    assert [t.finish_reason for t in turns_of(store, ME, "c1")] == ["interrupted"]
    assert written(store, "json") == data


def test_markdown_carries_the_visible_path(chat: Store) -> None:
    text = written(chat, "markdown", "c1")
    assert text.startswith("# Trees\n")
    assert "## You\n\nWhat is a **tree**?\n\n## Assistant\n\nA plant.\n\n- tall\n" in text
    assert "Roots." in text and "Sky." not in text
    assert "# Other" in written(chat, "markdown") and "# Other" not in text


def test_jsonl_carries_the_visible_path_in_the_sharegpt_form(chat: Store) -> None:
    lines = [json.loads(line) for line in written(chat, "jsonl").splitlines()]
    assert [line["id"] for line in lines] == ["c1", "c2"]
    assert lines[0]["conversations"] == [
        {"from": "human", "value": "What is a **tree**?"},
        {"from": "gpt", "value": "A plant.\n\n- tall"},
        {"from": "human", "value": "And ünder it?"},
        {"from": "gpt", "value": "Roots."},
    ]


@pytest.mark.parametrize("kind", transfer.SUFFIXES)
def test_nobody_exports_another_ones_conversation(chat: Store, kind: str) -> None:
    with pytest.raises(NotFound):
        written(chat, kind, "c1", owner=YOU)
    assert "Trees" not in written(chat, kind, owner=YOU)


@pytest.mark.parametrize("kind", transfer.SUFFIXES)
def test_what_is_deleted_while_everything_is_exported_is_left_out(chat: Store, kind: str) -> None:
    pieces = export(chat, ME, kind)
    text = next(pieces)
    while "Trees" not in text:
        text += next(pieces)
    chat.conversations.delete(ME, "c2")
    text += "".join(pieces)
    assert "Trees" in text and "Other" not in text
    if kind == "json":
        assert [conversation["id"] for conversation in json.loads(text)["conversations"]] == ["c1"]


def test_an_unknown_kind_names_the_known_ones(chat: Store) -> None:
    with pytest.raises(ChatError, match="Did you mean markdown"):
        written(chat, "markdwon")


# broken files


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set (or with ... delete) conversations.0.turns.1.user and the like."""

    def apply(data: dict[str, Any]) -> None:
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        at: Any = data
        for step in steps:
            at = at[step]
        if value is ...:
            del at[last]
        else:
            at[last] = value

    return apply


BROKEN = {
    "conversations.1.title": (7, r"Conversation 2.*title.*string"),
    "conversations.0.title": ("", r"Conversation 1.*title.*has 0 characters"),
    "conversations.1.leaf": ("nowhere", r"Conversation 2 \('Other'\), leaf: is 'nowhere'"),
    "conversations.0.turns": (None, r"Conversation 1 \('Trees'\), turns: must be a list"),
    "conversations.0.turns.0": ("text", r"Conversation 1 \('Trees'\), turn 1: is str"),
    "conversations.0.turns.1.user": (..., r"Conversation 1 \('Trees'\), turn 2: has no id or no user"),
    "conversations.0.turns.1.reply_ids": ([1, "x"], r"turn 2, reply_ids\.1"),
    "conversations.0.turns.1.prompt_ids": ([2**31], r"turn 2, prompt_ids: holds a number that is no token id"),
    "conversations.0.turns.2.parent_id": ("gone", r"turn 3, parent_id: is 'gone'"),
    "conversations.0.turns.2.sampling.temperature": (99, r"turn 3: Temperature is 99"),
    "conversations.0.turns.2.repy_text": ("x", r"'repy_text' is no field. Did you mean reply_text\?"),
    "conversations.0.turns.2.finish_reason": ("bored", r"turn 3, finish_reason"),
    "conversations.0.id": ("../../etc", r"id: '../../etc' is no id"),
    "conversations.1.id": ("c1", r"id c1 occurs twice"),
    "conversations.0": ([], r"Conversation 1: is list, not an object"),
    "conversations.0.created": (math.inf, r"Conversation 1 \('Trees'\), created: is inf; it must be from 0 to 32503680000"),
    "conversations.0.updated": (-1, r"Conversation 1 \('Trees'\), updated: is -1\.0; it must be from 0 to"),
    "conversations.0.turns.0.created": (1e300, r"turn 1, created: is 1e\+300; it must be from 0 to 32503680000"),
    "conversations.0.turns.1.created": (math.nan, r"turn 2, created: is nan"),
    "conversations.0.turns.1.timings.started": (math.inf, r"turn 2, timings, started: is inf"),
    "conversations.0.turns.1.seed": (2**64, r"turn 2, seed: is 18446744073709551616; it must be from 0 to 4294967295"),
    "conversations.0.turns.1.dropped_messages": (10**30, r"turn 2, dropped_messages: is 10+; it must be from 0 to 2147483647"),
    "conversations.0.turns.1.prefix_tokens": (-(10**30), r"turn 2, prefix_tokens: is -10+; it must"),
    "conversations.0.turns.1.cached_prompt_tokens": (2**31, r"turn 2, cached_prompt_tokens: is 2147483648; it must"),
    "conversations.0.turns.1.spans": ([Span(-1, 2, "content", None, None).__dict__], r"turn 2, spans\.0, start: is -1; it must"),
    "conversations.0.turns.1.logprobs": ([-0.5, 1000.0], r"turn 2, logprobs\.1: is 1000\.0; it must be from -inf to 0.01"),
    "conversations.0.turns.1.continues": ("\0\ud800", r"turn 2, continues: '.*' is no id"),
    "version": (5, r"version 5; this program reads versions 1 to 4"),
    "format": ("other", r"holds no conversations that can be imported"),
}


@pytest.mark.parametrize("path", BROKEN)
def test_a_broken_field_is_named_and_nothing_is_imported(chat: Store, path: str) -> None:
    value, says = BROKEN[path]
    data = json.loads(written(chat, "json"))
    change(path, value)(data)
    before = written(chat, "json")
    with pytest.raises(ChatError, match=says):
        import_file(chat, ME, json.dumps(data).encode())
    assert written(chat, "json") == before


IMPOSSIBLE = {
    "negative": ({"prompt_ids": [5, -1]}, r"prompt_ids: holds a number that is no token id: those go from 0 to at most 16777215"),
    "huge": ({"reply_ids": [10**8], "logprobs": [None]}, r"reply_ids: holds a number that is no token id"),
    "probabilities of nothing": ({"logprobs": [-0.5]}, r"logprobs: holds 1 numbers for 0 tokens of the reply"),
    "beginning": ({"prompt_ids": [5], "prefix_tokens": 2}, r"prefix_tokens: is 2, and the prompt has 1 tokens"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_a_record_that_no_model_can_have_made_is_refused(chat: Store, case: str) -> None:
    values, says = IMPOSSIBLE[case]
    data = json.loads(written(chat, "json"))
    data["conversations"][0]["turns"][1] |= values
    with pytest.raises(ChatError, match=f"turn 2, {says}.*Nothing was imported"):
        import_file(chat, ME, json.dumps(data).encode())


def test_a_loop_of_parents_is_refused(chat: Store) -> None:
    data = json.loads(written(chat, "json"))
    first, second = data["conversations"][0]["turns"][:2]
    first["parent_id"] = second["id"]
    with pytest.raises(ChatError, match="parent_id: makes a loop"):
        import_file(chat, ME, json.dumps(data).encode())


def test_turns_in_any_order_are_accepted(chat: Store) -> None:
    data = json.loads(written(chat, "json"))
    before = copy.deepcopy(data)
    data["conversations"][0]["turns"].reverse()
    erase.everything(chat.database, ME)
    import_file(chat, ME, json.dumps(data).encode())
    assert json.loads(written(chat, "json")) == before


NOT_EVEN_JSON = {
    b"": "Line 1, column 1",
    b'{"format": "chatapp",\n "version": 1,\n "conv': r"Line 3, column 2.*cut off",
    b"PK\x03\x04zip": "ZIP archive. Unpack it",
    b"\xff\xfe\x00": "no UTF-8 text: byte 0",
    b"[]": "holds no conversations",
    b"{}": "holds no conversations",
    b"7": "holds no conversations",
    b'[{"foo": 1}]': "holds no conversations",
    b"[" * 100_000: "no usable JSON",
    b"[" + b"9" * 10_000 + b"]": "no usable JSON",
}


@pytest.mark.parametrize("data", NOT_EVEN_JSON, ids=lambda d: ascii(d[:12]))
def test_other_files_are_refused_with_the_reason(data: bytes) -> None:
    with pytest.raises(ChatError, match=NOT_EVEN_JSON[data]):
        read(data, ME)


def test_a_file_cut_at_any_place_imports_nothing(chat: Store) -> None:
    data = written(chat, "json").encode()
    for end in range(0, len(data) - 2, 97):
        with pytest.raises(ChatError):
            read(data[:end], ME)


def test_too_much_is_refused_with_the_numbers(chat: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(chat, "json").encode()
    monkeypatch.setattr(transfer, "MAX_BYTES", 1000)
    with pytest.raises(ChatError, match="MiB"):
        read(data, ME)
    monkeypatch.undo()
    monkeypatch.setattr(record, "MAX_TURNS", 3)
    with pytest.raises(ChatError, match="4 questions; one import takes at most 3"):
        read(data, ME)
    monkeypatch.setattr(record, "MAX_TURNS", 4)
    monkeypatch.setattr(record, "MAX_TEXT", 10)
    with pytest.raises(ChatError, match="turn 1, user: has 19 characters; at most 10"):
        read(data, ME)


# other programs' files


def gpt(id: str, parent: str | None, role: str | None, *parts: Any, **more: Any) -> tuple[str, dict[str, Any]]:
    message = {
        "id": id,
        "author": {"role": role},
        "create_time": 100.0 + len(id),
        "content": {"content_type": "text", "parts": list(parts)},
    }
    return id, {"id": id, "parent": parent, "children": [], "message": None if role is None else message | more}


CHATGPT = {
    "title": "Plants", "create_time": 50.5, "update_time": 60.5, "conversation_id": "6a2c-11", "current_node": "a3",
    "mapping": dict([
        gpt("root", None, None),
        gpt("sys", "root", "system", ""),
        gpt("u1", "sys", "user", "What is a tree?"),
        gpt("a1", "u1", "assistant", "A plant.", metadata={"model_slug": "gpt-4o"}),
        gpt("a2", "u1", "assistant", "A graph."),
        gpt("u2", "a2", "user", "Draw it.", {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}),
        gpt("t0", "u2", "assistant", "Let me see."),
        gpt("t1", "t0", "tool", "0.3 s"),
        gpt("a3", "t1", "assistant", "o-o"),
    ]),
}  # fmt: skip


def test_chatgpts_tree_becomes_turns_with_their_versions() -> None:
    kind, (found,) = read(json.dumps([CHATGPT]).encode(), ME)
    assert kind == "chatgpt"
    assert (found.id, found.title, found.created, found.updated) == ("6a2c-11", "Plants", 50.5, 60.5)
    plant, graph, drawn = found.turns
    assert [t.user for t in found.turns[:2]] == ["What is a tree?"] * 2
    assert (plant.reply_text, plant.model, graph.reply_text) == ("A plant.", "gpt-4o", "A graph.")
    assert drawn.parent_id == graph.id and plant.parent_id is graph.parent_id is None
    assert drawn.user.startswith("Draw it.\n") and "file-service://x" in drawn.user
    assert drawn.reply_text == "Let me see.\n\n[tool]\n0.3 s\n\no-o"
    assert found.path() == [graph, drawn]
    assert {t.engine for t in found.turns} == {"chatgpt"} and {t.owner for t in found.turns} == {ME}


def test_shapes_that_are_no_question_and_answer_lose_nothing() -> None:
    mapping = dict([
        gpt("s", None, "system", "Be brief."),
        gpt("hello", "s", "assistant", "Welcome!"),
        gpt("u1", "hello", "user", "unanswered"),
        gpt("u2", "u1", "user", "answered"),
        gpt("a2", "u2", "assistant", "yes"),
        gpt("u3", "a2", "user", "last word"),
    ])  # fmt: skip
    _, (found,) = read(json.dumps(CHATGPT | {"mapping": mapping, "current_node": "u3"}).encode(), ME)
    first, last = found.turns
    assert first.system == last.system == "Be brief."
    assert first.history == (Message("assistant", "Welcome!"), Message("user", "unanswered"))
    assert (first.user, first.reply_text, first.finish_reason) == ("answered", "yes", "end")
    assert (last.user, last.reply_text, last.finish_reason, last.parent_id) == ("last word", "", "stopped", first.id)
    assert found.path() == [first, last]


def test_a_chat_of_greetings_only_keeps_them() -> None:
    _, (found,) = read(json.dumps(CHATGPT | {"mapping": dict([gpt("a", None, "assistant", "Hi!")]), "current_node": "a"}).encode(), ME)
    assert [(t.user, t.reply_text) for t in found.turns] == [("", "Hi!")]


WORD = st.integers(0, 10**9).map(lambda n: f"w{n}")
MESSAGES = st.lists(st.tuples(st.sampled_from(["user", "assistant", "system", "tool"]), st.integers(0, 30), WORD), min_size=1, max_size=15)


@settings(max_examples=150, deadline=None)
@given(messages=MESSAGES)
def test_no_text_of_any_tree_is_lost(messages: list[tuple[str, int, str]]) -> None:
    mapping = dict(gpt(f"m{n}", f"m{up % n}" if n else None, role, word) for n, (role, up, word) in enumerate(messages))
    _, (found,) = read(json.dumps(CHATGPT | {"mapping": mapping, "current_node": f"m{len(messages) - 1}"}).encode(), ME)
    kept = " ".join(" ".join([t.system, *(m.content for m in t.history), t.user, t.reply_text]) for t in found.turns)
    assert {word for _, _, word in messages if word not in kept.replace("\n", " ").split()} == set()
    shown = " ".join(f"{t.user} {t.reply_text} {t.system} {[m.content for m in t.history]}" for t in found.path())
    assert messages[-1][2] in shown


def owui(id: str, parent: str | None, role: str, content: Any, **more: Any) -> tuple[str, dict[str, Any]]:
    return id, {"id": id, "parentId": parent, "childrenIds": [], "role": role, "content": content, "timestamp": 1_700_000_000, **more}


OPEN_WEBUI = {
    "id": "b0b", "user_id": "u", "title": "Plants", "created_at": 1_700_000_000, "updated_at": 1_700_000_500, "pinned": True,
    "chat": {
        "title": "Plants", "params": {"system": "Be brief."}, "timestamp": 1_700_000_000_000,
        "history": {
            "currentId": "a2",
            "messages": dict([
                owui("u1", None, "user", "What is a tree?", files=[{"name": "oak.pdf"}]),
                owui("a1", "u1", "assistant", "A plant.", model="llama"),
                owui("a2", "u1", "assistant", "A gra", model="qwen", done=False),
                owui("u2", "a1", "user", [{"type": "text", "text": "And a bush?"}]),
                owui("a3", "u2", "assistant", "", error={"content": "no memory"}),
            ]),
        },
    },
}  # fmt: skip


def test_open_webuis_tree_becomes_turns() -> None:
    kind, (found,) = read(json.dumps([OPEN_WEBUI]).encode(), ME)
    assert kind == "open-webui"
    assert (found.id, found.pinned, found.created, found.updated) == ("b0b", True, 1_700_000_000, 1_700_000_500)
    by_reply = {t.reply_text: t for t in found.turns}
    assert {t.system for t in found.turns} == {"Be brief."}
    assert "oak.pdf" in by_reply["A plant."].user
    assert (by_reply["A gra"].model, by_reply["A gra"].finish_reason) == ("qwen", "interrupted")
    bush = by_reply[""]
    assert (bush.user, bush.error, bush.finish_reason, bush.parent_id) == ("And a bush?", "no memory", "error", by_reply["A plant."].id)
    assert found.path() == [by_reply["A gra"]]


def test_open_webuis_old_list_of_messages_is_read_too() -> None:
    old = {"title": "Old", "chat": {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}}
    _, (found,) = read(json.dumps([old]).encode(), ME)
    assert [(t.user, t.reply_text) for t in found.path()] == [("q", "a")]


@pytest.mark.parametrize("source", [CHATGPT, OPEN_WEBUI], ids=["chatgpt", "open-webui"])
def test_what_others_exported_can_be_stored_and_imported_twice(store: Store, source: dict[str, Any]) -> None:
    data = json.dumps([source]).encode()
    first = import_file(store, ME, data).ids
    again = import_file(store, ME, data)
    assert (again.ids, again.known) == ((), first) and len(store.conversations.listed(ME, "plant")) == 1
    second = import_file(store, "another", data).ids
    assert first != second
    one, two = store.conversations.whole(ME, first[0]), store.conversations.whole("another", second[0])
    assert [t.user for t in one.path()] == [t.user for t in two.path()]


PEERS_BROKEN = [
    (CHATGPT, "mapping.a1.message.author", ..., r"Conversation 2 \('Plants'\), mapping\.a1\.message, author: is missing"),
    (CHATGPT, "mapping.a1.parent", "gone", r"message a1, parent: is 'gone'"),
    (CHATGPT, "mapping.a1.message.content.parts", 7, r""),
    (CHATGPT, "mapping.u1.parent", "a1", r"make a loop"),
    (CHATGPT, "mapping.u1.message.create_time", "noon", r"mapping\.u1, create_time: is 'noon', which is no time"),
    (CHATGPT, "create_time", math.inf, r"Conversation 2 \('Plants'\), create_time: is inf; it must be from 0 to 32503680000"),
    (CHATGPT, "mapping.u1.message.create_time", 10**400, r"mapping\.u1, create_time: is 10+; it must be from 0 to"),
    (OPEN_WEBUI, "updated_at", math.nan, r"Conversation 2 \('Plants'\), updated_at: is nan; it must be from 0 to"),
    (OPEN_WEBUI, "chat.history.messages.u1.timestamp", 4e10, r"messages\.u1, timestamp: is 40000000000\.0; it must be from 0 to"),
    (CHATGPT, "mapping", [], r"Conversation 2 \('Plants'\), mapping: is list; it must be dict"),
    (CHATGPT, "mapping.u1", 7, r"mapping\.u1: is int, not an object"),
    (OPEN_WEBUI, "chat.history.messages.u1.role", ..., r"chat\.history\.messages\.u1, role: is missing"),
    (OPEN_WEBUI, "chat.history.messages.u1.content", 7, r"messages\.u1\.content: is int, not a text"),
    (OPEN_WEBUI, "chat.history.messages", ..., r"chat\.history, messages: is missing"),
    (OPEN_WEBUI, "chat", None, r"Conversation 2 \('Plants'\), chat: is missing"),
]


@pytest.mark.parametrize(("source", "path", "value", "says"), PEERS_BROKEN, ids=[f"{p[1]}={p[2]!r:.10}" for p in PEERS_BROKEN])
def test_a_broken_message_of_another_program_is_named(source: dict[str, Any], path: str, value: Any, says: str) -> None:
    broken = copy.deepcopy(source)
    change(path, value)(broken)
    data = json.dumps([source | {"id": "x", "conversation_id": "x"}, broken]).encode()
    if says:
        with pytest.raises(ChatError, match=says + ".*Nothing was imported"):
            read(data, ME)
    else:
        read(data, ME)  # an unknown kind of content is kept as it is


def test_one_bad_conversation_among_good_ones_imports_none(store: Store) -> None:
    data = [CHATGPT, CHATGPT | {"conversation_id": "other", "mapping": None}]
    with pytest.raises(ChatError, match="Conversation 2"):
        import_file(store, ME, json.dumps(data).encode())
    assert store.conversations.listed(ME) == []


def test_a_very_deep_conversation_is_no_problem(store: Store) -> None:
    mapping = dict(gpt(f"m{n}", f"m{n - 1}" if n else None, "user" if n % 2 == 0 else "assistant", str(n)) for n in range(5000))
    imported = import_file(store, ME, json.dumps(CHATGPT | {"mapping": mapping, "current_node": "m4999"}).encode())
    assert imported.turns == 2500
    assert len(turns_of(store, ME, imported.ids[0])) == 2500
    assert len(store.conversations.listed(ME, "4998")) == 1
