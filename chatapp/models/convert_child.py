"""A conversion in a process of its own, behind everything else: `python -m chatapp.models.convert_child FILE DATA_FOLDER`.

Its memory goes back when it ends, it holds no lock of the app's Python, and it can be paused while somebody is being answered.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.models.convert import convert_gguf
from chatapp.models.hub import no_progress

PR_SET_PDEATHSIG = 1
LAST = 19
"""The lowest priority there is."""


def main() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # also while it is paused
    os.nice(LAST)
    try:
        convert_gguf(Path(sys.argv[1]), Path(sys.argv[2]), no_progress)
    except ChatError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
