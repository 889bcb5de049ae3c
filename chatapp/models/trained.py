"""Models that were trained here: the folder of a run, which its run.json names, its snapshots, and what a fine-tuning was merged to."""

import json
import re
from pathlib import Path
from typing import Any

FOLDER = "training"
"""Where the runs are, in the data folder."""

TUNED = "finetuning"
"""Where earlier versions kept adapters, and beside them the whole models that they were merged into."""

RUN, SNAPSHOTS = "run.json", "snapshots"

TUNING = "finetune"
"""The kind of a run that fine-tunes: its folder is an adapter, no whole model."""

MERGED = "merged"
"""The folder of the whole model, in that of its adapter."""


def called(folder: Path) -> str:
    """A model's name for people: its folder's; of a run, and of a snapshot in one, the run's, in letters that a model's name may have."""
    places = {folder: "", folder.parent: f"-{MERGED}"} if folder.name == MERGED else {folder: ""}
    if folder.parent.name == SNAPSHOTS:
        places[folder.parent.parent] = f"-{folder.name}"
    for run, rest in places.items():
        if name := re.sub(r"[^\w.-]+", "-", str(_said(run).get("name", ""))).strip("-."):
            return name + rest
    return folder.name


def ended(data_dir: Path) -> list[Path]:
    """The folders that runs left: of one that came to its end its own, of a fine-tuning the merged one. Each is a whole model."""
    found = []
    for run in sorted((data_dir / FOLDER).glob(f"*/{RUN}")):
        said = _said(run.parent)
        if said.get("kind") == TUNING:
            found += [run.parent / MERGED] if (run.parent / MERGED).is_dir() else []
        elif said.get("state") == "done":
            found.append(run.parent)
    return found


def made_here(data_dir: Path) -> list[Path]:
    """The folders of whole models that were trained here: runs that ended, and fine-tuned models."""
    merged = (config.parent for config in sorted((data_dir / TUNED).glob("*/config.json")))
    return [*ended(data_dir), *merged]


def _said(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / RUN).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
