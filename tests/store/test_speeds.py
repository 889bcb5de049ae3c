"""How fast a model wrote, from the records of its replies."""

from chatapp.models.identity import ModelId
from chatapp.store import Store
from chatapp.store.speeds import beside, speeds
from chatapp.turn import Timings, Turn


def said(store: Store, tokens: int, seconds: float, **fields: str | float) -> None:
    turn = Turn("me", "c", "Hi", model="m", revision="r", engine="direct", **fields)
    store.begin(turn)
    turn.reply_ids, turn.logprobs = list(range(tokens)), [None] * tokens
    turn.timings = Timings(started=1.0, first_token=1.0, generating=1.0 + seconds)
    turn.finish_reason = "end"
    store.finish(turn)


def test_replies_of_these_weights_count_the_newest_first_and_short_ones_not(store_url: str) -> None:
    store = Store(store_url)
    said(store, 101, 10.0)
    said(store, 101, 5.0)
    said(store, 15, 0.1)
    assert speeds(store.database, ModelId("m", "r"), "direct") == [20.0, 10.0]
    assert speeds(store.database, ModelId("m", "other"), "direct") == speeds(store.database, ModelId("m", "r"), "llamacpp") == []
    store.close()


def test_replies_beside_a_training_and_those_at_none_are_told_apart(store_url: str) -> None:
    store = Store(store_url)
    assert beside(store.database, 300.0, []) == ([], [])
    said(store, 101, 5.0, created=100.0)
    said(store, 101, 20.0, created=200.0)  # beside an earlier one
    said(store, 101, 10.0, created=310.0)
    assert beside(store.database, 300.0, [(190.0, 210.0), (300.0, 320.0)]) == ([10.0], [20.0])
    store.close()
