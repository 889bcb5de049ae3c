"""What of the app is uploaded to a Space, byte for byte, and how that differs from what is there."""

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import yaml

from chatapp.deploy.model import Model
from chatapp.deploy.requirements import requirements_on
from chatapp.errors import ChatError
from chatapp.settings import env
from chatapp.versions import CONSTRAINTS, ROOT, tested

ALONE = ("app.py", "Spacefile", "LICENSE")
FOLDERS = ("chatapp", "assets")
LEFT_OUT = ("__pycache__", "screenshots")
"""Folders. Pictures are README's, whose words a Space has no use for."""

WORDS = """\
A chat app over Hugging Face models that keeps, for every reply, exactly what the model saw and did. This Space chats with {model}.

Its files were uploaded by `python app.py deploy`, which replaces this page, app.py, requirements.txt, chatapp/ and assets/ the next time.
"""

Files = dict[str, bytes]
"""Path in the Space → content."""


def files(name: str, model: Model, hardware: str, secrets: Collection[str]) -> Files:
    """All that the Space `name`, with secrets of these names, consists of. Raises ChatError where this is not the whole repository."""
    if not CONSTRAINTS.exists():
        raise ChatError(f"{CONSTRAINTS} is not there, so the tested versions are not known. Deploy from the app's whole repository.")
    found = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in _app()}
    needed = requirements_on(hardware, database=env("database_url") in secrets)
    return found | {"README.md": card(name, model).encode(), "requirements.txt": needed.encode()}


def _app() -> Iterator[Path]:
    yield from (ROOT / name for name in ALONE if (ROOT / name).is_file())
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            parts = path.relative_to(ROOT).parts
            if path.is_file() and not any(part in LEFT_OUT or part.startswith(".") for part in parts):
                yield path


def card(name: str, model: Model) -> str:
    """README.md of a Space: the repository's front matter, with this Space's title, model and Gradio."""
    front = yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---")[1])
    del front["title"]
    title = name.split("/")[1]  # in quotes below: the Hub's YAML takes 1e5 for a number, this one does not
    front |= {"sdk_version": tested()["gradio"], "models": [model.repo]}
    if model.preload:
        front["preload_from_hub"] = model.preload
    written = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=10**6)
    return f'---\ntitle: "{title}"\n{written}---\n\n# {title}\n\n{WORDS.format(model=model.name)}'


def write(content: Files, folder: Path) -> None:
    """Into a folder that is new or empty. Raises ChatError for another, for one in the app, and for one that cannot be written."""
    if any(Path(os.path.realpath(folder)).is_relative_to((ROOT / name).resolve()) for name in FOLDERS):
        raise ChatError(f"{folder} is in {' or '.join(FOLDERS)}, all of which a Space gets. Name a folder elsewhere with --to.")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ChatError(f"{folder} is there and is no empty folder. Name a new one with --to.")
        for path, data in content.items():
            (place := folder / path).parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    except OSError as error:
        raise ChatError(f"{folder} cannot be written: {error.strerror or error}. Name another with --to.") from error


def changes(content: Files, there: Mapping[str, str]) -> tuple[Files, list[str]]:
    """(what is new or changed, paths of an earlier deploy that are no longer part of the app). `there`: path → id as git or LFS has it."""
    sent = {path: data for path, data in content.items() if there.get(path) not in (git_id(data), hashlib.sha256(data).hexdigest())}
    return sent, [path for path in there if path.startswith(tuple(f"{folder}/" for folder in FOLDERS)) and path not in content]


def git_id(data: bytes) -> str:
    """The SHA-1 under which git keeps a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def belongs(there: Mapping[str, str]) -> bool:
    """Is a Space with these files one of this app, or one in which nothing was put yet?"""
    return "chatapp/settings.py" in there or set(there) <= {".gitattributes", "README.md"}
