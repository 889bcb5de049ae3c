"""What the page Train asks: recipes read, planned and begun; runs watched, changed, looked into, and taken into a chat."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner, login_key
from chatapp.lab.train import corpus, history, limits, recipe
from chatapp.lab.train.plan import planned, refusals
from chatapp.lab.train.recipe import Recipe
from chatapp.lab.train.runs import Runs
from chatapp.lab.train.script import code
from chatapp.lab.train.snapshots import Snapshots
from chatapp.models.trained import MERGED
from chatapp.pages.train_beside import Beside
from chatapp.pages.train_protocol import (
    TrainAsk,
    TrainBegin,
    TrainBeside,
    TrainChat,
    TrainCorpus,
    TrainDo,
    TrainHome,
    TrainLook,
    TrainNews,
    TrainPlan,
    TrainRecipe,
    TrainRun,
    TrainSamples,
    TrainWatch,
    TrainWritten,
)
from chatapp.pages.xray_page import told
from chatapp.resident.admission import asked_here
from chatapp.resident.manager import ModelManager
from chatapp.server.door import Asked
from chatapp.settings import Settings

TICK = 0.5
"""Seconds between two looks at a run: a step takes a tenth of that."""

CURVES = ("loss", "validation")

NOT_HERE = (
    "Models are trained by the person at the app's own machine only, with --host on it, without --share, --public or --allowed-hosts, "
    "and not through a proxy."
)

REPLY = 60
"""Tokens of a reply in Compare: a small model's context holds little more."""


class TrainActions:
    """POST /ui/train and /ui/train-…; all but the first are refused to everybody but the person at this machine.

    One plan is measured at a time: it takes all cores.
    """

    def __init__(self, models: ModelManager, settings: Settings, runs: Runs, snapshots: Snapshots, beside: Beside) -> None:
        self.models, self.settings, self.runs, self.snapshots, self.chats = models, settings, runs, snapshots, beside
        self._one = asyncio.Semaphore(1)

    async def home(self, owner: Owner, asked: Asked) -> Asked:
        TrainAsk.read(asked)
        if not asked_here(self.settings):
            return asdict(TrainHome(NOT_HERE, login_key(owner)))
        runs = list(map(row, await asyncio.to_thread(self.runs.listed)))
        return asdict(TrainHome("", login_key(owner), list(recipe.PRESETS), list(recipe.NAMED_CORPORA), runs))

    async def recipe(self, owner: Owner, asked: Asked) -> Asked:
        demand(self.settings)
        ask = TrainRecipe.read(asked)
        found = await asyncio.to_thread(lambda: parsed(ask.text) if ask.text else recipe.read(ask.recipe, Path.home()))
        return asdict(written(found))

    async def corpus(self, owner: Owner, asked: Asked) -> Asked:
        demand(self.settings)
        found = await asyncio.to_thread(parsed, TrainCorpus.read(asked).text)
        return {"words": await asyncio.to_thread(corpus.check, found)}

    async def plan(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        demand(self.settings)
        found = await asyncio.to_thread(parsed, TrainPlan.read(asked).text)
        async with self._one, aclosing(told(planned(found, self.settings.data_dir))) as lines:
            async for line in lines:
                yield {"data": {"plan": line["data"], "refused": refusals(line["data"])}} if "data" in line else line

    async def begin(self, owner: Owner, asked: Asked) -> Asked:
        demand(self.settings)
        found = await asyncio.to_thread(parsed, TrainBegin.read(asked).text)
        await asyncio.to_thread(corpus.check, found)
        await asyncio.to_thread(limits.refuse_memory, found)
        return {"id": await asyncio.to_thread(self.runs.begin, owner, found)}

    async def do(self, owner: Owner, asked: Asked) -> Asked:
        demand(self.settings)
        ask = TrainDo.read(asked)
        match ask.do:
            case "stop":
                await asyncio.to_thread(self.runs.stop, ask.id)
            case "resume":
                await asyncio.to_thread(self.runs.resume, owner, ask.id)
            case "rename":
                await asyncio.to_thread(self.runs.rename, ask.id, ask.name)
            case "delete":
                await asyncio.to_thread(self.runs.delete, ask.id)
            case _:
                raise ChatError(f"The page asked for {ask.do!r}, which this version of the app does not know. Reload the page.", status=422)
        return {}

    async def watch(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        """Lines of TrainNews. It ends when the run rests."""
        demand(self.settings)
        ask = TrainWatch.read(asked)
        following = Following(self.runs, ask.id, self.chats)
        if ask.curves:
            news = await asyncio.to_thread(following.news)
            yield news | {"events": [event for event in news.get("events", []) if event["kind"] in CURVES], "done": True}
            return
        yield plainly(TrainNews(written=await asyncio.to_thread(following.written)))
        while True:
            news = await asyncio.to_thread(following.news)
            if news:
                yield news
            if following.rests:
                break
            await asyncio.sleep(TICK)
        yield plainly(TrainNews(done=True))

    async def look(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        demand(self.settings)
        ask = TrainLook.read(asked)
        folder = await asyncio.to_thread(self.snapshot, ask.id, ask.step)
        async with aclosing(told(self.snapshots.look(ask.view, folder, ask.prompt, ask.asked))) as lines:
            async for line in lines:
                yield line

    async def samples(self, owner: Owner, asked: Asked) -> Asked:
        demand(self.settings)
        ask = TrainSamples.read(asked)
        folder = await asyncio.to_thread(self.snapshot, ask.id, ask.step)
        found = await asyncio.to_thread(recipe_of, self.runs.place(ask.id))
        return {"samples": await self.snapshots.samples(folder, found.prompts, found.seed)}

    async def chat(self, owner: Owner, asked: Asked) -> Asked:
        demand(self.settings)
        ask = TrainChat.read(asked)
        folder = await asyncio.to_thread(self.model, ask.id, ask.step)
        return {"model": (await self.models.load(str(folder))).id}

    async def beside(self, owner: Owner, asked: Asked) -> Asked:
        demand(self.settings)
        ask = TrainBeside.read(asked)
        return await asyncio.to_thread(self._grid, ask.id, ask.step)

    def snapshot(self, id: str, step: int) -> Path:
        """Raises NotFound."""
        place = self.runs.place(id)
        for event in history.of_kind(place, "snapshot"):
            if event["step"] == step and (folder := place / event["folder"]).is_dir():
                return folder
        raise NotFound(f"The snapshot of step {step:,}")

    def model(self, id: str, step: int) -> Path:
        """The run's own model where it ended with this step, else a snapshot; what a fine-tuning was merged to. Raises NotFound."""
        about = self.runs.about(id)
        if about.get("merged"):
            return self.runs.place(id) / MERGED
        ended = about["state"] == "done" and about.get("result", {}).get("step") == step
        return self.runs.place(id) if ended else self.snapshot(id, step)

    def _grid(self, id: str, step: int) -> Asked:
        """Raises ChatError where both would be the same."""
        place, about = self.runs.place(id), self.runs.about(id)
        last = max((event["step"] for event in history.of_kind(place, "snapshot")), default=0)
        if about["state"] == "done":
            named = {"final": place}
        elif step == last:
            raise ChatError(f"Step {step:,} is the last one so far. Choose an earlier one to put beside it.", status=409)
        else:
            named = {f"step {last:,}": self.snapshot(id, last)}
        named = {f"step {step:,}": self.snapshot(id, step)} | named
        columns = [{"name": name, "model": str(folder), "max_tokens": REPLY} for name, folder in named.items()]
        prompts = list(recipe_of(place).prompts)
        return {"grid": {"prompts": prompts, "columns": columns, "replicas": 1}, "title": f"{about['name']}: step {step:,} and the last"}


def demand(settings: Settings) -> None:
    """Raises ChatError for everybody but the person at this machine."""
    if not asked_here(settings):
        raise ChatError(NOT_HERE, status=403)


class Following:
    """What one page has seen of a run. Raises NotFound where there is none."""

    def __init__(self, runs: Runs, id: str, chats: Beside) -> None:
        self.runs, self.id, self.place, self.chats = runs, id, runs.place(id), chats
        self.rests = False
        self._sent: dict[tuple[str, Any], dict[str, Any]] = {}
        self._size = -1
        self._told: object = None

    def written(self) -> TrainWritten:
        """Its recipe; a fine-tuning has none."""
        return written(recipe_of(self.place)) if (self.place / history.RECIPE).exists() else TrainWritten({}, "", "")

    def news(self) -> Asked:
        """What came since the last time; {} where nothing did. Raises NotFound where the run was deleted."""
        about = self.runs.about(self.id)  # before the events: a run that has ended has written them all
        events = self._events()
        words, share = history.progress(self.place) if about["state"] in history.LIVING else ("", None)
        chat = self.chats.words() if about["state"] == "running" else ""
        now = json.dumps([about, words, share, chat])
        changed, self._told = now != self._told, now
        self.rests = about["state"] not in ("queued", *history.LIVING)
        if not (changed or events):
            return {}
        return plainly(TrainNews(run=about if changed else None, events=events, words=words, share=share, chat=chat))

    def _events(self) -> list[dict[str, Any]]:
        log = self.place / history.LOG
        size = log.stat().st_size if log.exists() else 0
        if size == self._size:
            return []
        self._size = size
        found = {(event["kind"], event.get("step", event.get("words"))): event for event in history.events(self.place)}
        new = [event for key, event in found.items() if self._sent.get(key) != event]
        self._sent = found
        return new


def recipe_of(place: Path) -> Recipe:
    """As it was resolved when the run began."""
    return parsed((place / history.RECIPE).read_text(encoding="utf-8"))


def parsed(text: str) -> Recipe:
    """Paths that begin with no / are those of the person at this machine."""
    return recipe.parse(text.encode(), Path.home())


def written(found: Recipe) -> TrainWritten:
    return TrainWritten(recipe.plain(found), recipe.written(found), code(found))


def plainly(news: TrainNews) -> Asked:
    """Without what it does not say."""
    return {name: value for name, value in asdict(news).items() if value not in (None, "", [], False)}


def row(run: dict[str, Any]) -> TrainRun:
    return TrainRun(run["id"], run.get("kind", "train"), run["name"], run["created"], run["state"], said(run))


def said(run: dict[str, Any]) -> str:
    """How a run went so far, in a line."""
    words = [run["state"]]
    result = run.get("result", {})
    if steps := run.get("total_steps"):
        came = f"step {result['step']:,}" if "step" in result else "ended early, out"
        words.append(f"{steps:,} steps" if run["state"] in ("done", "queued", *history.LIVING) else f"{came} of {steps:,}")
    if bits := result.get("validation"):
        words.append(f"{bits:.2f} bits per byte")
    if after := result.get("after"):
        words.append(f"{result['before']:.2f} → {after:.2f} nats per token")
    return " · ".join(words)
