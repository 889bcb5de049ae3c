"""Spacefile: which variables and secrets a Space may have; and those that a person gives, checked before anything is made."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from chatapp.errors import ChatError, closest
from chatapp.settings import ENV_PREFIX, Settings, env, from_namespace
from chatapp.versions import ROOT

MODEL, ENGINE = env("model"), env("engine")
FIXED = {env(name) for name in ("host", "port", "share")}
"""Settings that a Space decides itself: with others it is not reached."""


@dataclass(frozen=True)
class Spacefile:
    """`presets` are variables → their values, where one is preset; `named` are all variables that it names; `secrets` are names."""

    presets: dict[str, str]
    named: tuple[str, ...]
    secrets: tuple[str, ...]


def read_spacefile(file: Path = ROOT / "Spacefile") -> Spacefile:
    """Raises ChatError for one that cannot be read."""
    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
        entries = said["micros"][0]["presets"]["env"]
        presets = {entry["name"]: str(entry["default"]) for entry in entries if "default" in entry}
        return Spacefile(presets, tuple(entry["name"] for entry in entries), tuple(said["x-huggingface"]["secrets"]))
    except (OSError, yaml.YAMLError, LookupError, TypeError) as error:
        raise ChatError(f"{file} is not as this app has it: {type(error).__name__}. Take the repository's own Spacefile.") from error


def variables(given: Sequence[str], spacefile: Spacefile) -> dict[str, str]:
    """NAME=VALUE … → values by name. Raises ChatError for what is no setting, for a secret, and for a value that its setting refuses."""
    found = {}
    for words in given:
        name, equals, value = words.partition("=")
        if name in spacefile.secrets:
            raise ChatError(f"{name} is a secret, and everybody can read a variable. Set it in the environment and give --secret {name}.")
        if name == MODEL:
            raise ChatError(f"{MODEL} is given by --model.")
        if name in FIXED:
            raise ChatError(f"{name} is decided by the Space itself: with another value nobody reaches the app. Leave it out.")
        known = sorted({*spacefile.named, *(env(setting) for setting in Settings.model_fields)} - {*spacefile.secrets, *FIXED})
        if name not in known:
            raise ChatError(f"There is no variable of that name: {name[:60]!r}.{closest(name, known)} README lists them under Settings.")
        if not equals:
            raise ChatError(f"--variable {name} has no value. Write --variable {name}=VALUE.")
        from_namespace(argparse.Namespace(**{name.removeprefix(ENV_PREFIX).lower(): value}))
        found[name] = value
    return found


def secrets(names: Sequence[str], spacefile: Spacefile) -> dict[str, str]:
    """Names → values out of the environment. Raises ChatError, without any value in it."""
    found = {}
    for name in names:
        if "=" in name:
            raise ChatError("--secret takes a name alone: others can read a command. Set the value in the environment.")
        if name not in spacefile.secrets:
            raise ChatError(
                f"There is no secret of that name: {name[:60]!r}.{closest(name, spacefile.secrets)} "
                f"There are {', '.join(spacefile.secrets)}."
            )
        if not os.environ.get(name):
            raise ChatError(f"--secret {name} takes its value from the environment, where {name} is not set. Set it and try again.")
        found[name] = os.environ[name]
    return found
