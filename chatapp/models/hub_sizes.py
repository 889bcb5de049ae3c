"""What a model on the Hub would take, before anything of it is here: by the sizes that the Hub lists and its config.json."""

import json
from typing import TYPE_CHECKING, Any

from chatapp.models.forecast import Sizes, sizes_of
from chatapp.models.hub_access import OURS, Hub, ask
from chatapp.models.hub_card import small_file, whole_files
from chatapp.models.purpose import described, refuse
from chatapp.models.search import counts_of
from chatapp.models.shape import shape_of
from chatapp.models.sources import Source
from chatapp.models.weights import Weights

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo


def listed(source: Source, itemsize: int, hub: Hub = OURS) -> Sizes:
    """With floats in `itemsize` bytes; 0 for what is not listed. Raises ChatError where the Hub cannot be asked, has no such model,
    or has one that writes no text."""
    api = hub.api()
    info = ask(
        hub, source.repo, lambda: api.model_info(source.repo, revision=source.revision or None, files_metadata=True), source.revision
    )
    files = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or []}
    if source.file:
        return sizes_of(whole_files(files).get(source.file, 0), shape_of(_config(info, files, hub)), itemsize)
    counts, config = counts_of(info), _config(info, files, hub)
    refuse(source.name, described(config))
    safetensors = sum(size for name, size in files.items() if name.endswith(".safetensors") and "/" not in name)
    return sizes_of(Weights(counts, ()).bytes_as(itemsize) if counts else safetensors, shape_of(config), itemsize)


def _config(info: "ModelInfo", files: dict[str, int], hub: Hub) -> dict[str, Any]:
    """{} where there is none that can be read."""
    if "config.json" not in files:
        return {}
    try:
        said = json.loads(small_file(info.id, info.sha or "main", "config.json", hub))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
