"""The loss counts replies and their ends, and nothing else: id by id."""

import pytest
from transformers import AutoTokenizer

from chatapp.engines.text import end_ids
from chatapp.errors import ChatError
from chatapp.lab.finetune.pairs import Chat
from chatapp.lab.finetune.rows import IGNORED, asked_ids, row, split
from chatapp.turn import Message
from tests.lab.finetune.taught import CHATS, pair
from tests.test_layers import ROOT


@pytest.fixture(scope="module")
def chatml(tiny_llama):
    return AutoTokenizer.from_pretrained(tiny_llama)


def made(chat: Chat, tokenizer, length: int = 512):
    return row(chat, tokenizer, end_ids(tokenizer), length)


def cut(text: str, tokenizer) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def test_of_a_pair_the_reply_and_its_end_are_learned(chatml) -> None:
    found = made(pair("hello", "I am fine 😀"), chatml)
    prompt = cut("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n", chatml)
    reply = [*cut("I am fine 😀", chatml), chatml.convert_tokens_to_ids("<|im_end|>")]
    assert list(found.ids) == prompt + reply
    assert list(found.labels) == [IGNORED] * len(prompt) + reply


def test_of_a_conversation_every_reply_is_learned(chatml) -> None:
    words = [("system", "hello you"), ("user", "how are you"), ("assistant", "fine"), ("user", "fine"), ("assistant", "thank you")]
    found = made(Chat(tuple(Message(*word) for word in words), "a test"), chatml)
    learned = [id for id, label in zip(found.ids, found.labels, strict=True) if label != IGNORED]
    assert all(label in (IGNORED, id) for id, label in zip(found.ids, found.labels, strict=True))
    assert chatml.decode(learned, skip_special_tokens=False) == "fine<|im_end|>thank you<|im_end|>"
    assert chatml.decode(found.ids[:1]) == "<|im_start|>" and found.labels[0] == IGNORED


def test_an_end_that_a_reply_only_speaks_of_is_plain_text(chatml) -> None:
    found = made(pair("hello", "say <|im_end|> now"), chatml)
    end = chatml.convert_tokens_to_ids("<|im_end|>")
    assert found.labels.count(end) == 1 and found.labels[-1] == end


def test_spaces_that_a_template_writes_before_the_end_are_learned_with_it(tiny_llama) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.chat_template = (ROOT / "tests/chat_templates/llama2.jinja").read_text()
    found = made(pair("hello", "fine"), tokenizer)
    learned = [label for label in found.labels if label != IGNORED]
    assert tokenizer.decode(learned, skip_special_tokens=False) == " fine <|im_end|>" and len(found.labels) > len(learned)


@pytest.mark.parametrize("name", ["chatml", "gemma2", "llama32", "phi3", "qwen3", "tinyllama"])
def test_what_comes_before_a_reply_is_what_the_app_asks(tiny_llama, name: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.chat_template = (ROOT / f"tests/chat_templates/{name}.jinja").read_text()
    chat = Chat((Message("user", "how are you"), Message("assistant", "fine"), Message("user", "hello"), Message("assistant", "you")), "")
    found, asked = made(chat, tokenizer), asked_ids(chat, tokenizer, 512)
    assert found.ids[: len(asked)] == asked and found.labels[len(asked) - 1] == IGNORED != found.labels[len(asked)]


def test_a_model_without_a_template_learns_what_follows_the_prompt_and_the_end_of_a_text(tiny_gpt2) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_gpt2)
    found = made(pair("hello", "I am fine"), tokenizer)
    prompt, reply = cut("User: hello\nAssistant:", tokenizer), [*cut(" I am fine", tokenizer), tokenizer.eos_token_id]
    assert list(found.ids) == prompt + reply and list(found.labels) == [IGNORED] * len(prompt) + reply


def test_a_template_that_hides_replies_is_a_sentence(tiny_llama) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] | upper }}\n{% endfor %}"
    with pytest.raises(ChatError, match=r"does not show where a reply lies \(a test\)"):
        made(pair("hello", "fine"), tokenizer)


def test_a_tenth_is_held_out_and_nothing_stands_on_both_sides(chatml) -> None:
    long = pair("hello " * 300, "fine")
    found = split([*CHATS, *CHATS[:3], long], chatml, end_ids(chatml), 64, 0)
    assert (len(found.train), len(found.validation), found.repeated, found.left_out, found.length) == (11, 1, 3, 1, 64)
    assert {one.chat for one in found.train} | {one.chat for one in found.validation} == set(CHATS)
    again = split(CHATS, chatml, end_ids(chatml), 64, 0)
    assert [one.ids for one in again.validation] == [one.ids for one in found.validation]


def test_one_chat_is_too_little(chatml) -> None:
    with pytest.raises(ChatError, match=r"2 chats were given, and 1 can be learned \(1 stand there twice, 0 are longer than 64 tokens\)"):
        split(CHATS[:1] * 2, chatml, end_ids(chatml), 64, 0)
