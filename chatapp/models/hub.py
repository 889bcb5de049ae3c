"""Bringing a model from the Hub: what it needs is checked first, progress is told, every failure is one sentence with its cure."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.models.hub_access import OURS, Hub, Unreachable, reach, refusals
from chatapp.models.memory import gigabytes
from chatapp.models.pace import Pace
from chatapp.models.sources import Source
from chatapp.models.weights import Weights, weight_files
from chatapp.tasks import Progress

CHAT_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "*.safetensors")
NOT_CHAT_FILES = ("original/*", "onnx/*", "openvino/*", "*/*.safetensors", "training_args*")

FIRST_PART = re.compile(r"-00001-of-(\d{5}\.gguf)$", re.IGNORECASE)

CHUNK = 2**20
"""Bytes after which progress is told, a cancel is seen, and from which a broken transfer goes on; huggingface_hub takes ten times that."""


def no_progress(what: str, share: float | None) -> None:
    """For callers that show nothing."""


def download(source: Source, progress: Progress, check: Callable[[Weights], None] | None = None, hub: Hub = OURS) -> tuple[Path, str]:
    """(folder with the files, commit hash) of a Hub source; only missing files travel. Raises ChatError.

    `check` sees the weights' counts before they travel and may refuse them.
    """
    progress(f"Asking the Hub about {source.repo}", None)
    with refusals(source.repo, source.revision):
        try:
            reach(hub)
        except Unreachable as why:
            if folder := complete_copy(source, hub):
                return folder, folder.name
            raise ChatError(f"{source.repo} is not on this machine. {why} The embedded model is --model smollm2.", status=503) from why
        return _download(source, progress, check, hub)


def _download(source: Source, progress: Progress, check: Callable[[Weights], None] | None, hub: Hub) -> tuple[Path, str]:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import DryRunError

    choice = _choice(source, hub)
    try:
        files = snapshot_download(**choice, dry_run=True, tqdm_class=_bar(Pace("", 0), progress))
    except DryRunError as unreachable:
        if folder := complete_copy(source, hub):
            return folder, folder.name
        raise unreachable.__cause__ or unreachable from None
    check_choice(source, [f.filename for f in files], hub)
    missing = sum(f.file_size for f in files if f.will_download)
    _check_disk(source, missing, hub)
    if check and missing and (weights := _announced(source, files[0].commit_hash, hub)):
        check(weights)
    constants.DOWNLOAD_CHUNK_SIZE = CHUNK
    folder = Path(snapshot_download(**choice, tqdm_class=_bar(Pace(f"Downloading {source.name}", missing), progress)))
    return folder, folder.name


def _choice(source: Source, hub: Hub) -> dict[str, Any]:
    """What of the repository is wanted, for snapshot_download."""
    files = (
        {"allow_patterns": [parts_of(source.file)]}
        if source.file
        else {"allow_patterns": [*CHAT_FILES], "ignore_patterns": [*NOT_CHAT_FILES]}
    )
    return {
        "repo_id": source.repo,
        "revision": source.revision or None,
        "endpoint": hub.address,
        "cache_dir": hub.place,
        "token": hub.token,
        **files,
    }


def parts_of(file: str) -> str:
    """The pattern of all parts of a GGUF file that was split; the file itself where it was not."""
    return FIRST_PART.sub(r"-*-of-\1", file)


def here(source: Source) -> Path | None:
    """The folder or file of a model that is on this machine; None where it, or a part of it, is still on the Hub, which is not asked, or
    another server has it."""
    if place := source.folder or source.gguf:
        return place
    if source.server:
        return None
    if (folder := complete_copy(source)) is None or source.file:
        return folder and folder / source.file
    try:
        weight_files(folder)
    except ChatError:
        return None
    return folder if (folder / "config.json").is_file() else None


def complete_copy(source: Source, hub: Hub = OURS) -> Path | None:
    """The cached snapshot, if it is whole."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(**_choice(source, hub), local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return folder if not source.file or (folder / source.file).is_file() else None


def _announced(source: Source, commit: str, hub: Hub) -> Weights | None:
    """Counts from the headers of the safetensors on the Hub, a few KB; None where they cannot be read so."""
    from huggingface_hub.errors import NotASafetensorsRepoError, SafetensorsParsingError

    try:
        found = hub.api().get_safetensors_metadata(source.repo, revision=commit)
    except (NotASafetensorsRepoError, SafetensorsParsingError):
        return None
    return Weights(dict(found.parameter_count), tuple(found.files_metadata))


def check_choice(source: Source, names: list[str], hub: Hub) -> None:
    """Refuse before anything travels: a repository without what this app loads."""
    if source.file and not names:
        raise ChatError(
            f"{source.repo} on the Hub has no file {source.file}. Look at its file list for the right name.{_quantized(source, hub)}",
            status=404,
        )
    if not source.file and not any(n.endswith(".safetensors") for n in names) and (files := _quantized(source, hub)):
        raise ChatError(f"{source.repo} holds GGUF files: choose one.{files}")
    if not source.file and "config.json" not in names:
        raise ChatError(
            f"{source.repo} on the Hub has no config.json, so it is no Transformers model. For a GGUF give {source.repo}:file.gguf."
        )
    if not source.file and not any(n.endswith(".safetensors") for n in names):
        raise ChatError(
            f"{source.repo} has no safetensors weights. Older formats can run code when opened, so they are not loaded: "
            "choose a repository with safetensors, or convert it."
        )


def _quantized(source: Source, hub: Hub) -> str:
    """The GGUF files of a repository, as a sentence; '' where it has none."""
    found = [name for name in hub.api().list_repo_files(source.repo, revision=source.revision or None) if name.lower().endswith(".gguf")]
    shown = ", ".join(f"{source.repo}:{name}" for name in found[:6])
    return f" It has {shown}{' and more' if len(found) > 6 else ''}." if found else ""


def _check_disk(source: Source, missing: int, hub: Hub) -> None:
    place = hub.place
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if missing > free:
        raise ChatError(
            f"{source.repo} needs {gigabytes(missing)} on disk and {gigabytes(free)} are free at {place}. "
            "Free some space, or set HF_HOME to a larger disk.",
            status=507,
        )


def _bar(pace: Pace, progress: Progress) -> type:
    """A tqdm look-alike for snapshot_download. huggingface_hub's own is off away from a terminal and would never count.

    It makes one bar for the network, one for the disk and one that counts files; the disk's first description begins with "Recon".
    """

    class Bar:
        def __init__(self, *args: Any, desc: str = "", total: float = 0, unit: str = "it", initial: float = 0, **options: Any) -> None:
            self.desc, self.total, self.n, self.format_dict = desc, total, initial, {}
            self.counts = unit == "B" and (desc or "").startswith("Recon")

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            if self.counts:
                progress(*pace.at(self.n))
            else:
                progress(*pace.now)

        def set_description(self, desc: str | None = None, *args: Any, **options: Any) -> None:
            self.desc = desc or self.desc

        def refresh(self, *args: Any, **options: Any) -> None: ...

        def close(self) -> None: ...

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *error: Any) -> None: ...

        set_description_str = set_postfix_str = set_description

    return Bar
