"""A sentence through a tokenizer's file, to show how it cuts: in a child process with limits of time and memory.

A file that nobody vouches for may hold a pattern that never ends; the library holds Python's lock meanwhile, so no thread would do.
"""

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from chatapp.models.files.explained import short
from chatapp.prompt.sandbox import bare_environment

CHILD = Path(__file__).with_name("sentence_child.py")
SECONDS = 20.0
"""The largest vocabulary known here, 262,145 entries, takes four on a busy machine."""

MEMORY = 3 * 2**30
LONGEST = 2000
"""Characters that are cut."""

SENTENCE = "Tokenizers cut unbelievable words, 3.14 and naïve café 😀 into pieces."


def cut(path: Path, form: str, text: str, beside: str = "") -> dict[str, Any]:
    """{text, tokens, ids, back} of `text`, or {problem}. `form`: json, sentencepiece, bpe (with its merges `beside`) or wordpiece."""
    stat = path.stat()
    return _cut(str(path), stat.st_mtime_ns, stat.st_size, form, text[:LONGEST], beside)


@lru_cache(maxsize=64)
def _cut(path: str, changed: int, size: int, form: str, text: str, beside: str) -> dict[str, Any]:
    asked = {"path": sys.path, "file": path, "beside": beside, "form": form, "text": text, "memory": MEMORY}
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(CHILD)],
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=SECONDS,
            env=bare_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"problem": f"This tokenizer did not cut a sentence within {SECONDS:.0f} s, so none is shown. Do not load the model."}
    except OSError as error:
        return {"problem": f"No sentence is shown: the process that cuts one did not start ({error.strerror})."}
    if done.returncode == 0:
        return json.loads(done.stdout)
    said = (done.stderr.decode(errors="replace").strip().splitlines() or [f"the process that read it ended with code {done.returncode}"])[
        -1
    ]
    return {"problem": f"This tokenizer cannot cut a sentence: {short(said)}. Fetch the file again."}
