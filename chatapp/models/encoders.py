"""What no engine serves, an encoder (BERT and its kin) or a classifier, from its folder, to be looked into. On the CPU, in float32."""

from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.models import weights
from chatapp.models.alone import alone
from chatapp.models.convert import progress_bars_to
from chatapp.models.failures import FAILURES, first_line
from chatapp.models.hub import no_progress
from chatapp.models.identity import revision_of
from chatapp.models.info import ModelInfo, context_of
from chatapp.models.loading import Loaded, check_description
from chatapp.models.memory import HEADROOM, free_memory, gigabytes
from chatapp.models.tokenizer import read_tokenizer

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

BYTES = 4
"""Of a weight in float32."""

MADE_UP = ("pooler",)
"""Parts that a checkpoint may lack: nothing that is shown goes through them."""


def needs(folder: Path) -> int:
    """Bytes of main memory that must be free before it is loaded. Raises ChatError for files that are damaged."""
    return int(weights.inspect(folder).bytes_as(BYTES) * HEADROOM)


def load_encoder(folder: Path, name: str, kind: str = "AutoModel") -> Loaded:
    """`kind` is the class of transformers that reads it.

    Raises ChatError for what does not fit, is damaged, or asks for code of its own.
    """
    if (needed := needs(folder)) > (free := free_memory()):
        raise ChatError(
            f"{name} does not fit: it needs {gigabytes(needed)} in float32, and {gigabytes(free)} are free. Unload another model.",
            status=503,
        )
    config = _config(folder, name)
    check_description(config, weights.inspect(folder), name, kind)
    tokenizer, model = read_tokenizer(folder, name), _model(folder, name, kind)
    info = ModelInfo(name, revision_of(folder), model.num_parameters(), context_of(config), "cpu", "float32", "X-ray looks in full numbers")
    return Loaded(model, tokenizer, info, folder)


def _config(folder: Path, name: str) -> "PretrainedConfig":
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (*FAILURES, StrictDataclassError) as error:
        raise ChatError(f"{name} cannot be loaded: {first_line(error)} A newer transformers may know it.") from error


@alone
def _model(folder: Path, name: str, kind: str) -> "PreTrainedModel":
    """With eager attention, which gives its weights: not every encoder says in which layer an attention stands, as recording it needs."""
    import torch
    import transformers
    from safetensors import SafetensorError

    given = {"dtype": torch.float32, "attn_implementation": "eager", "use_safetensors": True, "trust_remote_code": False}
    try:
        with progress_bars_to(f"Loading {name}", no_progress):  # transformers would draw its own
            model, report = getattr(transformers, kind).from_pretrained(folder, output_loading_info=True, **given)
    except (*FAILURES, SafetensorError) as error:
        raise ChatError(f"{name} cannot be loaded: {first_line(error)}") from error
    if missing := sorted(key for key in report["missing_keys"] if not key.startswith(MADE_UP)):
        raise ChatError(f"{name} is incomplete: {len(missing)} of its weights are in no file, first {missing[0]}. Fetch it again.")
    return model.eval().requires_grad_(False)
