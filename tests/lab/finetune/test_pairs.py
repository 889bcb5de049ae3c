"""Files of pairs become chats; what is none is a sentence with its line, or with the columns that are there."""

import json
import os
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.finetune.pairs import read
from chatapp.lab.train.files import size
from chatapp.turn import Message

FINE = (Message("user", "How?"), Message("assistant", "Fine."))


def test_both_forms_of_a_line_and_a_table_give_the_same_chat(tmp_path: Path) -> None:
    openai = {
        "messages": [{"role": "user", "content": "How?"}, {"role": "assistant", "content": "Fine."}, {"role": "user", "content": "So?"}]
    }
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(openai)}\n\n" + '{"prompt": "How?", "reply": " Fine.\\n", "id": 7}\n')
    (tmp_path / "b.csv").write_text("id;reply;prompt\n1;Fine.;How?\n;;\n")
    assert [chat.messages for chat in read(tmp_path / "a.jsonl")] == [FINE, FINE], "what follows the last reply is left out"
    assert [(chat.messages, chat.where) for chat in read(tmp_path / "b.csv")] == [(FINE, "b.csv, line 2")]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "hello", "a.txt is neither .jsonl nor .csv. Give pairs as lines of"),
        ("a.jsonl", "", "a.jsonl is empty."),
        ("a.jsonl", "\n", "a.jsonl holds no pair."),
        ("a.jsonl", "{\n", "a.jsonl, line 1 is no JSON"),
        (
            "a.jsonl",
            '{"prompt": "x", "reply": "y"}\n{"question": "x", "answer": "y"}',
            "line 2 is no pair: its fields are question, answer.",
        ),
        ("a.jsonl", "[1]", "line 1 is no pair: it is a list."),
        ("a.jsonl", '{"messages": [{"role": "tool", "content": "x"}]}', "a message has the role 'tool'. Taken are system"),
        ("a.jsonl", '{"messages": [{"role": ["user"], "content": "x"}]}', "a message has the role \"['user']\". Taken are system"),
        ("a.jsonl", '{"messages": [{"role": "user", "content": [1]}]}', "the content of a user message is no text"),
        ("a.jsonl", '{"messages": [{"role": "user", "content": "x"}]}', "line 1 has no reply"),
        ("a.jsonl", '{"messages": [{"role": "assistant", "content": "x"}]}', "nobody asks before the reply"),
        ("a.jsonl", '{"prompt": "x", "reply": " "}', "line 1: the reply is empty."),
        ("a.csv", "question,reply\na,b\n", "a.csv has no column prompt. Its columns are question, reply. Name them prompt and reply."),
        ("a.csv", "x\na\n", "no column prompt and no column reply. Its columns are x."),
        ("a.csv", "prompt,reply\n", "a.csv holds no pair."),
        ("a.csv", "prompt,reply\na\n", "a.csv, line 2: the reply is empty."),
        ("a.csv", "prompt,reply\na,\x00b\n", "a.csv is no text: 1 of its"),
    ],
)
def test_what_is_no_pair_is_a_sentence(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ChatError) as raised:
        read(tmp_path / name)
    assert words in str(raised.value)


def test_a_pipe_a_device_and_no_path_are_refused_before_they_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "endless.csv").symlink_to("/dev/zero")
    for name in ("pipe.jsonl", "endless.csv", "."):
        with pytest.raises(ChatError, match="it is no file, but a folder, a device or a pipe"):
            size(tmp_path / name)
    with pytest.raises(ChatError, match="is no path: embedded null byte"):
        read(tmp_path / "a\0b.jsonl")
