"""Resolve all packages anew, with uv: python -m docs.upgrade [--oldest FILE].

Without --oldest: to the newest of everything, whatever requirements.txt's upper bounds say. Shows what moved, runs all tests in a clean
copy with an environment of its own, and only when they pass writes constraints.txt and the new upper bounds. With --oldest: writes to FILE
the lowest versions that the requirements allow.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from chatapp.versions import CONSTRAINTS, ROOT, RUNTIME

FILES = ("requirements.txt", "requirements-dev.txt", "requirements-bench.txt", "requirements-gpu.txt", "requirements-train.txt")

HEAD = """\
# The exact versions that were tested, for Python 3.11 to 3.13 on Linux, macOS and Windows. Written by `make upgrade`.
# torch is not among them: docs/design.md says why.
"""

LEFT_OUT = "torch"
"""Its range stands in requirements.txt, and what its Linux build needs of CUDA goes with it. What it needs besides is resolved:"""

OF_TORCH = ("sympy>=1.13.3", "networkx>=3.1")

PINNED = re.compile(r"^(?P<name>[A-Za-z0-9_-]+)(?P<from>>=[^,;]*),<(?P<to>[^=,;\s]+)", re.M)


def resolve(folder: Path, *options: str) -> str:
    """Name==version lines for all systems at once, from the requirements files of `folder`."""
    with tempfile.TemporaryDirectory() as work:
        (excluded := Path(work) / "excluded").write_text(LEFT_OUT)
        (more := Path(work) / "more").write_text("\n".join(OF_TORCH))
        command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--no-header", "--no-annotate"]
        command += ["--excludes", excluded, *options, more, *(folder / name for name in FILES)]
        return subprocess.run([sys.executable, "-m", *map(str, command)], check=True, stdout=subprocess.PIPE, text=True).stdout


def lifted(requirements: str) -> str:
    """requirements.txt without upper bounds."""
    return PINNED.sub(r"\g<name>\g<from>", requirements)


def bounded(requirements: str, constraints: str) -> str:
    """requirements.txt with the tested minor version as each upper bound."""
    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", constraints, re.M))

    def bound(match: re.Match[str]) -> str:
        major, minor = (pins[match["name"].replace("_", "-")] + ".0").split(".")[:2]
        return f"{match['name']}{match['from']},<{major}.{int(minor) + 1}"

    return PINNED.sub(bound, requirements)


def moved(old: str, new: str) -> str:
    """One line for each package that another version, or none, takes the place of."""
    before, after = (dict(line.split("==", 1) for line in text.splitlines() if "==" in line) for text in (old, new))
    names = sorted(name for name in before | after if before.get(name) != after.get(name))
    return "\n".join(f"  {name}  {before.get(name, 'not there')} → {after.get(name, 'gone')}" for name in names)


def copy_of_the_tree(folder: Path) -> None:
    """The files that git knows, as they are now."""
    for name in subprocess.run(["git", "ls-files", "-z"], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def upgrade() -> int:
    """0 when all is as new as it can be and green."""
    with tempfile.TemporaryDirectory(prefix="chatapp-upgrade-") as work:
        folder = Path(work)
        copy_of_the_tree(folder)
        new_runtime, new_constraints = folder / RUNTIME.name, folder / CONSTRAINTS.name
        new_runtime.write_text(lifted(RUNTIME.read_text()))
        new_constraints.write_text(HEAD + resolve(folder))
        new_runtime.write_text(bounded(RUNTIME.read_text(), new_constraints.read_text()))
        print("Moved:", moved(CONSTRAINTS.read_text(), new_constraints.read_text()) or "  nothing", sep="\n", flush=True)
        if subprocess.run(["make", "test", "test-slow"], cwd=folder).returncode:
            print("Not green with these versions: nothing was written.", file=sys.stderr)
            return 1
        shutil.copy(new_runtime, RUNTIME)
        shutil.copy(new_constraints, CONSTRAINTS)
    print("Green: constraints.txt and requirements.txt are written. Look at the difference, then commit it.")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oldest", type=Path, metavar="FILE", help="only write the lowest versions allowed to FILE")
    if file := parser.parse_args().oldest:
        file.write_text(resolve(ROOT, "--resolution", "lowest-direct"))
        return 0
    return upgrade()


if __name__ == "__main__":
    sys.exit(main())
