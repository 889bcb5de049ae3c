"""Search finds words in titles, questions and replies, in any script, and marks them; the same on both databases."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatapp.store import Store, erase
from chatapp.store.search import MAX_TOKEN_CHARS, document, tokens
from tests.turns import ME, YOU, asked, turns_of

TEXTS = {
    "german": ("Wie wird das Wetter in Zürich?", "Größtenteils sonnig, dazu naïve café-Laune."),
    "chinese": ("什么是机器学习?", "机器学习是人工智能的一个分支。"),
    "japanese": ("データベースとは?", "情報を整理したものです。"),
    "thai": ("สวัสดีครับ", "ยินดีต้อนรับ"),
    "hindi": ("हिन्दी में लिखो", "नमस्ते दुनिया"),
    "russian": ("Что такое дерево?", "Ёлка — это дерево."),
    "code": ("def parse_line(text): C++ vs C", "Use `json.loads('[1]')`, v2.31, or SELECT * FROM t WHERE x = \"AND\""),
    "emoji": ("party 🎉🎂", "ok\0\ud800 fine"),
}

FINDS = {
    "wetter": ["german"],
    "WETT": ["german"],
    "zurich": ["german"],
    "Zürich sonnig": ["german"],
    "größten": ["german"],
    "grossten": [],
    "cafe": ["german"],
    "机器": ["chinese"],
    "器学习": ["chinese"],
    "能": ["chinese"],
    "人工智能 什么": ["chinese"],
    "机学": [],
    "ベース": ["japanese"],
    "整理": ["japanese"],
    "ต้อน": ["thai"],
    "हिन्दी": ["hindi"],
    "नमस्": ["hindi"],
    "дерев елка": ["russian"],
    "parse line": ["code"],
    "loads select": ["code"],
    "C": ["code"],
    "v2.31": ["code"],
    "🎉": ["emoji"],
    "🎂 party": ["emoji"],
    "fine": ["emoji"],
    "etter": ["german"],
    "tenteils": ["german"],
    "tt": [],
    "ession": [],
    "dun": [],
    "wetter json": [],
    "etter onnig": ["german"],
    "etter json": [],
    '"das Wetter in"': ["german"],
    '"wetter das"': [],
    '"das wett"': [],
    "“größtenteils SONNIG”": ["german"],
    '"wird das" onni': ["german"],
    '"wird das" json': [],
    '"parse line"': ["code"],
    '"是人工智能"': ["chinese"],
    '"unclosed wetter': [],
    "": [],
}


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


def ids(store: Store, query: str, owner: str = ME) -> list[str]:
    return sorted(found.id for found in store.conversations.listed(owner, query))


def test_words_and_pieces_of_unspaced_writing_are_found_in_every_script(store: Store) -> None:
    for name, (question, reply) in TEXTS.items():
        asked(store, question, conversation=name, reply=reply)
    found = {query: ids(store, query) for query in FINDS if query}
    assert found == {query: names for query, names in FINDS.items() if query}


ODD = [
    '"',
    "'",
    "*",
    "AND",
    "OR NOT",
    "NEAR(a b)",
    "a:b",
    "(",
    "^a",
    "-a",
    "a & b | !c",
    ":*",
    "\\",
    "%_",
    "\0",
    "\ud800",
    ";--",
    "+",
    "…",
    " ",
]


@pytest.mark.parametrize("query", [*ODD, "a" * 5000], ids=lambda q: ascii(q[:12]))
def test_no_query_is_a_syntax_error(store: Store, query: str) -> None:
    asked(store, "plain words")
    store.conversations.listed(ME, query)
    assert ids(store, f"plain {query if query not in ('AND', 'OR NOT') else ''}") in (["c1"], [])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=60), data=st.data())
def test_every_word_of_a_text_finds_it_and_marks_itself(store: Store, text: str, data: st.DataObject) -> None:
    erase.everything(store.database, ME)
    asked(store, text, reply=None)
    for word in filter(tokens, text.split()):
        (found,) = store.conversations.listed(ME, word)
        assert found.snippet_ranges, f"{word!r} is not marked in {found.snippet!r}"


def test_the_reply_is_found_once_finished_and_ranges_mark_the_words(store: Store) -> None:
    turn = asked(store, "question", reply="\n".join(["filler"] * 100 + ["Then the Wombat came.", *["tail"] * 100]))
    (found,) = store.conversations.listed(ME, "wombat the")
    assert (found.id, found.found) == ("c1", turn.id)
    assert {found.snippet[a:b] for a, b in found.snippet_ranges} == {"The", "the", "Wombat"}
    assert "\n" not in found.snippet and found.snippet.startswith("…") and found.snippet.endswith("…") and len(found.snippet) < 170


def test_characters_that_are_stored_escaped_are_indexed_as_themselves(store: Store) -> None:
    asked(store, "\x000 wombat\x00bear", owner="o\x00")
    store.conversations.rename("o\x00", "c1", "\x007")
    for query in ("0", "bear", "7"):
        assert ids(store, query, "o\x00") == ["c1"], query
    assert ids(store, "00000", "o\x00") == []


def test_a_title_alone_is_found_and_marked(store: Store) -> None:
    asked(store, "question")
    store.conversations.rename(ME, "c1", "Of wombats")
    (found,) = store.conversations.listed(ME, "wombat")
    assert (found.title_ranges, found.snippet, found.found) == (((3, 9),), "", None)
    store.conversations.rename(ME, "c1", "Of bears")
    assert ids(store, "wombat") == []


def test_the_middle_of_a_word_and_a_phrase_are_marked_where_they_stand(store: Store) -> None:
    asked(store, "The zebra is of the savanna. Of zebras there are three kinds.")
    for query, words in {"ebra": {"ebra"}, '"of the"': {"of the"}, '"zebra is" kin': {"zebra is", "kin"}}.items():
        (found,) = store.conversations.listed(ME, query)
        assert {found.snippet[a:b] for a, b in found.snippet_ranges} == words, query


def test_a_phrase_is_found_in_a_title_and_never_in_the_mark_of_its_owner(store: Store) -> None:
    from chatapp.store.search import owner_token

    asked(store, "question")
    store.conversations.rename(ME, "c1", "On the origin of species")
    assert ids(store, '"the origin"') == ["c1"]
    assert ids(store, '"origin the"') == []
    assert ids(store, owner_token(ME)[3:9]) == []


def test_html_in_a_snippet_is_left_for_the_page_to_escape(store: Store) -> None:
    asked(store, "<b onclick=x>wombat</b>")
    (found,) = store.conversations.listed(ME, "wombat")
    assert found.snippet == "<b onclick=x>wombat</b>"


def test_other_versions_and_drafts_of_a_branch_are_searched_too_but_not_deleted_ones(store: Store) -> None:
    first = asked(store, "root")
    old = asked(store, "wombat", first)
    asked(store, "bear", first)
    assert ids(store, "wombat") == ["c1"]
    store.delete_turn(ME, old.id, keep_children=False)
    assert ids(store, "wombat") == []


def test_search_shows_only_the_owners_conversations(store: Store) -> None:
    from chatapp.store.search import owner_token

    asked(store, f"wombat {owner_token(ME)}", conversation="theirs", owner=YOU)
    asked(store, "wombat", conversation="mine")
    assert ids(store, "wombat") == ["mine"]
    assert ids(store, "wombat", YOU) == ["theirs"]
    assert ids(store, owner_token(YOU)) == []


def test_many_matches_give_the_newest_and_the_limit_holds(store: Store) -> None:
    for n in range(30):
        first = asked(store, "wombat", conversation=f"c{n:02}")
        asked(store, "wombat again", first, conversation=f"c{n:02}")
    assert [s.id for s in store.conversations.listed(ME, "wombat", limit=10)] == [f"c{n:02}" for n in range(29, 19, -1)]
    for n in range(20, 30):
        store.conversations.delete(ME, f"c{n:02}")
    assert [s.id for s in store.conversations.listed(ME, "wombat", limit=10)] == [f"c{n:02}" for n in range(19, 9, -1)]


def test_a_huge_text_is_kept_and_its_beginning_indexed(store: Store) -> None:
    """PostgreSQL refuses a search document above 1 MB."""
    huge = " ".join(f"{n:x}äöü{n}" for n in range(200_000))
    asked(store, "aaa wombat", reply=huge)
    assert turns_of(store, ME, "c1")[0].reply_text == huge
    assert len(document(ME, huge)) < 3 * MAX_TOKEN_CHARS
    assert store.conversations.listed(ME, "0äöü0")[0].id == "c1"
