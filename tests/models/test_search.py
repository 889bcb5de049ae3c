"""Searching the Hub, and a model's card: what each says before anything is downloaded, and that nothing of it is believed blindly."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.described import can
from chatapp.models.fits import Room, float_size
from chatapp.models.hub_access import Hub
from chatapp.models.hub_card import card
from chatapp.models.search import Query, pasted, search
from chatapp.models.shape import shape_of
from chatapp.models.weights import Weights
from tests.conftest import CHATML
from tests.fakehub import FakeHub
from tests.fakerepo import safetensors
from tests.hubs import online

ROOM = Room(10_000_000_000, 4)
LLAMA = {"model_type": "llama", "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 64}
THINKING = "{%- if tools %}{{ tools }}{% endif %}{% if enable_thinking is false %}<think></think>{% endif %}"


def files(values: int = 1000, template: str = CHATML, **config: object) -> dict[str, bytes]:
    return {
        "config.json": json.dumps(LLAMA | config).encode(),
        "tokenizer_config.json": json.dumps({"chat_template": template}).encode(),
        "model.safetensors": safetensors(values),
    }


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator[tuple[FakeHub, Hub]]:
    with online(tmp_path / "cache") as both:
        yield both


def names(hubs: tuple[FakeHub, Hub], **asked: object) -> list[str]:
    return [found.repo for found in search(Query(**asked), ROOM, hubs[1])]


def test_every_filter_and_order_reaches_the_hub_and_pages_are_followed(hubs: tuple[FakeHub, Hub]) -> None:
    fake, _ = hubs
    fake.add("a/one", files(10_000_000), likes=1, downloads=3, trending=2, created="2024-01-01T00:00:00.000Z", card={"datasets": ["d/x"]})
    fake.add("a/two", files(2_000_000_000), likes=2, downloads=1, trending=3, created="2025-01-01T00:00:00.000Z")
    fake.add("b/three", files(), likes=3, downloads=2, trending=1, created="2023-01-01T00:00:00.000Z", task="text-classification")
    fake.add(
        "b/four", {"q.gguf": b"GGUF"}, library="gguf", gguf={"total": 1000, "architecture": "llama", "chat_template": "{{ messages }}"}
    )
    fake.add("b/secret", files(), private=True)
    assert [names(hubs, sort=sort) for sort in ("trending", "downloads", "likes", "new")] == [
        ["a/two", "a/one"],
        ["a/one", "a/two"],
        ["a/two", "a/one"],
        ["a/two", "a/one"],
    ]
    assert names(hubs, text="ON") == ["a/one"]
    assert names(hubs, task="text-classification") == ["b/three"]
    assert names(hubs, task="", library="", sort="likes") == ["b/three", "a/two", "a/one", "b/four"]
    assert names(hubs, library="gguf") == ["b/four"]
    assert names(hubs, dataset="d/x") == ["a/one"]
    assert names(hubs, most="1B") == ["a/one"]
    fake.page = 1
    assert names(hubs, task="", library="", rows=3, sort="downloads") == ["a/one", "b/three", "a/two"]
    assert names(hubs, text="nothing") == []


def test_a_row_says_what_the_model_is(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    card = {"license": "apache-2.0", "language": ["en", "de", "x" * 99]}
    fake.add("a/chat", files(2_000_000, THINKING), card=card, gated="manual", downloads=7)
    fake.add("a/base", files(9_000_000_000, ""))
    chat, base = search(Query(), ROOM, hub)
    assert (chat.parameters, chat.licence, chat.gate, chat.downloads, chat.languages) == (
        2_000_000,
        "apache-2.0",
        "manual",
        7,
        ("en", "de"),
    )
    assert (chat.abilities.chat, chat.abilities.tools, chat.abilities.switch) == (True, True, "enable_thinking")
    assert (chat.fit.verdict, chat.model_type) == ("fits", "llama")
    assert not base.abilities.chat
    assert (base.fit.verdict, base.fit.words) == ("too large", "It needs 39.6 GB and 10.0 GB are free.")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (Query(sort="best"), "'best' is no order. Give one of trending, downloads, likes, new"),
        (Query(library="keras"), "'keras' is no library that this app loads"),
        (Query(most="big"), "'big' is no number of parameters"),
        (Query(rows=9999), "9999 models were asked for; 1 to 200"),
        (Query(text="x" * 500), "has 500 characters; at most 200"),
    ],
)
def test_what_is_no_query_is_refused_in_words(query: Query, words: str) -> None:
    with pytest.raises(ChatError, match=words):
        search(query, ROOM)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://huggingface.co/org/m", "org/m"),
        (" hf.co/org/m?library=transformers#x ", "org/m"),
        ("https://huggingface.co/gpt2", "gpt2"),
        ("https://huggingface.co/org/m/tree/v1", "org/m@v1"),
        ("https://huggingface.co/org/m/blob/main/a/b.Q4.gguf", "org/m:a/b.Q4.gguf"),
        ("https://huggingface.co/org/m/resolve/v1/b.GGUF?download=true", "org/m@v1:b.GGUF"),
        ("https://huggingface.co/datasets/org/m", ""),
        ("https://evil.example/org/m", ""),
        ("org/m", ""),
        ("http://[x", ""),
    ],
)
def test_an_address_of_the_hub_is_the_name_of_its_model(text: str, name: str) -> None:
    assert pasted(text) == name


def test_a_card_says_what_would_come_and_what_it_can_do(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    card_data = {"license": "mit", "language": "en", "tags": ["a", "b"], "nested": {"x": 1}}
    readme = b"---\nlicense: mit\n---\n# Title\n\nWords <script>alert(1)</script>\n"
    repo = fake.add("a/m", files(1000, "") | {"README.md": readme, "chat_template.jinja": THINKING.encode(), "x.bin": b"1"}, card=card_data)
    found = card("a/m", "", ROOM, hub)
    assert (found.commit, found.text.strip()) == (repo.sha, "# Title\n\nWords <script>alert(1)</script>")
    assert dict(found.front) == {"license": "mit", "language": "en", "tags": "a, b", "nested": '{"x": 1}'}
    assert found.about.abilities.switch == "enable_thinking"
    (choice,) = found.choices
    needed = sum(len(data) for name, data in repo.files.items() if name not in ("README.md", "x.bin"))
    assert (choice.name, choice.bytes, choice.fit.verdict) == ("a/m", needed, "fits")
    assert found.config["num_hidden_layers"] == 2 and found.closed == ""


def test_gguf_files_are_a_choice_smallest_first_and_parts_are_one(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    fake.add(
        "a/q", {"m.Q8.gguf": b"x" * 80, "m.Q4.gguf": b"x" * 40, "m-00001-of-00002.gguf": b"x" * 50, "m-00002-of-00002.gguf": b"x" * 51}
    )
    found = card("a/q", "", ROOM, hub)
    assert [(choice.name, choice.bytes) for choice in found.choices] == [
        ("a/q:m.Q4.gguf", 40),
        ("a/q:m.Q8.gguf", 80),
        ("a/q:m-00001-of-00002.gguf", 101),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"config.json": b"{}", "pytorch_model.bin": b"x"}, "Its weights are in pytorch_model.bin. Such files can run code"),
        ({"adapter_config.json": b"{}", "adapter_model.safetensors": safetensors(1)}, "It is a LoRA adapter"),
        ({"README.md": b"hello"}, "It holds no weights"),
    ],
)
def test_what_cannot_be_loaded_says_why(content: dict[str, bytes], words: str, hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    fake.add("a/m", content)
    found = card("a/m", "", ROOM, hub)
    assert found.choices == () and words in found.problem


def test_a_gated_card_is_read_as_far_as_it_may_be(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    fake.add("a/m", files() | {"README.md": b"# Open words"}, gated="auto", readers=frozenset({"hf_in"}))
    outside, inside = card("a/m", "", ROOM, hub), card("a/m", "", ROOM, replace(hub, token="hf_in"))
    assert "Open words" in outside.text and "accept terms" in outside.closed and outside.about.gate == "auto"
    assert inside.closed == "" and inside.config["num_hidden_layers"] == 2


def test_lies_in_config_json_change_nothing_but_the_forecast(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    fake.add("a/huge", files(num_hidden_layers=10**9, hidden_size=10**9))
    fake.add("a/odd", {"config.json": b"[" * 100_000, "model.safetensors": safetensors(1000)} | {"README.md": b"---\nunfinished"})
    fake.repos["a/odd"].config = lambda: {"tokenizer_config": ["x"], "model_type": {"a": 1}}
    assert card("a/huge", "", ROOM, hub).choices[0].fit.verdict == "too large"
    odd = card("a/odd", "", ROOM, hub)
    assert odd.config == {"tokenizer_config": ["x"], "model_type": {"a": 1}} and odd.choices[0].bytes > 0


def test_a_missing_model_and_revision_are_said(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    fake.add("a/m", files())
    with pytest.raises(ChatError, match="a/none is not on the Hub, or is private"):
        card("a/none", "", ROOM, hub)
    with pytest.raises(ChatError, match="a/m has no revision v9"):
        card("a/m", "v9", ROOM, hub)
    with pytest.raises(ChatError, match="is not a valid Hub id"):
        card("../../etc", "", ROOM, hub)


def test_the_forecast_takes_weights_as_they_are_held_and_keys_and_values_of_the_context() -> None:
    config = LLAMA | {"max_position_embeddings": 512}
    assert (shape_of(config).kv_numbers, shape_of(config).context) == (2 * 2 * 2 * 16, 512)
    assert shape_of({"text_config": config}).kv_numbers == 2 * 2 * 2 * 16
    assert shape_of({"n_layer": 12, "n_head": 12, "n_embd": 768}).kv_numbers == 2 * 12 * 768
    assert shape_of({"num_hidden_layers": "many"}).kv_numbers == 0
    fit = Room(1_000_000_000, 4).of_weights(Weights({"BF16": 135_000_000}, ()), config)
    assert fit.verdict == "fits" and fit.words == "0.5 GB weights + 0.5 MB KV cache (512 tokens) + 24.1 MB to work in of 1.0 GB free"
    assert Room(700_000_000, 4).of_weights(Weights({"BF16": 135_000_000}, ()), config).verdict == "tight"
    assert (float_size("cuda", "auto"), float_size("cpu", "float32"), float_size("cpu", "bfloat16")) == (2, 4, 2)


def test_a_classifier_and_an_encoder_are_no_chat_models(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    labels = {"id2label": {"0": "bad", "1": "good"}}
    sst = files(template="", model_type="distilbert", architectures=["DistilBertForSequenceClassification"], **labels)
    fake.add("a/sst", sst, task="text-classification")
    fake.add("a/minilm", files(template="", model_type="bert", architectures=["BertModel"]), task="sentence-similarity")
    fake.add("a/chat", files(architectures=["LlamaForCausalLM"]))
    found = {row.repo: row for row in search(Query(task=""), ROOM, hub)}
    assert {name: row.use.purpose for name, row in found.items()} == {"a/sst": "classifier", "a/minilm": "encoder", "a/chat": "chat"}
    assert [short for short, _ in can(found["a/sst"])] == ["classifier"] and can(found["a/minilm"])[0][0] == "encoder"
    assert "bad, good" in card("a/sst", "", ROOM, hub).about.use.words
    assert "64 numbers of a sentence" in card("a/minilm", "", ROOM, hub).about.use.words
