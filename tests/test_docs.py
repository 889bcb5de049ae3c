"""README, Spacefile and the design are held to the code: tree, settings, commands, dependencies."""

import json
import re
from pathlib import Path

import pytest
import yaml

from chatapp.settings import Settings, env
from docs.readme import TREE, clause, filled, tree

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.M | re.S)
    assert found, f"README has no section {title!r}"
    return found.group(1)


def test_front_matter_is_what_a_space_reads() -> None:
    front = yaml.safe_load(README.split("---")[1])
    assert front["sdk"] == "gradio" and front["app_file"] == "app.py" and len(front["short_description"]) <= 60


def test_the_settings_table_and_the_file_tree_are_what_the_code_says() -> None:
    assert filled(README) == README and TREE.read_text() == tree(), "run: python -m docs.readme"


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len(README.splitlines()) <= 150


def test_every_module_says_what_it_is_for() -> None:
    assert [p for p in (ROOT / "chatapp").rglob("*.py") if p.stem != "__init__" and not clause(p)] == []


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)", README))))
def test_every_make_command_in_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.M)


def test_every_requirement_has_its_reason() -> None:
    names = set()
    for file in ROOT.glob("requirements*.txt"):
        names |= {m.group(1) for line in file.read_text().splitlines() if (m := re.match(r"([A-Za-z0-9][A-Za-z0-9_-]*)", line))}
    names |= set(json.loads((ROOT / "package.json").read_text())["devDependencies"])
    rows = re.findall(r"^\| (`[^|]+`) \|", section("Dependencies"), re.M)
    reasons = {name for row in rows for name in re.findall(r"`([@/A-Za-z0-9_-]+)`", row)}
    assert names == reasons


def test_the_spacefile_names_only_settings_and_runs_a_file_that_exists() -> None:
    spacefile = yaml.safe_load((ROOT / "Spacefile").read_text())
    micro = spacefile["micros"][0]
    named = {entry["name"] for entry in micro["presets"]["env"]} | set(spacefile["x-huggingface"]["secrets"]) - {"HF_TOKEN"}
    assert named <= {env(name) for name in Settings.model_fields}
    assert (ROOT / micro["run"].split()[-1]).exists()


def test_pictures_in_the_readme_exist() -> None:
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).exists(), picture
