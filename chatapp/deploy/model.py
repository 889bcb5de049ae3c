"""The model of a Space: one of the Hub, by its id; and which of its files are fetched when the Space is built."""

from dataclasses import dataclass

from chatapp.errors import ChatError
from chatapp.models.hub import CHAT_FILES, NOT_CHAT_FILES, check_choice, parts_of
from chatapp.models.hub_access import Hub, ask
from chatapp.models.search import pasted
from chatapp.models.sources import EMBEDDED_REPO, Source, on_hub
from chatapp.settings import EMBEDDED_MODEL

EMBEDDED_FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
"""Of EMBEDDED_REPO: all that is needed of it."""


@dataclass(frozen=True)
class Model:
    """`name` as --model takes it, `repo` on the Hub, `files` that are fetched at the build; none where it is left to the first start."""

    name: str
    repo: str
    files: tuple[str, ...] = ()

    @property
    def preload(self) -> list[str]:
        """As README's front matter has it: "repo file,file"."""
        return [f"{self.repo} {','.join(self.files)}"] if self.files else []


def source_of(name: str) -> Source:
    """The source of --model. A package is not installed on a Space without what it names itself, so smollm2 is that of the Hub there.

    Raises ChatError for what can be none of the Hub's.
    """
    if name.lower() == EMBEDDED_MODEL:
        name = EMBEDDED_REPO
    source = on_hub(pasted(name) or name)
    if source is None:
        raise ChatError(f"{name[:100]!r} is no name of a model on the Hub, and a Space has no other. One looks like org/name.")
    return source


def unasked(source: Source) -> Model:
    """Without the Hub: which files it has is known of one model alone."""
    return Model(name_of(source), source.repo, EMBEDDED_FILES if name_of(source) == EMBEDDED_REPO else ())


def asked(source: Source, hub: Hub, *, token: bool) -> Model:
    """As the Hub has it. `token`: the Space has a token of its own, for a model that is not everybody's.

    Only what is public can be fetched at the build, where there is no token. Raises ChatError where the Space could not load the model.
    """
    if unasked(source).files:
        return unasked(source)
    from huggingface_hub.utils import filter_repo_objects

    found = ask(hub, source.repo, lambda: hub.api().model_info(source.repo, revision=source.revision or None), source.revision)
    choice = [parts_of(source.file)] if source.file else list(CHAT_FILES)
    passed = [] if source.file else list(NOT_CHAT_FILES)
    names = [file.rfilename for file in found.siblings or []]
    files = tuple(filter_repo_objects(names, allow_patterns=choice, ignore_patterns=passed))
    check_choice(source, list(files), hub)
    closed = found.gated or found.private
    if closed and not token:
        raise ChatError(
            f"{source.repo} is {'gated' if found.gated else 'private'}: a Space needs a token to load it. "
            "Set HF_TOKEN to one that may read it, and give --secret HF_TOKEN.",
            status=403,
        )
    plain = not closed and not source.revision and not any(" " in name or "," in name for name in files)
    return Model(name_of(source), source.repo, files if plain else ())


def name_of(source: Source) -> str:
    """org/name, org/name@revision, org/name:file.gguf"""
    at = f"@{source.revision}" if source.revision else ""
    return f"{source.repo}{at}{':' + source.file if source.file else ''}"
