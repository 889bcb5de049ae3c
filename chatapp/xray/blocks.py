"""What a block of a model does, part by part, in plain words with its own numbers."""

from typing import Any

from torch import nn
from transformers import PreTrainedModel

from chatapp.models.memory import kv_shape
from chatapp.models.shape import ENCODERS
from chatapp.xray.architecture import feed_forward_width

NORMS = {
    "input_layernorm": "before attention",
    "ln_1": "before attention",
    "ln_attn": "before attention",
    "operator_norm": "before attention",
    "ln_2": "before the feed-forward part",
    "ln_mlp": "before the feed-forward part",
    "ffn_norm": "before the feed-forward part",
    "pre_feedforward_layernorm": "before the feed-forward part",
    "post_feedforward_layernorm": "on what the feed-forward part made, before it is added",
    "sa_layer_norm": "after attention was added",
    "attention.output.LayerNorm": "after attention was added",
    "output.LayerNorm": "after the feed-forward part was added",
    "output_layer_norm": "after the feed-forward part was added",
}
"""Where a norm of this name acts. `post_attention_layernorm` depends on its neighbours."""

RESIDUAL = (
    "Attention and the feed-forward part do not replace a token's vector: what they make is added to it (x + f(x)). So every block only "
    "writes a correction, and what the first layers found is still there in the last."
)


def block_of(model: nn.Module) -> nn.Module | None:
    """The first of the blocks: of the longest list of modules."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module)]
    return max(lists, key=len)[0] if lists else None


def explain(model: PreTrainedModel, positions: dict[str, Any]) -> list[dict[str, str]]:
    """[{part, name, words}]: positions, then each part of a block by the name of its module, then the residual."""
    block = block_of(model)
    parts = [{"part": "position", "name": "", "words": _positions(positions)}]
    if block is None:
        return parts
    children = dict(block.named_children()) | _inner_norms(block)
    told = [(name, *_part(name, children, model)) for name in children]
    order = {"attention": 0, "feed-forward": 1, "norm": 2}
    known = sorted((row for row in told if row[1]), key=lambda row: order[row[1]])
    parts += [{"part": part, "name": name, "words": words} for name, part, words in known]
    return [*parts, {"part": "residual", "name": "", "words": RESIDUAL}]


def _inner_norms(block: nn.Module) -> dict[str, nn.Module]:
    """BERT's norms stand inside the parts that they follow."""
    return {name: module for name, module in block.named_modules() if name in ("attention.output.LayerNorm", "output.LayerNorm")}


def _part(name: str, children: dict[str, nn.Module], model: PreTrainedModel) -> tuple[str, str]:
    """(which part, what it does) of a child of a block; '' for dropout and what is unknown here."""
    kind = type(children[name]).__name__.lower()
    if "norm" in kind or "norm" in name or name.startswith("ln_"):
        return "norm", _norm(name, children)
    if "attention" in kind or "attn" in name or "attention" in name:
        return "attention", _attention(model)
    if any(word in f"{kind} {name}" for word in ("mlp", "feed_forward", "ffn", "moe", "intermediate")):
        return "feed-forward", _feed_forward(model)
    return "", ""


def _norm(name: str, children: dict[str, nn.Module]) -> str:
    mean = "rms" in type(children[name]).__name__.lower()
    how = "divided by its root mean square" if mean else "shifted to mean 0 and divided by its spread"
    where = f"Norm {_where(name, children)}".strip()
    return f"{where}: each token's vector is {how}, then scaled by a learned weight for each column. It keeps deep stacks stable."


def _where(name: str, children: dict[str, nn.Module]) -> str:
    if name == "post_attention_layernorm":
        own = "pre_feedforward_layernorm" in children or "input_layernorm" not in children
        return "on what attention made, before it is added" if own else "before the feed-forward part"
    return NORMS.get(name, "")


def _attention(model: PreTrainedModel) -> str:
    config = model.config.get_text_config()
    kv, width = kv_shape(config)
    heads = config.num_attention_heads
    shared = f"; {heads // kv} of them share a head of keys and values, of which there are {kv}" if 0 < kv < heads else ""
    sees = "the tokens before it" if causal(model) else "all tokens, before and behind"
    return (
        f"Attention: here alone tokens meet. Each asks with a query, compares it with the keys of {sees}, and takes their values in that "
        f"proportion, in {heads} heads of {width} numbers side by side{shared}. The result goes through one more matrix."
    )


def causal(model: PreTrainedModel) -> bool:
    """Does a token see only those before it?"""
    family = model.config.model_type
    return family not in ENCODERS or bool(getattr(model.config, "is_decoder", False))


def _feed_forward(model: PreTrainedModel) -> str:
    config = model.config.get_text_config()
    hidden, inner = config.hidden_size, feed_forward_width(config)
    names = ("hidden_act", "hidden_activation", "activation_function", "activation")
    act = next((found for name in names if isinstance(found := getattr(config, name, None), str)), "")
    many = getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None) or 1
    experts = f" There are {many} of them (experts), and a router sends each token to a few." if many > 1 else ""
    function = f" ({act} between the matrices)" if act else ""
    way = f"{hidden:,} → {inner:,} → {hidden:,} numbers{function}"
    return f"Feed-forward (MLP): each token by itself, {way}. Most of the model's weights are here.{experts}"


def _positions(found: dict[str, Any]) -> str:
    if found["kind"] == "rotary":
        return (
            "Position: nothing is added to a token. In each attention, queries and keys are turned by angles that grow with the position "
            f"({len(found['frequencies'])} speeds), so that a comparison sees how far apart two tokens are (RoPE)."
        )
    if found["kind"] == "learned":
        return f"Position: a learned vector for each of {found['shape'][0]:,} places is added to the token's vector before the first block."
    return "Position: told in another way than by a learned table or by rotation."
