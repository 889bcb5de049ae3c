"""What a Hugging Face Space needs: python -m chatapp.deploy prints its requirements.txt."""

import sys

from packaging.utils import canonicalize_name

from chatapp.versions import CONSTRAINTS, RUNTIME, read

PREINSTALLED = ("torch", "gradio", "huggingface-hub", "spaces")
"""A Space has these already, in versions of its own; a pin beside them fails its build."""


def requirements() -> str:
    """The packages of requirements.txt as they were tested, but for those that a Space brings itself."""
    names = {canonicalize_name(requirement.name) for requirement in read(RUNTIME)} - set(PREINSTALLED)
    return "".join(f"{pin}\n" for pin in read(CONSTRAINTS) if canonicalize_name(pin.name) in names)


if __name__ == "__main__":
    sys.stdout.write(requirements())
