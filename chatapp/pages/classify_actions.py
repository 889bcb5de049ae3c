"""What the page Classify asks: which classifiers there are, a text through one of them, a table measured."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict

from chatapp.errors import ChatError
from chatapp.identity import Owner, login_key
from chatapp.lab.classify import table as many
from chatapp.lab.classify.begun import Trainings
from chatapp.lab.classify.classifier import LONGEST
from chatapp.lab.classify.lesson import of_table
from chatapp.lab.classify.minilm import missing
from chatapp.lab.classify.ratings import HOW
from chatapp.lab.classify.service import ClassifyService, Wanted
from chatapp.lab.classify.which import here
from chatapp.lab.classify.zero_shot import LABELS, PROMPT
from chatapp.models.catalog import told_apart
from chatapp.pages.classify_protocol import ClassifierRow, Classifiers, ClassifyAsk, ClassifyLook, ClassifyTable, ClassifyTrain
from chatapp.pages.models_actions import NOT_HERE
from chatapp.pages.xray_page import told
from chatapp.resident.admission import asked_here
from chatapp.server.door import Asked
from chatapp.settings import Settings
from chatapp.xray.steps import Answers


class ClassifyActions:
    """POST /ui/classify and /ui/classify-…; only the person at this machine has further classifiers read."""

    def __init__(self, settings: Settings, service: ClassifyService, trainings: Trainings) -> None:
        self.settings = settings
        self.service = service
        self.trainings = trainings

    @property
    def local(self) -> bool:
        return asked_here(self.settings)

    async def listed(self, owner: Owner, asked: Asked) -> Asked:
        ClassifyAsk.read(asked)
        if self.local:
            found = await asyncio.to_thread(here, self.settings)
            shown = told_apart([model for model, _ in found])
            rows = [ClassifierRow(model.name, shown[model.name], card.words if card else "") for model, card in found]
        else:
            rows = [ClassifierRow(one.name, one.name, "") for one in self.service.held().values()]
        chats = [ClassifierRow(slot.id, slot.info.model, "") for slot in self.service.chats()]
        refused = "" if self.local else NOT_HERE
        return asdict(Classifiers(rows, chats, list(LABELS), PROMPT, LONGEST, HOW, missing(), refused, login_key(owner)))

    async def look(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        ask = ClassifyLook.read(asked)
        async for line in lines(self.service.look(wanted(ask), ask.text, local=self.local)):
            yield line

    async def table(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        ask = ClassifyTable.read(asked)
        table = await asyncio.to_thread(many.read, ask.name, ask.text.encode(), ask.text_column, ask.label_column)
        async for line in lines(self.service.table(wanted(ask), table, local=self.local)):
            yield line

    async def train(self, owner: Owner, asked: Asked) -> Asked:
        """A table is read, and refused, where it was given; the rest is the task's."""
        ask = ClassifyTrain.read(asked)
        if not self.local:
            raise ChatError(NOT_HERE, status=403)
        if not ask.name:
            return {"task": self.trainings.begin(owner, "Train a classifier on rated movie sentences").id}
        table = await asyncio.to_thread(many.read, ask.name, ask.text.encode(), ask.text_column, ask.label_column)
        taught = of_table(table, ask.name)
        return {"task": self.trainings.begin(owner, f"Train a classifier on {ask.name}", taught).id}


def wanted(ask: ClassifyLook | ClassifyTable) -> Wanted:
    """What shall classify. Raises ChatError for labels that are no texts."""
    if not all(isinstance(label, str) for label in ask.labels):
        raise ChatError("The page sent labels that are no texts. Reload the page.", status=422)
    return Wanted(ask.model, tuple(ask.labels), ask.prompt)


async def lines(answers: Answers) -> AsyncIterator[Asked]:
    """As lines of `Shown`. Closing this ends the work."""
    async with aclosing(told(answers)) as made:
        async for line in made:
            yield line
