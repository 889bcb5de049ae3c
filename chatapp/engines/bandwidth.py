"""How fast memory gives bytes away, measured by reading: what bounds how fast a model can write on a CPU."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.engines.cores import usable_cores
from chatapp.models.cpu import cpu_name

if TYPE_CHECKING:
    import numpy as np

READ = 2**28
"""Bytes: more than caches hold."""

TIMES = 7
"""The quickest of so many counts: whatever else the machine does can only slow it down."""

SPOKEN = 512
"""Tokens of a conversation whose keys and values are read for each new one, where speed is spoken of."""

NAME = "bandwidth.json"


def measure(data_dir: Path) -> float:
    """Bytes a second with a thread for each core, in half a second; what was measured here before counts where it was more. Kept."""
    found = max(_measured(usable_cores()), known(data_dir))
    with suppress(OSError):  # on a full disk it is measured anew the next time
        data_dir.mkdir(parents=True, exist_ok=True)
        (data_dir / NAME).write_text(json.dumps({**_machine(), "bytes_per_second": round(found)}), encoding="utf-8")
    return found


def known(data_dir: Path) -> float:
    """As it was measured on this machine, 0 where it was not."""
    try:
        said = json.loads((data_dir / NAME).read_text(encoding="utf-8"))
        return float(said["bytes_per_second"]) if _machine().items() <= said.items() else 0.0
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return 0.0


def ceiling(bandwidth: float, weights: int, per_token: int) -> float:
    """Tokens a second that reading all weights, and the keys and values of SPOKEN tokens, allows for each new one."""
    return bandwidth / max(1, weights + SPOKEN * per_token)


def _machine() -> dict[str, object]:
    return {"cpu": cpu_name(), "cores": usable_cores()}


def _measured(threads: int) -> float:
    import numpy as np

    parts = np.array_split(np.ones(READ // 8), threads)
    with ThreadPoolExecutor(threads) as pool:
        return READ / min(_seconds(lambda: list(pool.map(_read, parts))) for _ in range(TIMES))


def _read(part: "np.ndarray") -> float:
    """The product with itself: two additions for each number read once, for which no other Python thread waits."""
    return float(part.dot(part))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
