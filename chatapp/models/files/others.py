"""Files that are neither configuration, tokenizer nor weights: the card, what training left, other frameworks' weights, code."""

import re
from dataclasses import dataclass

from chatapp.models.files.explained import Explained, Line, short
from chatapp.models.files.folder import Entry, Folder

SHOWN = 20_000
"""Characters of a text that are shown."""


@dataclass(frozen=True)
class Known:
    """Files of which no more is said than what they are for. `text`: may it be shown?"""

    pattern: str
    kind: str
    explanation: str
    text: bool = False


PICKLED = "Not opened: a pickle, which can run any program when it is read. "
KNOWN = (
    Known(r"(.*/)?training_args\.bin", "pickle", PICKLED + "It holds the settings of the training run; the model does not need it."),
    Known(r"(.*/)?(optimizer|scheduler|scaler)\.(pt|bin)", "pickle", PICKLED + "The state of a training run, to go on from there."),
    Known(r"(.*/)?rng_state.*\.pth", "pickle", PICKLED + "The state of the random numbers of a training run, to go on from there."),
    Known(r"(.*/)?trainer_state\.json", "training", "How a training run went: its steps, losses and rates.", text=True),
    Known(r"(.*/)?(all|train|eval|predict)_results\.json", "training", "What was measured at the end of a training run.", text=True),
    Known(r"(.*/)?adapter_config\.json", "adapter", "Settings of an adapter (LoRA): small matrices that change another model.", text=True),
    Known(r"(.*/)?preprocessor_config\.json", "image settings", "How images are scaled and cut; a chat of text needs none.", text=True),
    Known(r"(.*/)?processor_config\.json", "image settings", "How images and text are put together; a chat of text needs none.", text=True),
    Known(r"(.*/)?video_preprocessor_config\.json", "image settings", "How videos are cut into images.", text=True),
    Known(r"modules\.json", "sentence vectors", "The steps of sentence-transformers: model, pooling, norm.", text=True),
    Known(
        r"sentence_bert_config\.json|config_sentence_transformers\.json",
        "sentence vectors",
        "Settings of sentence-transformers.",
        text=True,
    ),
    Known(r".*\.py", "code", "Python code of the repository. This app never runs it; it is shown to be read.", text=True),
    Known(
        r".*\.h5|.*\.ot|.*\.msgpack|.*\.tflite|.*\.mlmodel|.*\.pb",
        "weights for others",
        "The weights for another framework. Not read here.",
    ),
    Known(r".*\.onnx(_data)?|.*\.xml", "weights for others", "The model for another runtime (ONNX, OpenVINO). Not read here."),
    Known(r"(.*/)?(flax_model|tf_model).*", "weights for others", "The weights for another framework. Not read here."),
    Known(
        r"(.*/)?\.gitattributes|(.*/)?\.gitignore", "repository", "For git: which files are large. The model does not need it.", text=True
    ),
    Known(r"(.*/)?(LICENSE|LICENCE|NOTICE|USE_POLICY|Notice)[^/]*", "licence", "What one may do with the model.", text=True),
    Known(
        r"lock|sources\.json", "this app's", "Written by this app when it converted the model: who uses it, from which file it was made."
    ),
    Known(r".*\.(png|jpg|jpeg|gif|svg|webp)", "picture", "A picture, for the model card."),
    Known(r".*\.(md|txt)", "text", "A text. The model does not need it.", text=True),
)
CARD = "The model card: what it is, what it was trained on, what it may be used for. For people; loading does not read it."
UNKNOWN = "Not known to this app. Loading a model for a chat does not read it."


def explain(entry: Entry, folder: Folder) -> Explained:
    """By its name; a text is shown as it stands."""
    known = next((k for k in KNOWN if re.fullmatch(k.pattern, entry.name, re.IGNORECASE)), None)
    if known is None:
        return Explained(entry.name, entry.bytes, "unknown", UNKNOWN)
    content = _shown(folder.text(entry.name)) if known.text else ""
    return Explained(entry.name, entry.bytes, known.kind, known.explanation, content=content)


def card(entry: Entry, folder: Folder) -> Explained:
    """README.md: its head between --- lines holds what the Hub reads."""
    text = folder.text(entry.name)
    head = re.match(r"---\n(.{0,20000}?)\n---\n", text.replace("\r\n", "\n"), re.DOTALL)
    rows = re.findall(r"^([\w-]{1,40}):[ ]*(.{0,200})$", head[1], re.MULTILINE) if head else []
    told = {
        "license": "What one may do with it.",
        "language": "Languages that it is for.",
        "base_model": "The model from which it was made.",
        "datasets": "What it was trained on.",
        "pipeline_tag": "What it does.",
        "library_name": "The library that loads it.",
    }
    lines = tuple(Line(key, short(value), told.get(key, "For the Hub.")) for key, value in rows[:40])
    return Explained(entry.name, entry.bytes, "model card", CARD, "", lines, _shown(text))


def _shown(text: str) -> str:
    """As it stands, without what is neither letter nor line end."""
    clean = "".join(c for c in text[:SHOWN] if c.isprintable() or c in "\n\t")
    return clean + (f"\n… {len(text) - SHOWN:,} characters more" if len(text) > SHOWN else "")
