"""The keys of config.json that change shape or memory, each with its number and what it multiplies to."""

from collections.abc import Callable

from chatapp.models.files.explained import number as n
from chatapp.models.files.explained import size
from chatapp.models.shape import Shape


def hidden(s: Shape) -> str:
    table = f" The embedding table is {n(s.vocabulary)} × {n(s.hidden)} = {n(s.embedding)} parameters." if s.vocabulary else ""
    return f"Width: between the blocks each token is a vector of {n(s.hidden)} numbers.{table}"


def layers(s: Shape) -> str:
    if not (s.attention and s.feed_forward):
        return f"Blocks, one after the other: {n(s.layers)}."
    parts = f"attention {n(s.attention)} + feed-forward {n(s.feed_forward)} + norms {n(2 * s.hidden)}"
    return f"Blocks, one after the other: {n(s.layers)}, each about {n(s.block)} parameters ({parts}); together {n(s.layers * s.block)}."


def heads(s: Shape) -> str:
    if not s.hidden:
        return f"Attention heads in each block: {n(s.heads)}."
    width = s.heads * s.head_dim
    matrix = f"{n(s.hidden)} × {n(width)} = {n(s.hidden * width)}"
    made = f"The queries' matrix is {matrix} parameters a block, and the output's as many."
    return f"Attention heads in each block: {n(s.heads)}, each {n(s.head_dim)} wide. {made}"


def kv_heads(s: Shape) -> str:
    shared = s.heads // s.kv_heads if s.kv_heads else 0
    sharing = f"{n(shared)} query heads share each (grouped-query attention)" if shared > 1 else "one for each query head"
    return f"Heads of keys and values: {n(s.kv_heads)}, {sharing}. {_cache(s)}"


def _cache(s: Shape) -> str:
    if not s.kv_bytes:
        return "It reads a whole text at once and keeps no cache of them."
    factors = f"2 × {n(s.layers)} layers × {n(s.kv_heads)} heads × {n(s.head_dim)} × 2 bytes"
    return f"KV cache of a token: {factors} = {n(s.kv_bytes)} bytes in 16 bits."


def head_dim(s: Shape) -> str:
    apart = "" if s.heads * s.head_dim == s.hidden else f", and not the width of the model, {n(s.hidden)}"
    return f"Width of a head: {n(s.head_dim)}; {n(s.heads)} heads make {n(s.heads * s.head_dim)}{apart}."


def inner(s: Shape) -> str:
    gate = "three matrices, the third is a gate" if s.matrices == 3 else "two matrices"
    each = f" in each of {n(s.experts)} experts" if s.experts > 1 else ""
    made = f"{s.matrices} × {n(s.hidden)} × {n(s.inner)}" + (f" × {n(s.experts)}" if s.experts > 1 else "")
    way = f"{n(s.hidden)} → {n(s.inner)} → {n(s.hidden)}"
    total = f", {n(s.layers * s.feed_forward)} in {n(s.layers)} blocks" if s.layers else ""
    return f"Inner width of the feed-forward part: {way}, {gate}{each}: {made} = {n(s.feed_forward)} parameters a block{total}."


def vocabulary(s: Shape) -> str:
    return (
        f"Tokens it has: {n(s.vocabulary)}. Each is a row of {n(s.hidden)} numbers: {n(s.embedding)} parameters, "
        "and as many for the output head unless it is tied to them."
    )


def context(s: Shape) -> str:
    held = f" Their KV cache takes {n(s.context)} × {n(s.kv_bytes)} bytes = {size(s.context * s.kv_bytes)}." if s.kv_bytes else ""
    return f"Longest text it was made for: {n(s.context)} tokens.{held}"


def experts(s: Shape) -> str:
    return f"Experts in each block that has them: {n(s.experts)}. All are in memory; each token goes through a few."


def tied(s: Shape, value: object) -> str:
    if value is True:
        return f"The output head is the embedding table itself: {n(s.embedding)} parameters are stored once and used twice."
    return f"The output head has weights of its own: {n(s.embedding)} parameters beside the embedding table's as many."


def dtype(s: Shape, value: object) -> str:
    if not s.itemsize:
        return "The number format in which the weights were saved."
    block = f" A block of {n(s.block)} parameters takes {size(s.block * s.itemsize)}." if s.attention and s.feed_forward else ""
    return (
        f"The number format in which the weights were saved: {s.itemsize} bytes a parameter.{block} The app may choose another (--dtype)."
    )


BY_ROLE: dict[str, Callable[[Shape], str]] = {
    "hidden": hidden,
    "layers": layers,
    "heads": heads,
    "kv_heads": kv_heads,
    "head_dim": head_dim,
    "inner": inner,
    "vocabulary": vocabulary,
    "context": context,
    "experts": experts,
}
BY_VALUE: dict[str, Callable[[Shape, object], str]] = {"tie_word_embeddings": tied, "dtype": dtype, "torch_dtype": dtype}
