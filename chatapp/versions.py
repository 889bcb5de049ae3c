"""Which versions of other packages the app was tested with (constraints.txt), and how the installed ones differ."""

from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
RUNTIME = ROOT / "requirements.txt"

SHOWN = 3
"""Packages named in a sentence; of the others the number is said."""


def read(file: Path) -> list[Requirement]:
    """The requirements of a pip file, without its comments and options; none where the file is not there."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [Requirement(line.split(" #")[0]) for line in lines if line.strip() and not line.startswith(("#", "-"))]


def tested(file: Path = CONSTRAINTS) -> dict[str, str]:
    """Package → the exact version that was tested on this Python and system."""
    here = [pin for pin in read(file) if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in here}


def installed(names: Iterable[str]) -> dict[str, str]:
    """Package → installed version, of those that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def differing(wanted: dict[str, str]) -> list[str]:
    """'name 1.2 instead of 1.1' for each installed package whose version is another one; what the app itself names comes first."""
    direct = {canonicalize_name(requirement.name) for requirement in read(RUNTIME)}
    found = {name: version for name, version in installed(wanted).items() if version != wanted[name]}
    return [f"{name} {found[name]} instead of {wanted[name]}" for name in sorted(found, key=lambda name: (name not in direct, name))]


def untested(file: Path = CONSTRAINTS) -> str:
    """For the start-up card: what is installed in another version than the tested one, and the cure; '' when nothing is."""
    if not (others := differing(tested(file))):
        return ""
    more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
    return f"{', '.join(others[:SHOWN])}{more}; pip install -r {RUNTIME.name} -c {file.name} brings the tested ones"
