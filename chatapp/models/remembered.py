"""Where a folder or file with a fingerprint was seen last, so that it can be found again by it. Paths stay in the data folder."""

from contextlib import suppress
from pathlib import Path

from chatapp.models.identity import FINGERPRINT


def remember(place: Path | None, revision: str, data_dir: Path) -> None:
    """Note where a model was loaded from. What cannot be noted is not found again by its fingerprint; nothing else is lost."""
    if place is None or not revision.startswith(FINGERPRINT):
        return
    with suppress(OSError):
        note = _note(revision, data_dir)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch(mode=0o600)
        note.write_text(str(place.resolve()), encoding="utf-8")


def recall(revision: str, data_dir: Path) -> Path | None:
    """The folder or file that had this fingerprint when it was loaded; None where none is known, or it is gone."""
    note = _note(revision, data_dir)
    place = Path(note.read_text(encoding="utf-8")) if note.is_file() else None
    return place if place is not None and place.exists() else None


def _note(revision: str, data_dir: Path) -> Path:
    return data_dir / "fingerprints" / revision.removeprefix(FINGERPRINT)


def remembered(data_dir: Path) -> list[Path]:
    """Every folder or file that was loaded before and is still there."""
    notes = sorted((data_dir / "fingerprints").glob("*"))
    places = (Path(note.read_text(encoding="utf-8")) for note in notes)
    return [place for place in places if place.exists()]
