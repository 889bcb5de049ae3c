"""python app.py deploy OWNER/NAME: a Hugging Face Space with this app, made or updated; --to writes its files into a folder."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from chatapp.deploy.files import files, write
from chatapp.deploy.model import name_of, source_of, unasked
from chatapp.deploy.space import USUAL, Wanted, deploy, described, settle, tell_set
from chatapp.deploy.spacefile import MODEL, read_spacefile, secrets, variables
from chatapp.errors import ChatError, closest
from chatapp.settings import reject_unknown_environment


def run(argv: Sequence[str]) -> int:
    """`deploy` and what follows it. Raises ChatError for what cannot be done; argparse ends the program for wrong usage."""
    arguments = parser().parse_args(argv)
    reject_unknown_environment()
    spacefile = read_spacefile()
    wanted = Wanted(
        space_name(arguments.name),
        name_of(source_of(arguments.model)) if arguments.model is not None else "",
        known_hardware(arguments.hardware),
        arguments.private,
        variables(arguments.variable, spacefile),
        secrets(arguments.secret, spacefile),
    )
    if arguments.to is None:
        told(deploy(wanted, spacefile, told))
    else:
        to_folder(wanted, settle(wanted, spacefile, None, wanted.hardware or USUAL), arguments.to)
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python app.py deploy",
        description="Make or update a Hugging Face Space with this app. The account is that of HF_TOKEN, or of a saved login.",
    )
    made.add_argument("name", metavar="OWNER/NAME", help="the Space; the owner is you or an organisation of yours")
    made.add_argument("--model", help="org/name[@revision], or org/name:file.gguf; first SmolLM2-135M-Instruct, then what it has")
    made.add_argument("--hardware", default="", help=f"as the Hub calls it; first {USUAL}, then what it has")
    made.add_argument("--private", action="store_true", help="only its owner sees it")
    made.add_argument("--variable", action="append", default=[], metavar="NAME=VALUE", help="a setting by its variable, repeatable")
    made.add_argument("--secret", action="append", default=[], metavar="NAME", help="its value is taken from the environment, repeatable")
    made.add_argument("--to", type=Path, metavar="FOLDER", help="write what would be uploaded into a new folder, and ask no network")
    return made


def space_name(name: str) -> str:
    """Raises ChatError for what can be no name of a Space."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
        valid = name.count("/") == 1
    except HFValidationError:
        valid = False
    if not valid:
        raise ChatError(
            f"{name[:100]!r} can be no name of a Space. Give OWNER/NAME, such as ann/chat: letters, digits, - _ . and at most 96 of them."
        )
    return name


def known_hardware(name: str) -> str:
    """Raises ChatError for what huggingface_hub does not know as a Space's."""
    from huggingface_hub import SpaceHardware

    known = [hardware.value for hardware in SpaceHardware]
    if name and name not in known:
        raise ChatError(f"There is no hardware {name[:60]!r}.{closest(name, known)} There are {', '.join(known)}; zero-a10g is ZeroGPU.")
    return name


def to_folder(wanted: Wanted, settled: Mapping[str, str], folder: Path) -> None:
    """What would be uploaded, and what would be set. Raises ChatError for a folder with something in it."""
    model = unasked(source_of(settled[MODEL]))
    content = files(wanted.name, model, wanted.hardware or USUAL, wanted.secrets)
    write(content, folder)
    told(described(content, model))
    tell_set(settled, wanted.secrets, lambda words: told(words.replace(" set:", " to be set:", 1)))
    told(f"{folder} holds what would be uploaded; no network was asked.")


def told(words: str) -> None:
    print(words, flush=True)
