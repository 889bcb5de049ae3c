"""A run in a process of its own, behind everything else: `python -m chatapp.lab.train.child RUN_FOLDER THREADS`.

What it trains is what lies in the folder: a recipe, or a lesson for a chat model. Its memory goes back when it ends, it holds no lock of
the app's Python, and whoever chats has the processor first. It ends when its parent does, and within a step when RUN_FOLDER/stop is there.
With `--plan` it measures, and prints what a run would take.
"""

import json
import os
import sys
import threading
import time
from functools import partial
from pathlib import Path

from chatapp.engines.llamacpp.requantize import behind_everything
from chatapp.errors import ChatError
from chatapp.lab.finetune import asked
from chatapp.lab.train import history, process

GRACE = 5.0
"""Seconds for a last step and its checkpoint."""


def main() -> None:
    plan, (place, threads) = "--plan" in sys.argv, [word for word in sys.argv[1:] if word != "--plan"]
    behind_everything()
    os.environ["OMP_NUM_THREADS"] = threads
    os.environ["OMP_WAIT_POLICY"] = process.PASSIVE
    threading.Thread(target=end_with_parent, args=(Path(place),), daemon=True).start()
    try:
        print(json.dumps(work(Path(place), int(threads), plan)), flush=True)
    except ChatError as error:
        sys.exit(str(error))


def work(folder: Path, threads: int, plan: bool) -> dict:
    """What the run, or the plan, came to."""
    import torch  # after the environment is set

    torch.set_num_threads(threads)
    if (folder / asked.LESSON).exists():
        from chatapp.lab.finetune import plan as planned
        from chatapp.lab.finetune import run as trained

        return planned.measured_plan(folder) if plan else trained.tune(folder, partial(history.tell, folder))
    from chatapp.lab.train import plan as planned
    from chatapp.lab.train import training as trained

    return planned.measured_plan(folder) if plan else trained.train(folder, partial(history.tell, folder))


def end_with_parent(folder: Path) -> None:
    """Standard input ends when the parent does, by intent or by dying: the run writes its checkpoint and stops, or ends as it is."""
    while os.read(0, 4096):
        pass
    if (folder / history.RUN).exists():
        (folder / history.STOP).touch()
        time.sleep(GRACE)
    os._exit(0)


if __name__ == "__main__":
    main()
