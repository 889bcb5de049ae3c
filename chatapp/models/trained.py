"""Models that were trained here: the folder of a run, which its run.json names, the snapshots in it, and what was fine-tuned and merged."""

import json
import re
from pathlib import Path
from typing import Any

FOLDER = "training"
"""Where the runs are, in the data folder."""

TUNED = "finetuning"
"""Where adapters are, and beside them the whole models that they were merged into."""

RUN, SNAPSHOTS = "run.json", "snapshots"


def called(folder: Path) -> str:
    """A model's name for people: its folder's; of a run, and of a snapshot in one, the run's, in letters that a model's name may have."""
    for run, rest in ((folder, ""), (folder.parent.parent, f"-{folder.name}")):
        inside = not rest or folder.parent.name == SNAPSHOTS
        if inside and (name := re.sub(r"[^\w.-]+", "-", str(_said(run).get("name", ""))).strip("-.")):
            return name + rest
    return folder.name


def ended(data_dir: Path) -> list[Path]:
    """The folders of runs that came to their end: each is a whole model."""
    return [run.parent for run in sorted((data_dir / FOLDER).glob(f"*/{RUN}")) if _said(run.parent).get("state") == "done"]


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
