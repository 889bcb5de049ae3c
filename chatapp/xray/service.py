"""Which question: it comes in with the name of a view, its progress and its data go out."""

from contextlib import aclosing
from dataclasses import replace
from typing import Any

from chatapp.chat.service import Chat
from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.models.identity import made_by
from chatapp.resident.manager import ModelManager
from chatapp.resident.slot import looked_into
from chatapp.tasks import Step
from chatapp.turn import Turn
from chatapp.xray import registry
from chatapp.xray.inspector import Inspector
from chatapp.xray.query import Values, XrayQuery
from chatapp.xray.steps import Answers
from chatapp.xray.whose import refuse_remote

IMPORTED = (
    "This reply was not written here: it came with an import, which tells its words but neither its tokens nor what wrote them. "
    "Reproduce shows what is known of it; send a message here, and X-ray shows everything about its reply."
)


class XrayService:
    """Looks at recorded turns, each for its owner only."""

    def __init__(self, chat: Chat, models: ModelManager) -> None:
        self.chat = chat
        self.inspector = Inspector(models)

    async def look(
        self, owner: Owner, name: str, turn_id: str, asked: dict[str, Any], *, temporary: str | None = None, anyway: bool = False
    ) -> Answers:
        """The answers to one question. `temporary` is the temporary chat that the page shows.

        `anyway`: by the weights that are loaded, where the record does not say by which the reply was made. Each answer says so.
        """
        view, answer = registry.question(name)
        query = XrayQuery(owner, await self.turn(owner, turn_id, temporary), Values(asked), self.chat, self.inspector)
        if query.turn.imported and not view.keeps_record:
            raise ChatError(IMPORTED)
        if not view.without_ids:
            refuse_remote(made_by(query.turn))
        if anyway and not query.turn.revision and not (view.keeps_record and name == view.name):
            query = self.insisted(query)
        unsure = {"unsure": query.unsure} if query.unsure else {}
        async with aclosing(answer(query)) as items:
            with looked_into(query.slot):
                async for item in items:
                    yield item if isinstance(item, Step) else item | unsure

    async def load(self, owner: Owner, turn_id: str, name: str) -> Answers:
        """Have a model loaded: the one named, or the one that wrote the turn. It stands beside the others and is everybody's."""
        turn = await self.turn(owner, turn_id, None)
        made = str(made_by(turn))
        name = name.strip() or made
        slot = self.chat.models.wrote(turn) if name == made else None
        async with aclosing(self.inspector.load(name, slot)) as items:
            async for item in items:
                yield item if isinstance(item, Step) else {"loaded": item.id}

    async def turn(self, owner: Owner, turn_id: str, temporary: str | None) -> Turn:
        """A finished turn of the owner's own."""
        async with self.chat.stores.explained(owner, temporary or None):
            turn = await self.chat.turn(owner, turn_id)
        if turn.running:
            raise ChatError("This reply is still being written. X-ray shows it when it is done, or after Stop.")
        return turn

    def insisted(self, query: XrayQuery) -> XrayQuery:
        """As if the loaded model of its name had written the reply: a person asked."""
        model = self.inspector.called(query.turn.model)
        words = (
            f"It is not known whether {model} wrote this reply: its record does not say by which weights. Shown is what these make of it."
        )
        return replace(query, turn=replace(query.turn, revision=model.revision), unsure=words)
