"""Files that one may look for and that are not there: what they were, and where that stands now."""

from chatapp.models.files.explained import Explained
from chatapp.models.files.folder import Folder

KIND = "absent"


def absent(folder: Folder, names: set[str]) -> list[Explained]:
    """What tutorials and older models have and this folder lacks, each with the reason; what is missing although needed first."""
    if folder.only:
        return []
    told = [Explained(name, 0, KIND, words) for name, words in _needed(names)]
    return told + [Explained(name, 0, KIND, words) for name, words in _moved(names)]


def _needed(names: set[str]) -> list[tuple[str, str]]:
    weights = any(name.endswith((".safetensors", ".gguf")) for name in names)
    old = next((name for name in sorted(names) if name.endswith((".bin", ".pth", ".pt")) and "training" not in name), "")
    found = []
    if "config.json" not in names and not any(name.endswith(".gguf") for name in names):
        found.append(("config.json", "Needed, and not here: without it nobody knows what the weights are. The folder cannot be loaded."))
    if not weights:
        also = f" {old} is here, and is not opened." if old else ""
        found.append(("model.safetensors", f"Needed, and not here: the weights in the form that this app loads.{also}"))
    vocabulary = {"tokenizer.json", "vocab.json", "vocab.txt"} & names or any(name.endswith((".model", ".tiktoken")) for name in names)
    if not vocabulary and "config.json" in names:
        found.append(("tokenizer.json", "Needed for text, and not here: how text becomes token ids."))
    return found


def _moved(names: set[str]) -> list[tuple[str, str]]:
    """Newer versions of transformers write fewer files than tutorials show."""
    found = []
    if "tokenizer.json" in names:
        for name in ("vocab.json", "merges.txt", "vocab.txt"):
            if name not in names and not (name == "merges.txt" and "vocab.txt" in names):
                found.append(
                    (name, "Not here, and not missed: tokenizer.json holds the vocabulary. Slow tokenizers of older versions read it.")
                )
        if "special_tokens_map.json" not in names:
            found.append(
                ("special_tokens_map.json", "No longer written: special tokens stand in tokenizer_config.json since transformers 5.")
            )
        if "added_tokens.json" not in names:
            found.append(("added_tokens.json", "No longer written: added tokens stand in tokenizer.json."))
    if "config.json" in names and "generation_config.json" not in names:
        found.append(
            ("generation_config.json", "Not here: its authors recommend no settings for sampling; what ends a reply is in config.json.")
        )
    if "chat_template.jinja" not in names and "tokenizer_config.json" in names:
        words = "Not here: a base model has none, and older folders keep it inside tokenizer_config.json."
        found.append(("chat_template.jinja", words))
    if "model.safetensors" in names and "pytorch_model.bin" not in names:
        found.append(("pytorch_model.bin", "Not here, and not missed: model.safetensors holds the same weights without being a program."))
    return found
