"""A tiny random BERT with a WordPiece tokenizer that puts [CLS] and [SEP] around a text, with or without a head that classifies."""

from pathlib import Path

from tests.models.files.test_tokenizers import word_piece


def make_encoder(folder: Path) -> Path:
    """2 layers of 4 heads, 64 places."""
    from transformers import AutoModel

    return made_of(folder, AutoModel)


def make_classifier(folder: Path, labels: tuple[str, ...] = ("negative", "positive"), **config: object) -> Path:
    """The same with a head; its random weights are wide, so that texts differ."""
    from transformers import AutoModelForSequenceClassification

    return made_of(folder, AutoModelForSequenceClassification, wide=8, id2label=dict(enumerate(labels)), num_labels=len(labels), **config)


def made_of(folder: Path, kind: type, wide: float = 1, **config: object) -> Path:
    """Written into `folder`, by the class `kind`."""
    import torch
    from tokenizers.processors import BertProcessing
    from transformers import BertConfig, PreTrainedTokenizerFast

    made = word_piece()
    made.add_special_tokens(["[CLS]", "[SEP]", "[PAD]"])
    made.post_processor = BertProcessing(("[SEP]", made.token_to_id("[SEP]")), ("[CLS]", made.token_to_id("[CLS]")))
    special = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 64}
    model = kind.from_config(BertConfig(vocab_size=made.get_vocab_size(), pad_token_id=made.token_to_id("[PAD]"), **sizes, **config))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(wide)
    model.save_pretrained(folder)
    return folder
