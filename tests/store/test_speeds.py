"""How fast a model wrote, from the records of its replies."""

from chatapp.models.identity import ModelId
from chatapp.store import Store
from chatapp.store.speeds import speeds
from chatapp.turn import Timings, Turn


def said(store: Store, tokens: int, seconds: float, **fields: str) -> None:
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
