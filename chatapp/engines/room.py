"""How much memory is free for a further model, on the device where it would run."""

from chatapp.engines import device_type
from chatapp.models.fits import Room, float_size
from chatapp.models.memory import USUAL, free_bytes
from chatapp.settings import Settings


def room(settings: Settings) -> Room:
    """At this moment."""
    device = device_type(settings)
    return Room(free_bytes(device), float_size(device, settings.dtype), settings.context or USUAL, device, settings.concurrency)
