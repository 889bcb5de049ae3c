"""X-ray's own thread: it takes one core, comes after the model, and is the first that imports PyTorch where the engine does not."""

import importlib
import os
import sys
import threading

ROOMS = ("architecture", "attention", "lens", "module", "sampling")
"""X-ray's modules that need PyTorch: imported on its own thread, because a first import takes seconds."""

NICE = 10
"""Priority of X-ray's thread. Beside it a chat keeps 0.6 of its speed on two cores, 0.3 with none; a higher number would stall the page,
as this thread holds Python's lock now and then."""


def behind_the_chat() -> None:
    """What the model needs comes first."""
    if sys.platform == "linux":  # elsewhere a priority is the whole process's
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICE)


def one_thread() -> None:
    """Beside a running chat X-ray takes one core.

    PyTorch keeps the number per thread, but a thread that starts later takes the number that was set last, by whichever thread: so the
    number from before is set again, from a thread that ends.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    restore = threading.Thread(target=torch.set_num_threads, args=(before,))
    restore.start()
    restore.join()
    for room in ROOMS:
        importlib.import_module(f"chatapp.xray.{room}")
