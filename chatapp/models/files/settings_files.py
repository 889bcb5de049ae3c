"""The small files of settings explained: generation_config.json, tokenizer_config.json, special tokens, added tokens, and a few others."""

from typing import Any

from chatapp.models.files.config_keys import KEYS
from chatapp.models.files.explained import Explained, Line, short
from chatapp.models.files.folder import Entry, Folder
from chatapp.models.files.printing import pretty

GENERATION = {
    "do_sample": "Draw the next token at random (true), or always take the likeliest (false).",
    "temperature": "How evenly is drawn: below 1 prefers likely tokens, above 1 evens them out.",
    "top_k": "Draw among so many of the likeliest tokens only.",
    "top_p": "Draw among the likeliest tokens that together reach this probability.",
    "min_p": "Leave out tokens less likely than this share of the likeliest one.",
    "typical_p": "Prefer tokens that are about as surprising as expected.",
    "repetition_penalty": "Above 1 makes tokens that were already there less likely.",
    "no_repeat_ngram_size": "Never repeat so many tokens in the same order.",
    "max_length": "Prompt and reply together end after so many tokens; the app has its own limit.",
    "max_new_tokens": "A reply ends after so many tokens; the app has its own limit.",
    "num_beams": "Texts followed side by side (beam search); this app follows one.",
    "renormalize_logits": "Make the probabilities add up to one again after the steps above.",
    "cache_implementation": "Which kind of KV cache transformers makes; the app makes its own.",
    "output_attentions": "Also give the attention weights: for looking inside.",
    "output_hidden_states": "Also give what each layer made: for looking inside.",
    "trust_remote_code": "Nothing here: this app never runs code from a repository.",
    "use_cache": KEYS["use_cache"],
    "_from_model_config": "These values were taken over from config.json.",
}
TOKENIZER = {
    "tokenizer_class": "The class that reads the vocabulary.",
    "model_max_length": "Longest text in tokens; a huge number means that nobody said.",
    "chat_template": "How a chat becomes one text, in Jinja; newer folders have it in chat_template.jinja.",
    "added_tokens_decoder": "Tokens beside the learned vocabulary, by id: markers of turns, tools, images.",
    "additional_special_tokens": "More tokens with a meaning of their own, which no typed text may become.",
    "extra_special_tokens": "More tokens with a meaning of their own, which no typed text may become.",
    "add_bos_token": "Put the beginning-of-text token in front by itself?",
    "add_eos_token": "Put the end-of-text token behind by itself?",
    "add_prefix_space": "Put a space in front, so that the first word is cut like any other?",
    "clean_up_tokenization_spaces": "Take spaces before punctuation out when ids become text again. It changes what was written.",
    "split_special_tokens": "Cut special tokens that stand in a text into pieces?",
    "model_input_names": "What it hands to the model: ids, and which of them are filling.",
    "legacy": "Keep an early fault of the Llama tokenizer for models trained with it?",
    "use_default_system_prompt": "Put Llama-2's own system prompt in front? Nothing reads it now.",
    "sp_model_kwargs": "Settings handed to SentencePiece.",
    "spaces_between_special_tokens": "Put spaces between special tokens when ids become text?",
    "padding_side": "On which side short texts are filled up.",
    "truncation_side": "On which side long texts are cut.",
    "errors": "What happens to bytes that are no text.",
    "do_lower_case": "Make everything small letters first?",
    "do_basic_tokenize": "Cut at spaces and punctuation before WordPiece?",
    "strip_accents": "Take accents off letters?",
    "tokenize_chinese_chars": "Take each Chinese character by itself?",
    "never_split": "Words that are never cut.",
    "bos_token": "Begins a text.",
    "eos_token": "Ends a text, or a turn: writing stops there.",
    "unk_token": "Stands for what the vocabulary cannot write.",
    "pad_token": "Fills short texts of a batch.",
    "sep_token": "Stands between two texts.",
    "cls_token": "Its output stands for the whole text.",
    "mask_token": "A gap to fill (BERT).",
    "backend": "Which library cuts: tokenizers is the fast one.",
    "is_local": "Was it saved from a folder? It changes nothing.",
    "local_files_only": "Was the Hub not asked? It changes nothing.",
    "processor_class": "The class that also prepares images or sound.",
    "tokenizer_file": "Where it lay when it was saved. It changes nothing.",
    "name_or_path": "Where it came from when it was saved. It changes nothing.",
    "special_tokens_map_file": "Where it lay when it was saved. It changes nothing.",
    "auto_map": KEYS["auto_map"],
}
SPECIAL = "Which tokens have a meaning of their own. Newer versions write this into tokenizer_config.json and no longer write the file."
ADDED = "Tokens that were added to the learned vocabulary, with their ids. Newer versions keep them in tokenizer.json."
EXPLANATIONS = {
    "generation_config.json": "How its authors would have it write: sampling and the tokens that end a reply. "
    "The app takes the end tokens; its sliders hold for the rest.",
    "tokenizer_config.json": "Settings around the vocabulary: special tokens, longest text, in older folders the chat template too.",
    "special_tokens_map.json": SPECIAL,
    "added_tokens.json": ADDED,
}
KINDS = {
    "generation_config.json": ("generation settings", GENERATION),
    "tokenizer_config.json": ("tokenizer settings", TOKENIZER),
    "special_tokens_map.json": ("special tokens", TOKENIZER),
}
UNKNOWN = "A key that this app does not know."


def explain(entry: Entry, folder: Folder) -> Explained:
    """One of KINDS. Raises ChatError for what is no JSON object."""
    values = folder.json(entry.name)
    kind, table = KINDS[entry.name]
    lines = tuple(_line(key, value, table) for key, value in list(values.items())[:300])
    return Explained(entry.name, entry.bytes, kind, EXPLANATIONS[entry.name], "", lines, pretty(values))


def explain_added(entry: Entry, folder: Folder) -> Explained:
    """added_tokens.json: token → id."""
    values = folder.json(entry.name)
    lines = tuple(Line(short(token, 80), short(id), "A token beside the learned vocabulary.") for token, id in list(values.items())[:40])
    return Explained(entry.name, entry.bytes, "added tokens", ADDED, "", lines, pretty(values), {"tokens": len(values)})


def token_text(value: Any) -> str:
    """A token as settings have it: a text, or an object that holds one."""
    found = value.get("content") if isinstance(value, dict) else value
    return found if isinstance(found, str) else ""


def _line(key: str, value: object, table: dict[str, str]) -> Line:
    words = table.get(key) or (KEYS.get(key, "") if key.endswith("_id") or key == "transformers_version" else "")
    shown = short(token_text(value)) if isinstance(value, dict) and "content" in value else short(value)
    return Line(short(key, 80), shown, words or UNKNOWN, known=bool(words))
