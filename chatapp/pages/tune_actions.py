"""What the page Train asks about fine-tuning: models and conversations to choose, plans, runs, whole models, before and after."""

import asyncio
from collections.abc import AsyncIterator, Set
from contextlib import aclosing
from dataclasses import asdict
from os.path import expanduser
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.identity import Owner, login_key
from chatapp.lab.finetune import beside, choices, merging
from chatapp.lab.finetune.asked import LONGEST_NAME, Tuning, lesson_of, refuse_few
from chatapp.lab.finetune.pairs import Chat, read
from chatapp.lab.finetune.plan import planned
from chatapp.lab.train.plan import refusals
from chatapp.lab.train.runs import Runs
from chatapp.models import catalog
from chatapp.models.trained import MERGED
from chatapp.pages.models_actions import is_same
from chatapp.pages.train_actions import demand
from chatapp.pages.tune_protocol import TuneAsk, TuneBegin, TuneBeside, TuneChat, TuneHome, TuneMerge, TuneModel, TunePlan, TuneRead
from chatapp.pages.xray_page import told
from chatapp.resident.manager import ModelManager
from chatapp.server.door import Asked
from chatapp.settings import EMBEDDED_MODEL, Settings
from chatapp.store import Store
from chatapp.tasks import Step, Task
from chatapp.xray.steps import Answers
from chatapp.xray.text.which import located

TICK = 0.3
"""Seconds between two looks at a task."""

SEEN = "Runs are everybody's who logs in here: they see what is held out of these conversations, and may chat with what learned them."

LESSON = {"epochs": 3, "rank": 8, "learning_rate": 0.0005, "max_minutes": 10}


class TuneActions:
    """POST /ui/tune and /ui/tune-…; refused to everybody but the person at this machine. One plan is measured at a time."""

    def __init__(self, models: ModelManager, settings: Settings, runs: Runs, store: Store) -> None:
        self.models, self.settings, self.runs, self.store = models, settings, runs, store
        self._one = asyncio.Semaphore(1)
        self._merging: dict[str, tuple[Task, asyncio.Future[None]]] = {}

    async def home(self, owner: Owner, asked: Asked) -> Asked:
        demand(self.settings)
        TuneAsk.read(asked)
        models, first = await asyncio.to_thread(self._models)
        chats = [TuneChat(**vars(one)) for one in await asyncio.to_thread(choices.conversations, self.store, owner)]
        return asdict(TuneHome(models, chats, first, LESSON, SEEN if login_key(owner) else ""))

    async def read(self, owner: Owner, asked: Asked) -> Asked:
        demand(self.settings)
        ask = TuneRead.read(asked)
        pairs = await asyncio.to_thread(from_files, ask.files)
        chats = await asyncio.to_thread(choices.chosen, self.store, owner, ask.chats)
        return {"words": in_words(pairs, chats)}

    async def plan(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        demand(self.settings)
        wanted = await asyncio.to_thread(self._wanted, owner, TunePlan.read(asked))
        async with self._one, aclosing(told(planned(wanted, self.settings.data_dir))) as lines:
            async for line in lines:
                yield {"data": {"plan": line["data"], "refused": refusals(line["data"])}} if "data" in line else line

    async def begin(self, owner: Owner, asked: Asked) -> Asked:
        demand(self.settings)
        wanted = await asyncio.to_thread(self._wanted, owner, TuneBegin.read(asked))
        return {"id": await asyncio.to_thread(self.runs.begin, owner, wanted)}

    async def merge(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        demand(self.settings)
        ask = TuneMerge.read(asked)
        place = await asyncio.to_thread(self.runs.place, ask.id)
        async with aclosing(told(self._merged(owner, place))) as lines:
            async for line in lines:
                yield line

    async def beside(self, owner: Owner, asked: Asked) -> Asked:
        demand(self.settings)
        place = await asyncio.to_thread(self.runs.place, TuneBeside.read(asked).id)
        name = self.runs.about(place.name)["name"]
        return {"grid": await asyncio.to_thread(beside.grid, place), "title": f"{name}: before and after"}

    async def _merged(self, owner: Owner, place: Path) -> Answers:
        """The task that merges, followed; one for each run at a time."""
        if not (place / MERGED).is_dir():
            if place.name not in self._merging or self._merging[place.name][1].done():
                task = merging.begin(self.models.tasks, owner, place)
                self._merging[place.name] = task, asyncio.ensure_future(asyncio.to_thread(merging.work, task, place))
            task, work = self._merging[place.name]
            while not work.done():
                yield Step(task.step.words, task.step.share)
                await asyncio.sleep(TICK)
            await work
            if task.state != "done":
                raise ChatError(task.error or "The merging was cancelled; the adapter is whole.", status=409)
        yield {"merged": str(place / MERGED)}

    def _models(self) -> tuple[list[TuneModel], str]:
        """Those on this machine, and the name of the one that is loaded first, else of the embedded one."""
        slots = self.models.slots()
        known = catalog.here(self.settings.data_dir, named=[slot.settings.model for slot in slots])
        found = [TuneModel(model.name, model.label, choices.refusal(model)) for model in known]
        loaded = [model.name for slot in slots if slot.state == "ready" for model in known if is_same(model, slot.info.id)]
        able = [model.name for model in found if not model.refused]
        return found, next((name for name in (*loaded, EMBEDDED_MODEL, *able) if name in able), "")

    def _wanted(self, owner: Owner, ask: TunePlan) -> Tuning:
        """Raises ChatError for what cannot be fine-tuned, or learned."""
        if not ask.model:
            raise ChatError("Choose a model. There is none on this machine that can be fine-tuned.", status=422)
        pairs, chats = from_files(ask.files), choices.chosen(self.store, owner, ask.chats)
        if not pairs and not chats:
            raise ChatError("There is nothing to learn: name a file of pairs, or choose conversations.", status=422)
        found = located(self.settings.model_copy(update={"model": ask.model, "revision": ""}))
        taken = {run["name"] for run in self.runs.listed()}
        called = " ".join(ask.name.split()) or free(f"{found.name.rpartition('/')[2]}, {in_words(pairs, chats)}"[: LONGEST_NAME - 6], taken)
        lesson = lesson_of(ask.lesson)
        refuse_few((*pairs, *chats))
        return Tuning(ask.model, called[:LONGEST_NAME], (*pairs, *chats), lesson, self.settings, ask.merge)


def free(name: str, taken: Set[str]) -> str:
    """A name that no run has: with a number from 2 up behind it where one has."""
    return next(one for one in (name, *(f"{name} ({number})" for number in range(2, len(taken) + 3))) if one not in taken)


def from_files(names: list[str]) -> list[Chat]:
    """Paths that begin with no / are those of the person at this machine."""
    return [chat for name in names for chat in read(Path.home() / expanduser(str(name)))]


def in_words(pairs: list[Chat], chats: list[Chat]) -> str:
    """How many of both."""
    counted = (("pair", len(pairs)), ("conversation", len(chats)))
    return " and ".join(f"{count:,} {what}{'' if count == 1 else 's'}" for what, count in counted if count) or "nothing"
