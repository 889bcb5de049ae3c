"""Bringing a model from the Hub: what it needs is checked first, progress is told, every failure is one sentence with its cure."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.models.failures import first_line
from chatapp.models.memory import gigabytes
from chatapp.models.sources import Source
from chatapp.models.weights import Weights
from chatapp.tasks import Progress

CHAT_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "*.safetensors")
NOT_CHAT_FILES = ("original/*", "onnx/*", "openvino/*", "*/*.safetensors", "training_args*")


def no_progress(what: str, share: float | None) -> None:
    """For callers that show nothing."""


def download(source: Source, progress: Progress, check: Callable[[Weights], None] | None = None) -> tuple[Path, str]:
    """(folder with the files, commit hash) of a Hub source; only missing files travel. Raises ChatError.

    `check` sees the weights' counts before they travel and may refuse them.
    """
    import httpx2
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    progress(f"Asking the Hub about {source.repo}", None)
    try:
        return _download(source, progress, check)
    except (OSError, httpx2.HTTPError, HFValidationError, OfflineModeIsEnabled) as error:
        raise explain(error, source) from error


def _download(source: Source, progress: Progress, check: Callable[[Weights], None] | None) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import DryRunError

    choice: dict[str, Any] = {"repo_id": source.repo, "revision": source.revision or None}
    choice |= (
        {"allow_patterns": [source.file]} if source.file else {"allow_patterns": list(CHAT_FILES), "ignore_patterns": list(NOT_CHAT_FILES)}
    )
    try:
        files = snapshot_download(**choice, dry_run=True)
    except DryRunError as unreachable:
        if folder := _complete_copy(choice):
            return folder, folder.name
        raise unreachable.__cause__ or unreachable from None
    _check_choice(source, [f.filename for f in files])
    missing = sum(f.file_size for f in files if f.will_download)
    _check_disk(source, missing)
    if check and missing and (weights := _announced(source, files[0].commit_hash)):
        check(weights)
    folder = Path(snapshot_download(**choice, tqdm_class=_bar(f"Downloading {source.repo}", missing, progress)))
    return folder, folder.name


def _complete_copy(choice: dict[str, Any]) -> Path | None:
    """The cached snapshot, if it is whole."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(**choice, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _announced(source: Source, commit: str) -> Weights | None:
    """Counts from the headers of the safetensors on the Hub, a few KB; None where they cannot be read so."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import NotASafetensorsRepoError, SafetensorsParsingError

    try:
        found = HfApi().get_safetensors_metadata(source.repo, revision=commit)
    except (NotASafetensorsRepoError, SafetensorsParsingError):
        return None
    return Weights(dict(found.parameter_count), tuple(found.files_metadata))


def _check_choice(source: Source, names: list[str]) -> None:
    """Refuse before anything travels: a repository without what this app loads."""
    if source.file and not names:
        raise ChatError(f"{source.repo} on the Hub has no file {source.file}. Look at its file list for the right name.", status=404)
    if not source.file and "config.json" not in names:
        raise ChatError(
            f"{source.repo} on the Hub has no config.json, so it is no Transformers model. For a GGUF give {source.repo}:file.gguf."
        )
    if not source.file and not any(n.endswith(".safetensors") for n in names):
        raise ChatError(
            f"{source.repo} has no safetensors weights. Older formats can run code when opened, so they are not loaded: "
            "choose a repository with safetensors, or convert it."
        )


def _check_disk(source: Source, missing: int) -> None:
    from huggingface_hub.constants import HF_HUB_CACHE

    place = Path(HF_HUB_CACHE)
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if missing > free:
        raise ChatError(
            f"{source.repo} needs {gigabytes(missing)} on disk and {gigabytes(free)} are free at {place}. "
            "Free some space, or set HF_HOME to a larger disk."
        )


def _bar(what: str, total: int, progress: Progress) -> type:
    """A tqdm look-alike for snapshot_download. huggingface_hub's own is off away from a terminal and would never count.

    It makes one bar for the network, one for the disk and one that counts files; the disk's first description begins with "Recon".
    """

    class Bar:
        def __init__(self, *args: Any, desc: str = "", total: float = 0, unit: str = "it", initial: float = 0, **options: Any) -> None:
            self.desc, self.total, self.n, self.format_dict = desc, total, initial, {}
            self.counts = unit == "B" and (desc or "").startswith("Recon")

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            progress(what, min(1.0, self.n / total) if self.counts and total else None)

        def set_description(self, desc: str | None = None, *args: Any, **options: Any) -> None:
            self.desc = desc or self.desc

        def refresh(self, *args: Any, **options: Any) -> None: ...

        def close(self) -> None: ...

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *error: Any) -> None: ...

        set_description_str = set_postfix_str = set_description

    return Bar


def explain(error: BaseException, source: Source) -> ChatError:
    """One sentence with the cure for a failure of huggingface_hub, also where transformers wrapped it."""
    import httpx2
    from huggingface_hub import errors

    cause = error.__cause__ if isinstance(error.__cause__, OSError) and not isinstance(error, errors.HfHubHTTPError) else error
    repo, revision = source.repo, source.revision or "main"
    match cause:
        case errors.GatedRepoError():
            return ChatError(
                f"{repo} is gated: its owner asks you to accept terms first. Accept them at https://huggingface.co/{repo}, "
                "then set HF_TOKEN to a token of that account.",
                status=403,
            )
        case errors.RepositoryNotFoundError():
            return ChatError(f"{repo} is not on the Hub, or is private. Check the spelling; for a private one set HF_TOKEN.", status=404)
        case errors.RevisionNotFoundError():
            return ChatError(f"{repo} has no revision {revision}. Give a branch, tag or commit that its page lists.", status=404)
        case errors.EntryNotFoundError() if not isinstance(cause, errors.LocalEntryNotFoundError):
            return ChatError(f"{repo} at {revision} lacks a file that is needed: {first_line(cause)}", status=404)
        case errors.HFValidationError():
            return ChatError(f"{repo!r} is not a valid Hub id. It looks like org/name.")
        case errors.LocalEntryNotFoundError() | errors.OfflineModeIsEnabled() | httpx2.ConnectError() | httpx2.TimeoutException():
            return ChatError(
                f"{repo} is not on this machine, and the Hub cannot be reached (or HF_HUB_OFFLINE is set). "
                "Connect, or use the embedded model: --model smollm2.",
                status=503,
            )
        case OSError(errno=28):
            return ChatError(f"The disk is full: {repo} could not be stored. Free some space, or set HF_HOME to a larger disk.")
    return ChatError(f"{repo} could not be fetched from the Hub: {first_line(cause)} Try again.", status=503)
