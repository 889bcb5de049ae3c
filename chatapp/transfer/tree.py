"""Message trees of other programs → our turns (a question and its reply), with nothing lost.

A question with several answers becomes sibling turns. Replies in several messages (tools between them) are joined by blank lines.
What has no place in that shape, such as a greeting before the first question, a question nobody answered or a system message in the
middle, goes into `history` of the next turn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from chatapp.identity import Owner
from chatapp.store.record import Conversation, fault, title_of, tree_checked
from chatapp.turn import FinishReason, Message, Role, Timings, Turn, new_id


@dataclass
class Node:
    """One message. `parent` is None for a root; role 'none' (or no text outside a question) is passed through."""

    id: str
    parent: str | None
    role: str
    text: str
    created: float
    model: str = ""
    error: str = ""
    done: bool = True
    children: list["Node"] = field(default_factory=list)

    @property
    def silent(self) -> bool:
        return self.role == "none" or (self.role != "user" and not self.text and not self.error)

    def following(self) -> list["Node"]:
        """The next messages, looking through silent ones."""
        found, stack = [], self.children[::-1]
        while stack:
            node = stack.pop()
            if node.silent:
                stack.extend(node.children[::-1])
            else:
                found.append(node)
        return found


@dataclass(frozen=True)
class Reading:
    """How far a walk from the root has come: what the next turn will be made of."""

    parent: str | None = None
    system: str = ""
    history: tuple[Message, ...] = ()
    question: Node | None = None
    reply: tuple[Node, ...] = ()


def link(nodes: dict[str, Node], where: str) -> Node:
    """Sets the children and returns a silent root above all roots. Refuses unknown parents and loops."""
    top = Node("", None, "none", "", 0.0)
    for node in nodes.values():
        if node.parent is not None and node.parent not in nodes:
            raise fault(f"{where}, message {node.id}, parent", f"is {node.parent!r}, which is none of its messages")
        (top if node.parent is None else nodes[node.parent]).children.append(node)
    reached, stack = 0, [top]
    while stack:
        reached += 1
        stack.extend(stack.pop().children)
    if reached != len(nodes) + 1:
        raise fault(f"{where}, parent", "the messages make a loop")
    return top


def conversation(head: Conversation, nodes: dict[str, Node], current: str | None, owner: Owner, source: str, where: str) -> Conversation:
    """`head` with the turns of these messages; `source` names the program in Turn.engine, `current` is the end of its visible path."""
    top = link(nodes, where)
    ends: dict[str, str] = {}  # message id → the turn that ends with it
    turns: list[Turn] = []
    for node, turn in walk(top):
        made = replace(turn, owner=owner, conversation_id=head.id, engine=source, created=turn.created or head.created)
        ends[node.id] = made.id
        turns.append(made)
    while current is not None and current not in ends:
        current = nodes[current].parent if current in nodes else None
    leaf = _leaf(turns, ends.get(current or ""))
    title = head.title or title_of(turns[0].user if turns else "")
    return tree_checked(replace(head, title=title, turns=turns, leaf=leaf), where)


def walk(top: Node) -> Iterator[tuple[Node, Turn]]:
    """Each turn with its last message, parents first."""
    stack = [(node, Reading()) for node in reversed(top.following())]
    while stack:
        node, before = stack.pop()
        reading, following = _read(node, before), node.following()
        after = reading
        if _complete(reading, following):
            turn = _turn(reading)
            yield node, turn
            after = Reading(parent=turn.id, system=reading.system)
        stack.extend((child, after if child.role == "user" else reading) for child in reversed(following))


def _read(node: Node, so_far: Reading) -> Reading:
    question = so_far.question
    if node.role == "user":
        unanswered = (Message("user", question.text),) if question and not so_far.reply else ()
        return replace(so_far, question=node, reply=(), history=so_far.history + unanswered)
    if question is not None or (node.role != "system" and not node.following()):
        return replace(so_far, reply=(*so_far.reply, node))
    if node.role == "system" and so_far.parent is None and not so_far.system and not so_far.history:
        return replace(so_far, system=node.text)
    role: Role = "system" if node.role == "system" else "assistant"
    return replace(so_far, history=(*so_far.history, Message(role, node.text)))


def _complete(reading: Reading, following: Sequence[Node]) -> bool:
    """Does a turn end here? An answer that a question follows, or the end of a branch."""
    if reading.reply:
        return not following or any(node.role == "user" for node in following)
    return not following


def _turn(reading: Reading) -> Turn:
    question, reply = reading.question, reading.reply
    last = reply[-1] if reply else None
    reason: FinishReason = "stopped" if last is None else "error" if last.error else "end" if last.done else "interrupted"
    return Turn(
        owner="",
        conversation_id="",
        user=question.text if question else "",
        parent_id=reading.parent,
        system=reading.system,
        history=reading.history,
        created=(question or last).created if question or last else 0.0,
        reply_text="\n\n".join(node.text if node.role == "assistant" else f"[{node.role}]\n{node.text}" for node in reply if node.text),
        finish_reason=reason,
        error=last.error if last else "",
        timings=Timings(started=last.created if last else 0.0),
        model=last.model if last else "",
        id=new_id(),
    )


def _leaf(turns: Sequence[Turn], at: str | None) -> str | None:
    """The newest end below `at`, so that the visible path is whole."""
    newest = {turn.parent_id: turn.id for turn in sorted(turns, key=lambda turn: turn.created)}
    while at in newest:
        at = newest[at]
    return at
