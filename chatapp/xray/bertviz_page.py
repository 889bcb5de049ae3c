"""bertviz's head and model view (Vig, 2019) as one HTML page that needs no network: its scripts come from assets/vendor."""

import importlib.util
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.errors import ChatError

if TYPE_CHECKING:
    import torch

VENDOR = Path(__file__).resolve().parents[2] / "assets" / "vendor"
MAX_TOKENS, MAX_LAYERS = 64, 6
"""bertviz writes every weight out as text: 60 tokens of 30 layers were 27 MB, and 150 tokens 169 MB."""

DECIMALS = 3
FROM_A_CDN = re.compile(r'<script src="https://cdnjs[^>]*></script>')


def refuse_missing() -> None:
    """Raises ChatError where bertviz is not installed."""
    if importlib.util.find_spec("bertviz") is None:
        raise ChatError("bertviz is not installed here. It is optional: python -m pip install bertviz, then restart the app.")


def page(kind: str, weights: Mapping[int, "torch.Tensor"], tokens: Sequence[str]) -> str:
    """`kind` is head or model; weights[layer] is (heads, n, n). Layers keep their numbers; weights are rounded to DECIMALS."""
    from bertviz import head_view, model_view

    rounded = {layer: own[None].double().round(decimals=DECIMALS) for layer, own in weights.items()}
    any_layer = next(iter(rounded.values()))  # stands for the layers that are not shown: bertviz numbers them by their place
    everything = [rounded.get(n, any_layer) for n in range(max(rounded) + 1)]
    view = model_view if kind == "model" else head_view
    html = view(everything, list(tokens), include_layers=sorted(rounded), html_action="return").data
    return f"<!doctype html><meta charset=utf-8><style>body{{background:#fff;margin:8px}}</style>{FROM_A_CDN.sub(lambda _: shim(), html)}"


def shim() -> str:
    """What bertviz would fetch, inline: jQuery, d3, and the two functions of require.js that it calls."""
    scripts = ((VENDOR / name).read_text(encoding="utf-8") for name in ("jquery.min.js", "d3.min.js"))
    require = "window.require={config(){}};window.requirejs=(names,run)=>run(jQuery,d3)"
    return "".join(f"<script>{script}</script>" for script in (*scripts, require))
