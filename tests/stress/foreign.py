"""A visitor's ids in the hands of another one and of a client without a cookie: nothing leaks, nothing changes."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from chatapp.xray.registry import views
from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.site import Site
from tests.stress.visitor import ENDLESS, Answer, Shown, Visitor, visitor

SECRETS = ("QUESTIONSECRET7", "SYSTEMSECRET7", "TITLESECRET7")
NEAR = "zebrafish"
"""A word beside each secret, to search for: an answer may repeat what was searched for, but not what stood beside it."""
AT_ONCE = 6
ACTIONS = ("send", "regenerate", "edit", "continue", "stop", "branch", "version", "remove")
LIST_ACTIONS = ("rename", "pin", "unpin", "delete", "restore")
KINDS = ("json", "jsonl", "markdown")
VIEWS = tuple(question for view in views() for question in view.questions)

Held = Callable[[Answer], bool]
"""Whether an answer is what a stranger may get, beside that it is whole and without the secrets."""


@dataclass(frozen=True)
class Try:
    what: str
    ask: Callable[[], Awaitable[Answer]]
    held: Held


@dataclass(frozen=True)
class Target:
    """A conversation and a turn of somebody else."""

    conversation: str
    turn: str
    version: str


async def run(plan: Plan) -> AsyncIterator[Row]:
    site = Site(plan.folder)
    with site.running():
        async with AsyncExitStack() as stack:
            owner, other = [await stack.enter_async_context(visitor(site.url)) for _ in range(2)]
            nobody = await stack.enter_async_context(visitor(site.url, cookie=False))
            done = await finished(owner)
            secrets = [*SECRETS, await spoken(owner, done)]
            yield await control(owner, done, secrets[-1])
            before = await exported(owner, done)
            async with asyncio.TaskGroup() as group:
                running = await begun(owner, group)
                for name, stranger in (("another visitor", other), ("no cookie", nobody)):
                    yield await attacked(f"foreign ids, {name}", stranger, [done, running], secrets)
                yield await unchanged(owner, done, before, running)
        yield quiet(site)


async def finished(owner: Visitor) -> Target:
    """A conversation of two versions whose words are known, with a title of its own."""
    how = {"system": f"{NEAR} {SECRETS[1]}", "settings": {"max_tokens": 24}}
    first = await owner.act("send", text=f"{SECRETS[0]} {NEAR}: why is the sky blue?", **how)
    again = await owner.act("regenerate", turn=first.turn, **how)
    await owner.manage("rename", id=first.conversation, title=f"{NEAR} {SECRETS[2]}")
    version = (await owner.watch(first.conversation)).path["version"]
    return Target(first.conversation, again.turn, version)


async def begun(owner: Visitor, group: asyncio.TaskGroup) -> Target:
    """A reply that is being written; the group waits until it is stopped."""
    started = asyncio.Future[Target]()

    def seen(shown: Shown) -> None:
        if shown.path.get("running") and not started.done():
            started.set_result(Target(shown.conversation, shown.turn, shown.path["version"]))

    settings = {"temperature": 0, "max_tokens": 6000}
    group.create_task(owner.act("send", text=ENDLESS, settings=settings, seen=seen))
    return await asyncio.wait_for(started, 30)


async def exported(owner: Visitor, target: Target) -> dict[str, Any]:
    """The whole conversation as the owner may save it."""
    return json.loads((await owner.export("json", target.conversation)).text)["conversations"][0]


async def spoken(owner: Visitor, target: Target) -> str:
    """A piece of the model's own words that no other text holds by chance."""
    conversation = await exported(owner, target)
    reply = next(turn["reply_text"] for turn in conversation["turns"] if turn["id"] == target.turn)
    return max(re.findall(r"[A-Za-z ]+", reply), key=len)


async def control(owner: Visitor, done: Target, spoken: str) -> Row:
    """The same questions by the owner find the secrets: without that, silence would prove nothing."""
    row = Row("foreign ids, the owner herself")
    shown = await owner.watch(done.conversation)
    for word in (*SECRETS, spoken):
        row.check(word in shown.answer.text, f"the page does not show her {word}")
    row.check(not (await owner.watch(done.conversation, have=done.version)).path, "the version that she has is shown again")
    looked = await owner.look(view="prompt", turn=done.turn)
    row.check(SECRETS[1] in looked.text, f"X-ray does not show her prompt: {looked.text[-200:]}")
    row.check(SECRETS[2] in (await owner.ask("list", query=NEAR)).text, "the search does not find her question")
    row.check("used" in (await owner.ask("measure", conversation=done.conversation)).told, "the meter does not measure her chat")
    for kind in KINDS:
        row.check(SECRETS[0] in (await owner.export(kind, done.conversation)).text, f"her export as {kind} lacks her question")
    return row


async def attacked(name: str, stranger: Visitor, targets: list[Target], secrets: list[str]) -> Row:
    row, gate = Row(name), asyncio.Semaphore(AT_ONCE)

    async def attempt(one: Try) -> None:
        async with gate:
            answer = await one.ask()
        leaked = [word for word in secrets if word in answer.text]
        broken = answer.status >= 500 or not answer.ended
        held = not (leaked or broken) and one.held(answer)
        row.check(held, f"{one.what}: leaked {leaked}, status {answer.status}, ended {answer.ended}: {answer.text[-80:]}")

    places = (at_the_door, in_the_list, in_files, elsewhere)
    await asyncio.gather(*(attempt(one) for target in targets for place in places for one in place(stranger, target)))
    return row


def not_done(answer: Answer) -> bool:
    """Refused, in a sentence."""
    return 400 <= answer.status < 500 and (bool(answer.words) or answer.status == 404)


def nothing(answer: Answer) -> bool:
    """Whatever came had nothing in it to find."""
    return True


def missing(answer: Answer) -> bool:
    """A watch that ends by itself and shows no row, of what is said to be gone."""
    news = [json.loads(line) for line in answer.lines]
    paths = [line["path"] for line in news if "path" in line]
    gone = [path["missing"] and not path["rows"] and not path["order"] and path["conversation"] is None for path in paths]
    return gone == [True] and news[-1] == {"done": True} and not any("grown" in line for line in news)


def unmeasured(answer: Answer) -> bool:
    return answer.whole and answer.last == {}


def at_the_door(stranger: Visitor, target: Target) -> list[Try]:
    """Every action of the chat, watching and the meter, with the ids in every place that takes one."""
    where = {"conversation": target.conversation, "turn": target.turn, "leaf": target.turn}
    tries: list[Try] = []
    for do in ACTIONS:
        for more in ({}, {"keep_children": True}, {"temporary": True}) if do in ("remove", "send") else ({}, {"temporary": True}):
            asked = {"do": do, "text": "mine now", "position": 1, "token": 5, "settings": {"max_tokens": 4}, **where, **more}
            tries.append(Try(f"{do} {more}", lambda asked=asked: stranger.ask("chat", **asked), not_done))
    for more in ({}, {"have": target.version}, {"query": NEAR}, {"have": target.version, "query": target.conversation}):
        tries.append(Try(f"watch {more}", lambda more=more: watched(stranger, target.conversation, more), missing))
    tries.append(Try("watch a turn", lambda: watched(stranger, target.turn, {}), missing))
    asked = {"conversation": target.conversation, "text": "x"}
    tries.append(Try("meter", lambda: stranger.ask("measure", **asked), unmeasured))
    return tries


async def watched(stranger: Visitor, conversation: str, more: dict[str, Any]) -> Answer:
    return (await stranger.watch(conversation, **more)).answer


def in_the_list(stranger: Visitor, target: Target) -> list[Try]:
    """Everything that the list does. Erasing is done to the stranger's own, of which there is nothing."""
    tries = [
        Try(do, lambda do=do, id=id: stranger.manage(do, id=id, title="mine now"), not_done)
        for do in LIST_ACTIONS
        for id in (target.conversation, target.turn)
    ]
    tries.append(Try("erase", lambda: stranger.manage("erase", id=target.conversation), nothing))
    for word in ("", NEAR, target.conversation, target.turn):
        tries.append(Try("list", lambda word=word: stranger.ask("list", query=word), unfound))
    return tries


def unfound(answer: Answer) -> bool:
    """No row of the list bears a title of the owner's; a stranger's own chats begin with her own words."""
    return answer.ok and all(row["title"].startswith("hi") for row in answer.told["rows"])


def in_files(stranger: Visitor, target: Target) -> list[Try]:
    """Exports, and a file with the owner's ids in it."""
    times = {"created": 1.0, "updated": 1.0}
    turn = {"id": target.turn, "parent_id": None, "user": "hi forged", "reply_text": "mine now"}
    conversation = {"id": target.conversation, "title": "hi forged", "leaf": target.turn, "turns": [turn | {"created": 1.0}], **times}
    file = json.dumps({"format": "chatapp", "version": 2, "conversations": [conversation]})
    tries = [Try("import", lambda: stranger.bring(file), lambda answer: answer.told.get("newest") not in (None, target.conversation))]
    for kind in KINDS:
        tries.append(Try(f"export {kind}", lambda kind=kind: stranger.export(kind, target.conversation), not_exported))
        tries.append(Try(f"export all {kind}", lambda kind=kind: stranger.export(kind), nothing))
    return tries


def not_exported(answer: Answer) -> bool:
    return answer.status == 404 and bool(answer.text)


def elsewhere(stranger: Visitor, target: Target) -> list[Try]:
    """X-ray, /chat and /v1."""
    tries: list[Try] = []
    for view in VIEWS:
        for place in ("", target.conversation):
            asked = {"turn": target.turn, "temporary": place, "asked": {"position": 0, "token": 5, "text": "x", "query": "x"}}
            tries.append(Try(f"X-ray {view}", lambda view=view, asked=asked: stranger.look(view=view, **asked), nothing))
    tries.append(Try("X-ray load", lambda: stranger.ask("xray-load", turn=target.turn), nothing))
    for id in (target.conversation, target.turn):
        tries.append(Try("/chat", lambda id=id: stranger.chat("hi", max_tokens=4, conversation_id=id), nothing))
        for name in ("user", "conversation", "conversation_id", "model"):
            body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2, name: id}
            tries.append(Try(f"/v1 {name}", lambda body=body: stranger.api(body), nothing))
    return tries


async def unchanged(owner: Visitor, done: Target, before: dict[str, Any], running: Target) -> Row:
    """The finished conversation is the same to the letter, and the running reply goes on until its owner stops it."""
    row = Row("foreign ids, changes")
    now = await exported(owner, done)
    different = [key for key in {**before, **now} if now.get(key) != before.get(key)]
    row.check(not different, f"the finished conversation changed: {different}")
    seen = await owner.watch(done.conversation, have=done.version)
    row.check(seen.ok and not seen.path, "the finished conversation has another version")
    (turn,) = (await exported(owner, running))["turns"]
    row.check(turn["id"] == running.turn and turn["user"] == ENDLESS, "the running conversation has other turns")
    row.check(turn["finish_reason"] == "interrupted", f"the running reply did not go on: {turn['finish_reason']} {turn['error']}")
    row.worst = f"the running reply had {len(turn['reply_ids'])} tokens at the end"
    stopped = await owner.ask("chat", do="stop", conversation=running.conversation, turn=running.turn)
    row.check(stopped.ok, f"its owner cannot stop it: {stopped.words}")
    return row


def quiet(site: Site, what: str = "foreign ids, log") -> Row:
    """No traceback was written."""
    row = Row(what)
    found = site.tracebacks()
    row.check(not found, f"{len(found)} tracebacks, such as {found[:1]}")
    return row
