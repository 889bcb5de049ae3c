"""The child process in which a tokenizer's file is read and cuts a sentence. Run by sentence.py; imports no other file of chatapp."""

import json
import sys
from typing import Any


def limit_memory(most: int) -> None:
    """Where the system can: Linux."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def by_tokenizers(asked: dict[str, Any]) -> dict[str, Any]:
    """Of tokenizer.json, of vocab.json with merges.txt, or of BERT's vocab.txt."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    if asked["form"] == "json":
        tokenizer = Tokenizer.from_file(asked["file"])
    elif asked["form"] == "bpe":
        tokenizer = Tokenizer(models.BPE.from_file(asked["file"], asked["beside"]))
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    else:
        tokenizer = Tokenizer(models.WordPiece.from_file(asked["file"], unk_token="[UNK]"))
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
    tokenizer.no_truncation()
    tokenizer.no_padding()
    cut = tokenizer.encode(asked["text"], add_special_tokens=False)
    around = tokenizer.encode(asked["text"])
    return {
        "tokens": cut.tokens,
        "ids": cut.ids,
        "offsets": cut.offsets,
        "back": tokenizer.decode(cut.ids, skip_special_tokens=False),
        "around": [t for t, special in zip(around.tokens, around.special_tokens_mask, strict=True) if special],
    }


def by_sentencepiece(asked: dict[str, Any]) -> dict[str, Any]:
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_file=asked["file"])
    ids = processor.encode(asked["text"])
    return {"tokens": [processor.id_to_piece(i) for i in ids], "ids": ids, "back": processor.decode(ids)}


def main() -> None:
    """What fails ends the process with its reason on stderr: Rust's panics are no Exception."""
    asked = json.loads(sys.stdin.buffer.read())
    sys.path[:] = asked["path"]
    limit_memory(asked["memory"])
    found = by_sentencepiece(asked) if asked["form"] == "sentencepiece" else by_tokenizers(asked)
    print(json.dumps({"text": asked["text"]} | found))


if __name__ == "__main__":
    main()
