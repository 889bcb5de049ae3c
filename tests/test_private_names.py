"""Every name that a library does not promise and that the app leans on. When one is gone, its line says what of the app stood on it.

A name that is imported from an inner module, or begins with an underscore, and is not in the list makes a test fail: add it here, with the
reason.
"""

import ast
import importlib
from importlib import metadata
from operator import attrgetter
from typing import Any

import pytest

from tests.test_layers import FILES, ROOT

BATCHING = "transformers.generation.continuous_batching"
CHILD_SETS = [
    f"CommonParams().{name}"
    for name in [
        "model.path",
        "n_parallel",
        "n_ctx",
        "n_batch",
        "n_ubatch",
        "cpuparams.n_threads",
        "cpuparams_batch.n_threads",
        "cache_ram_mib",
        "slot_save_path",
        "fit_params",
        "api_keys",
        "hostnames",
        "port",
        "ui",
        "cors_origins",
        "cors_methods",
        "cors_headers",
        "cors_credentials",
        "verbosity",
        "speculative.types",
        "speculative.ngram_simple.size_n",
        "speculative.ngram_simple.size_m",
    ]
]

LEANED_ON = {
    "gradio": {
        "Blocks()._queue.sleep_when_free": "pages/blocks.py makes the queue look for events less often",
        "Blocks()._queue.progress_update_sleep_when_free": "pages/blocks.py makes the queue look for progress less often",
    },
    "gradio.routes": {
        "App().tokens": "server/door.py finds who is logged in",
        "App().cookie_id": "server/door.py finds the cookie of the login",
    },
    "gradio.route_utils": {
        "FnIndexInferError": "pages/misread.py answers to the name of an event that is not there",
    },
    "gradio.tunneling": {
        "CURRENT_TUNNELS": "pages/start.py ends the program behind a public link",
        "Tunnel.kill": "pages/start.py ends the program behind a public link",
    },
    "gradio.themes.utils": {
        "colors.Color": "pages/theme.py defines the page's colours",
    },
    "transformers.cache_utils": {
        "DynamicLayer.lazy_initialization": "engines/direct/kvcache.py makes a layer that grows in place",
        "DynamicLayer().is_initialized": "engines/direct/kvcache.py asks whether a model kept anything",
    },
    "transformers.generation.logits_process": {
        "LogitsProcessorList": "engines/sampling.py draws with transformers' own processors",
        "RepetitionPenaltyLogitsProcessor": "engines/sampling.py",
        "TemperatureLogitsWarper": "engines/sampling.py and engines/batched/paged.py",
        "TopKLogitsWarper": "engines/sampling.py and engines/batched/paged.py",
        "TopPLogitsWarper": "engines/sampling.py and engines/batched/paged.py",
        "MinPLogitsWarper": "engines/sampling.py",
        "TypicalLogitsWarper": "engines/sampling.py",
    },
    f"{BATCHING}.cb_logits_processors": {
        "ContinuousBatchingLogitsProcessor.prepare_tensor_args": "engines/batched/paged.py: min-p for each person",
        "ContinuousBatchingLogitsProcessor.fill_defaults": "engines/batched/paged.py: min-p for each person",
        "ContinuousBatchingLogitsProcessorList": "engines/batched/paged.py lists its own processors",
        "ContinuousBatchingTemperatureLogitsWarper": "engines/batched/paged.py: exact argmax at temperature 0",
        "ContinuousBatchingTopKLogitsWarper": "engines/batched/paged.py: top-k without sorting",
        "ContinuousBatchingTopPLogitsWarper": "engines/batched/paged.py: top-p without sorting",
    },
    f"{BATCHING}.requests": {
        "RequestState.position_offset": "engines/batched/paged.py counts the reused tokens",
        "RequestStatus.FINISHED": "engines/batched/paged.py marks cancelled requests",
        "RequestStatus.FAILED": "engines/batched/engine.py tells a failed request",
        "FutureRequestState": "engines/batched/paged.py: the type of what min-p is given",
        "GenerationOutput.is_finished": "engines/batched/engine.py reads the growing outputs",
    },
    f"{BATCHING}.scheduler": {
        "SCHEDULER_MAPPING": "engines/batched/paged.py registers its scheduler",
        "FIFOScheduler._infer_request_tokens": "engines/batched/paged.py counts the reused tokens",
        "FIFOScheduler.clear_cancelled_requests": "engines/batched/paged.py finishes cancelled requests",
        "FIFOScheduler.reset": "engines/batched/paged.py forgets what it counted",
    },
    f"{BATCHING}.utils": {
        "drain_queue": "engines/batched/engine.py throws late steps away",
    },
    f"{BATCHING}.cache": {
        "PagedAttentionCache": "engines/batched/engine.py reads the number of pages",
    },
    BATCHING: {
        "ContinuousBatchingManager.warmup": "engines/batched/engine.py makes the cache where its failure can be told",
        "ContinuousBatchingManager.register_result_handler": "engines/batched/engine.py is told of each step",
        "ContinuousBatchingManager.cancel_request": "engines/batched/engine.py frees the pages of who left",
    },
    "transformers": {
        "PreTrainedModel._supports_attention_backend": "engines/batched/paged.py and xray/module.py refuse what would ignore it",
        "PretrainedConfig()._attn_implementation": "engines/batched/ and xray/ read the attention in use",
    },
    "transformers.integrations.ggml": {
        "GGUF_CONFIG_MAPPING": "xray/support.py says which GGUF files X-ray will be able to read",
    },
    "transformers.integrations.sdpa_attention": {
        "sdpa_attention_forward": "models/attention.py computes what sdpa computes",
    },
    "transformers.masking_utils": {
        "sdpa_mask": "models/attention.py gives X-ray's attention sdpa's mask",
    },
    "transformers.models.auto.modeling_auto": {
        "MODEL_FOR_CAUSAL_LM_MAPPING": "models/loading.py tells chat models from others",
    },
    "transformers.utils.chat_template_utils": {
        "_compile_jinja_template": "prompt/sandbox_child.py numbers the lines of a template in the library's own environment",
    },
    "markdown_it.rules_block": {
        "blockquote": "markdown/grammar.py limits its depth",
        "list_block": "markdown/grammar.py limits its depth",
        "table": "markdown/grammar.py limits its cells",
        "reference": "markdown/grammar.py keeps the place of a definition",
        "StateBlock": "markdown/: blocks of our own",
    },
    "markdown_it.rules_inline": {
        "StateInline": "markdown/: formulas, tags, footnotes and bare addresses",
    },
    "markdown_it.common.utils": {
        "normalizeReference": "markdown/notes.py compares the labels of footnotes",
    },
    "tokenizers.decoders": {
        "ByteLevel": "engines/text.py looks whole tokens up instead of decoding them",
    },
    "xllamacpp": {
        **dict.fromkeys(CHILD_SETS, "engines/llamacpp/child.py sets it"),
        "Server.listening_address": "engines/llamacpp/child.py says where it listens",
        "get_system_info": "engines/llamacpp/child.py says what the code was compiled for",
        "common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE": "engines/llamacpp/child.py guesses ahead",
    },
}
"""Module → name in it → what of the app stands on it. A call in front makes an object, whose attribute is meant."""

INNER = ("gradio.queueing", "gradio.routes", "gradio.themes", BATCHING, "transformers.cache_utils", "transformers.generation",
         "markdown_it.common", "markdown_it.rules_",
         "transformers.integrations", "transformers.masking_utils", "transformers.models", "tokenizers.decoders")  # fmt: skip
"""Modules whose names their makers move as they like."""


def found(module: str, name: str) -> Any:
    """The thing itself. AttributeError or ImportError when it has moved."""
    made, _, rest = name.partition(").")
    thing = importlib.import_module(module)
    if not rest:
        return attrgetter(name)(thing) if not annotated(thing, name) else True
    function, _, arguments = made.partition("(")
    return attrgetter(rest)(attrgetter(function)(thing)(*ast.literal_eval(f"({arguments},)" if arguments else "()")))


def annotated(module: Any, name: str) -> bool:
    """A field of a dataclass without a default, which the class does not have as an attribute."""
    owner, _, field = name.rpartition(".")
    return bool(owner) and field in getattr(attrgetter(owner)(module), "__annotations__", {})


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in LEANED_ON.items() for name in names])
def test_what_the_app_leans_on_is_there(module: str, name: str) -> None:
    package = module.partition(".")[0]
    if package == "xllamacpp":  # only for Linux on x86-64
        pytest.importorskip(package)
    try:
        found(module, name)
    except (ImportError, AttributeError) as error:
        pytest.fail(f"{package} {metadata.version(package)} has moved {module} {name} ({error}): {LEANED_ON[module][name]}.")


def leaned_on() -> list[tuple[str, str]]:
    """(file, name) of each import from an inner module, and of each underscored attribute of somebody else's object."""
    seen = []
    for path in FILES:
        if "bench" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
        own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(INNER):
                seen += [(str(path.relative_to(ROOT)), alias.name) for alias in node.names]
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__") and node.attr not in own:
                seen.append((str(path.relative_to(ROOT)), node.attr))
    return seen


OURS = {"_exit"}
"""Underscored names that are promised: os._exit."""


def test_nothing_else_is_leaned_on() -> None:
    listed = OURS | {part for names in LEANED_ON.values() for name in names for part in name.replace("()", "").split(".")}
    assert [place for place in leaned_on() if place[1] not in listed] == []
