"""A model in memory, in numbers: what it was forecast to take and what it takes, how fast it may write."""

from typing import TYPE_CHECKING

from chatapp.engines.bandwidth import SPOKEN, ceiling, known
from chatapp.models.forecast import Forecast
from chatapp.models.memory import gigabytes

if TYPE_CHECKING:
    from chatapp.resident.slot import ModelSlot


def taken(slot: "ModelSlot") -> int:
    """Bytes that a model in memory takes now: what this process grew by while it loaded, a process of its own, its kept KV caches.

    0 where that was not measured. Reads /proc: some milliseconds.
    """
    grown, engine = slot.grown, slot.loaded
    more = getattr(engine, "taken", None)
    return grown + more() if engine and grown and more else grown


def numbers(slot: "ModelSlot") -> dict[str, int] | None:
    """For programs: bytes forecast with the context full, and measured now; None where nothing was forecast."""
    held = slot.held  # it may leave meanwhile
    return held and {"forecast": held.bytes, "measured": taken(slot)}


def facts(slot: "ModelSlot") -> list[tuple[str, str]]:
    """For people, as [name, words]."""
    if (held := slot.held) is None:
        return []
    rows = [("Memory", f"{gigabytes(held.bytes)} forecast with its context full: {held}")]
    if measured := taken(slot):
        rows.append(("Measured", f"{gigabytes(measured)} in memory now"))
    speed = speed_words(held, known(slot.settings.data_dir))
    return rows + ([("Speed", speed)] if speed else [])


def speed_words(held: Forecast, bandwidth: float) -> str:
    """The most that memory allows; '' where that is not known, off the CPU."""
    if not bandwidth or held.device != "cpu" or not held.read:
        return ""
    most, read = ceiling(bandwidth, held.read, held.per_token), held.read + SPOKEN * held.per_token
    return (
        f"at most about {most:,.0f} tokens a second for one person, a forecast: each reads {gigabytes(read)} (weights, keys and values of "
        f"{SPOKEN} tokens), and memory gives {gigabytes(bandwidth)} a second"
    )
