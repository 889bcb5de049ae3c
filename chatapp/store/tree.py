"""The shape of a conversation, without its words: pure functions over nodes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Node(NamedTuple):
    """One turn's place. `created` is Unix time; `seq` breaks ties in order of arrival."""

    id: str
    parent_id: str | None
    created: float
    seq: int


Tree = Mapping[str, Node]


def age(node: Node) -> tuple[float, int]:
    """Sort key, oldest first."""
    return node.created, node.seq


def path_to(tree: Tree, leaf: str | None) -> list[str]:
    """Ids from the root to `leaf`."""
    path: list[str] = []
    while leaf is not None:
        path.append(leaf)
        leaf = tree[leaf].parent_id
    return path[::-1]


def children(tree: Tree) -> dict[str | None, list[Node]]:
    """Parent id → its children, oldest first; None → the roots."""
    found: dict[str | None, list[Node]] = defaultdict(list)
    for node in sorted(tree.values(), key=age):
        found[node.parent_id].append(node)
    return found


def subtree(tree: Tree, top: str) -> list[str]:
    """`top` and everything below it."""
    below, found = children(tree), [top]
    for id in found:
        found.extend(node.id for node in below.get(id, ()))
    return found


def newest_leaf(tree: Tree, ids: Iterable[str]) -> str | None:
    """The newest of these turns that has no children."""
    parents = {node.parent_id for node in tree.values()}
    leaves = [tree[id] for id in ids if id not in parents]
    return max(leaves, key=age).id if leaves else None


def leaf_after(tree: Tree, old: str | None, parent: str | None) -> str | None:
    """The leaf to show once a child of `parent` was taken out: the old one if it is still there, else the newest nearby."""
    if old in tree:
        return newest_leaf(tree, subtree(tree, old))
    near = subtree(tree, parent) if parent is not None else list(tree)
    return newest_leaf(tree, near)
