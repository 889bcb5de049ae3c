"""Which classifiers are on this machine: those trained here first. Nothing is loaded."""

from pathlib import Path

from chatapp.errors import ChatError
from chatapp.lab.classify.card import TrainedHere, read_card
from chatapp.models import catalog
from chatapp.models.catalog import LocalModel
from chatapp.models.sources import resolve
from chatapp.resident.load_check import on_this_machine
from chatapp.settings import Settings

NONE_HERE = (
    "There is no classifier on this machine yet. Train one here in minutes: python app.py classify --train, or the button on the page "
    "Classify; or fetch one of the Hub: python app.py models download distilbert/distilbert-base-uncased-finetuned-sst-2-english."
)


def here(settings: Settings) -> list[tuple[LocalModel, TrainedHere | None]]:
    """Each with what was measured when it was trained here; the latest of these first, the others by name."""
    known = (model for model in catalog.here(settings.data_dir) if not model.problem and model.use.purpose == "classifier")
    found = [(model, read_card(model.place)) for model in known]
    return sorted(found, key=lambda one: (one[1] is None, -one[0].changed if one[1] else 0))


def place_of(name: str, settings: Settings) -> tuple[str, Path]:
    """(name for people, folder) of a classifier; of the first one that is here for no name. Raises ChatError for one that is not here."""
    if not name:
        if not (found := here(settings)):
            raise ChatError(NONE_HERE, status=404)
        return found[0][0].label, found[0][0].place
    source = on_this_machine(resolve(name, data_dir=settings.data_dir))
    if source.folder is None:
        raise ChatError(f"{source.name} is a GGUF file, which holds a model that writes. Let it say how likely each label is: --zero-shot.")
    return source.name, source.folder
