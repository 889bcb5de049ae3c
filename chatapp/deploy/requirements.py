"""A Space's requirements.txt: exact versions as tested, without what a Space brings itself, and the PyTorch that its hardware needs."""

from packaging.utils import canonicalize_name

from chatapp.versions import CONSTRAINTS, RUNTIME, read

PREINSTALLED = ("torch", "gradio", "huggingface-hub", "spaces")
"""A ZeroGPU Space has these already, in versions of its own; a pin beside them fails its build. All others have them but for torch."""


def requirements() -> str:
    """The packages of requirements.txt as they were tested, but for those that a Space brings itself."""
    names = {canonicalize_name(requirement.name) for requirement in read(RUNTIME)} - set(PREINSTALLED)
    return "".join(f"{pin}\n" for pin in read(CONSTRAINTS) if canonicalize_name(pin.name) in names)


def requirements_on(hardware: str, *, database: bool = False) -> str:
    """The same for one hardware, by the Hub's name of it: with PyTorch in the tested range where the Space does not bring it.

    `database`: chats are kept in PostgreSQL, whose driver nobody else needs.
    """
    drivers = (f"psycopg[binary]{pin.specifier}\n" for pin in read(CONSTRAINTS) if database and pin.name == "psycopg")
    return _torch(hardware) + requirements() + "".join(drivers)


def _torch(hardware: str) -> str:
    return "" if on_zero(hardware) else "".join(f"{requirement}\n" for requirement in read(RUNTIME) if requirement.name == "torch")


def on_zero(hardware: str) -> bool:
    """Is it ZeroGPU, whose Spaces hold a GPU for the length of a call?"""
    return hardware.startswith("zero-")
