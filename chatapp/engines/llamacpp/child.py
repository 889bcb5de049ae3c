"""The child process: llama.cpp's server, and nothing else of ours. Run by server.py; imports no other file of chatapp.

One JSON object arrives on the first line of stdin: the options below and the key, which so stays out of the process list. When the
model is ready, another goes out on stdout: the address, and what the code was compiled for. When stdin ends, the parent is gone and so
is this process.
"""

import ctypes
import json
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xllamacpp

PR_SET_PDEATHSIG = 1
SPINS = "3000"
"""How long OpenMP threads wait busily for each other. By default so long that, with another busy process on the same cores, each step
waits for the scheduler many times over. Beside one busy process on two cores 1000 gave 28 tokens a second, 10 000 gave 10, 30 000 gave 4;
alone, with the app's own threads between, 10 000 was about 4 % quicker than 1000. This number lies between."""

PATTERN = 4
"""Tokens that must repeat before a guess is made. With 12, llama.cpp's own number, and 48 guessed ones more were wrong than saved time."""


def die_with_parent() -> None:
    """Linux kills this process when the thread that started it ends; elsewhere the end of stdin does, as soon as the model is loaded."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def watch_stdin() -> None:
    """Returns only when the parent has closed its end, by intent or by dying."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def speculate(speculative: "xllamacpp.CommonParamsSpeculative", tokens: int) -> None:
    """Where the last PATTERN tokens stood before in the conversation, guess that the next `tokens` come again, and run them at once."""
    import xllamacpp

    speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
    speculative.ngram_simple.size_n = PATTERN
    speculative.ngram_simple.size_m = tokens


def serve(options: dict) -> dict[str, str]:
    """Load the model and listen; the native threads go on. Returns the address, and the units of the processor that the code uses."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options["model"]
    params.n_parallel = options["slots"]
    params.n_ctx = options["slots"] * options["context"]  # the server divides it among the slots
    params.n_batch = params.n_ubatch = options["batch"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options["threads"]
    params.cache_ram_mib = options["cache_mib"]
    if options["files"]:
        params.slot_save_path = "/proc/self/fd/"  # sharing.py names the descriptors
    if options["draft"]:
        speculate(params.speculative, options["draft"])
    params.fit_params = False  # it would choose another context than the one we promise
    params.api_keys = [options["key"]]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.ui = False
    params.cors_origins = params.cors_methods = params.cors_headers = ""
    params.cors_credentials = False
    params.verbosity = 4  # from here on the log says why a model cannot be loaded
    serve.server = xllamacpp.Server(params)  # kept, or it would stop
    return {"address": serve.server.listening_address, "units": xllamacpp.get_system_info()}


def main() -> None:
    die_with_parent()
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the native code prints goes to the log, not into the answer
    options = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=watch_stdin, daemon=True).start()
    print(json.dumps(serve(options)), file=answer, flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the log of every request, for which nobody waits, would grow without end
    threading.Event().wait()


if __name__ == "__main__":
    main()
