"""Run in a process of its own, with HF_ENDPOINT set: loads the models named as arguments and prints one JSON line for each."""

import json
import sys
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.models.hub import download
from chatapp.models.loading import load
from chatapp.models.sources import resolve
from chatapp.settings import Settings
from chatapp.tasks import Cancelled


def main(data_dir: Path, names: list[str]) -> None:
    for name in names:
        told: list[tuple[str, float | None]] = []
        try:
            source = resolve(name.removeprefix("cancel:"), data_dir=data_dir)
            if name.startswith("cancel:"):
                download(source, cancelling)
            loaded = load(
                source,
                Settings(data_dir=data_dir, device="cpu", dtype="bfloat16"),
                lambda what, share, told=told: told.append((what, share)),
            )
            answer = {"revision": loaded.info.revision, "parameters": loaded.info.parameters, "context": loaded.info.context}
            answer["downloaded"] = [share for what, share in told if what.startswith("Downloading") and share is not None]
        except ChatError as error:
            answer = {"error": str(error), "status": error.status, "kind": type(error).__name__}
        print(json.dumps({"name": name} | answer), flush=True)


def cancelling(what: str, share: float | None) -> None:
    if what.startswith("Downloading"):
        raise Cancelled


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
