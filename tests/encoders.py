"""A tiny random BERT with a WordPiece tokenizer that puts [CLS] and [SEP] around a text."""

from pathlib import Path

from tests.models.files.test_tokenizers import word_piece


def make_encoder(folder: Path) -> Path:
    """2 layers of 4 heads, 64 places."""
    import torch
    from tokenizers.processors import BertProcessing
    from transformers import AutoModel, BertConfig, PreTrainedTokenizerFast

    made = word_piece()
    made.add_special_tokens(["[CLS]", "[SEP]"])
    made.post_processor = BertProcessing(("[SEP]", made.token_to_id("[SEP]")), ("[CLS]", made.token_to_id("[CLS]")))
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]").save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 64}
    AutoModel.from_config(BertConfig(vocab_size=made.get_vocab_size(), **sizes)).save_pretrained(folder)
    return folder
