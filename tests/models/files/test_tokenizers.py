"""The four kinds of tokenizers, trained here by the library that runs them, are told apart and shown on a sentence."""

import json
import time
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from chatapp.lab.classify import minilm
from chatapp.models.files import sentence, tokenizer_kinds
from chatapp.models.files.cutting import cut_by
from chatapp.models.files.listing import explain
from chatapp.models.sources import embedded_gguf
from tests.tiny import CORPUS

TEXT = "The capital reads tokens."


def byte_level() -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return made


def with_fallback() -> Tokenizer:
    made = Tokenizer(models.BPE(byte_fallback=True))
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400))
    return made


def unigram() -> Tokenizer:
    made = Tokenizer(models.Unigram())
    made.normalizer, made.pre_tokenizer, made.decoder = normalizers.NFKC(), pre_tokenizers.Metaspace(), decoders.Metaspace()
    made.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=200, unk_token="<unk>", special_tokens=["<unk>"]))
    return made


def word_piece() -> Tokenizer:
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]"]))
    return made


def words() -> Tokenizer:
    made = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(CORPUS, trainers.WordLevelTrainer(special_tokens=["[UNK]"]))
    return made


@pytest.mark.parametrize(
    ("make", "kind", "step"),
    [
        (byte_level, "byte-level BPE", "ByteLevel"),
        (with_fallback, "BPE with byte fallback", "Metaspace"),
        (unigram, "Unigram", "Metaspace"),
        (word_piece, "WordPiece", "BertPreTokenizer"),
        (words, "WordLevel", "Whitespace"),
    ],
)
def test_each_kind_is_named_and_shown_on_a_sentence(tmp_path: Path, make, kind: str, step: str) -> None:
    made = make()
    made.save(str(tmp_path / "tokenizer.json"))
    (file,) = explain(tmp_path).files
    assert file.more["tokenizer"] == kind and tokenizer_kinds.KINDS[kind] in file.explanation and not file.problem
    said = {line.key: line for line in file.lines}
    assert said["model.vocab"].value == f"{made.get_vocab_size():,} entries" and said["pre_tokenizer"].value == step
    shown = file.more["sentence"]
    assert shown["tokens"] == made.encode(sentence.SENTENCE).tokens and shown["ids"] == made.encode(sentence.SENTENCE).ids


def test_older_files_that_do_not_name_their_type_are_known_by_what_they_hold() -> None:
    assert tokenizer_kinds.kind_of({"model": {"vocab": {}, "merges": []}}) == "BPE"
    assert tokenizer_kinds.kind_of({"model": {"vocab": [["a", -1.0]]}}) == "Unigram"
    assert tokenizer_kinds.kind_of({"model": {"type": "Quantum"}}) == "" == tokenizer_kinds.kind_of({"model": 5})


def test_vocab_and_merges_and_bert_vocabularies_without_tokenizer_json(tmp_path: Path) -> None:
    made = byte_level()
    made.model.save(str(tmp_path))
    found = {file.name: file for file in explain(tmp_path).files}
    assert found["vocab.json"].more["sentence"]["tokens"] == made.encode(sentence.SENTENCE).tokens
    assert "merges" in {line.key for line in found["merges.txt"].lines}
    bert = tmp_path / "bert"
    bert.mkdir()
    word_piece().model.save(str(bert))
    (file,) = explain(bert).files
    assert file.more["sentence"]["tokens"][:1] == word_piece().encode(sentence.SENTENCE).tokens[:1] and "##" in file.content


def test_a_sentencepiece_file_is_read_without_its_library(tmp_path: Path) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    for kind, named in (("unigram", "Unigram"), ("bpe", "BPE with byte fallback")):
        place = tmp_path / kind
        place.mkdir()
        with (place / "tokenizer.model").open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(CORPUS), model_writer=file, vocab_size=330 if kind == "bpe" else 70, model_type=kind,
                byte_fallback=kind == "bpe", minloglevel=2,
            )  # fmt: skip
        (told,) = explain(place).files
        said = {line.key: line.value for line in told.lines}
        own = sentencepiece.SentencePieceProcessor(model_file=str(place / "tokenizer.model"))
        assert told.more["tokenizer"] == named and said["pieces"] == str(own.get_piece_size())
        assert said["byte pieces"] == ("256" if kind == "bpe" else "0")
        assert told.more["sentence"]["ids"] == own.encode(sentence.SENTENCE)


@pytest.mark.parametrize("data", [b"", b"\xff" * 50, b"\x0a\xff\xff\xff\x7f", b"GGUF", b"\x0b\x00"])
def test_a_damaged_sentencepiece_file_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "tokenizer.model").write_bytes(data)
    (told,) = explain(tmp_path).files
    assert "no SentencePiece model" in told.problem and told.kind == "SentencePiece model"


def test_a_pattern_that_never_ends_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence, "SECONDS", 2.0)
    made = byte_level()
    values = json.loads(made.to_str())
    pattern = {"type": "Split", "pattern": {"Regex": "(a|aa)+$"}, "behavior": "Isolated", "invert": False}
    (tmp_path / "tokenizer.json").write_text(json.dumps(values | {"pre_tokenizer": pattern}))
    begun = time.monotonic()
    shown = sentence.cut(tmp_path / "tokenizer.json", "json", "a" * 200 + "b")
    assert "problem" in shown and time.monotonic() - begun < 20


@pytest.mark.parametrize("content", ["{}", '{"model": {"type": "BPE", "vocab": {}, "merges": [["a", "b"]]}}', '{"model": {"vocab": 7}}'])
def test_a_tokenizer_that_cannot_be_read_is_explained_with_the_reason(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    (told,) = explain(tmp_path).files
    assert told.problem and "Traceback" not in told.problem and told.lines


def test_tiktoken_ranks_are_counted(tmp_path: Path) -> None:
    (tmp_path / "qwen.tiktoken").write_text("IQ== 0\nIg== 1\n")
    (told,) = explain(tmp_path).files
    assert told.lines[0].value == "2" and told.content == '!\n"'
    (tmp_path / "qwen.tiktoken").write_text("!!! 0\n")
    assert "damaged" in explain(tmp_path).files[0].problem


def test_a_vocabularys_ids_are_its_lines_whatever_characters_a_piece_is_of(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[UNK]\na\x85b\n\u2028\nlast\n", encoding="utf-8")
    (file,) = explain(tmp_path).files
    assert next(line.value for line in file.lines if line.key == "entries") == "4"


def test_the_real_vocabulary_of_the_embedded_model_is_byte_level_bpe(tmp_path: Path) -> None:
    """49,152 entries, of which nothing was trained here."""
    shown = cut_by(embedded_gguf(), "Tokenizers cut unbelievable words.", tmp_path)
    assert shown["kind"] == "byte-level BPE" and shown["back"] == "Tokenizers cut unbelievable words."
    assert shown["tokens"][-3:] == ["vable", "Ġwords", "."] and 600 < max(shown["ids"]) < 49_152


@pytest.mark.skipif(bool(minilm.missing()), reason="the package of MiniLM is optional")
def test_the_real_vocabulary_of_bert_is_word_piece(tmp_path: Path) -> None:
    folder = minilm.unpacked(tmp_path / "minilm")
    shown = cut_by(folder, "Tokenization is unbelievable", tmp_path)
    assert (shown["kind"], shown["tokens"]) == ("WordPiece", ["token", "##ization", "is", "unbelievable"])
    assert shown["ids"] == [19204, 3989, 2003, 23653]
    vocabulary = {line.key: line.value for file in explain(folder).files if file.name == "tokenizer.json" for line in file.lines}
    assert vocabulary["model.vocab"] == "30,522 entries"
