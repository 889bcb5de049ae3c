"""A visitor's ids in the hands of another one and of a client without a cookie: nothing leaks, nothing changes."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.site import Site
from tests.stress.visitor import ENDLESS, MAX_TOKENS, SYSTEM, TEMPERATURE, Answer, Visitor, visitor

SECRETS = ("QUESTIONSECRET7", "SYSTEMSECRET7", "TITLESECRET7")
NEAR = "zebrafish"
"""A word beside each secret, to search for: an answer may repeat what was searched for, but not what stood beside it."""
AT_ONCE = 6
ACTIONS = ("open", "refresh", "send", "regenerate", "edit", "continue", "stop", "branch", "version", "remove")
LIST_ACTIONS = ("rename", "pin", "unpin", "delete", "restore", "export")
VIEWS = ("prompt", "probabilities", "draw", "attention", "tutorial", "layers", "model", "neighbours", "tokenizer", "search")
VIEWS += ("perplexity", "pasted", "card", "measure", "replay", "load", "branch")

Try = tuple[str, Callable[[], Awaitable[Answer]]]


@dataclass(frozen=True)
class Target:
    """A conversation and a turn of somebody else."""

    conversation: str
    turn: str


async def run(plan: Plan) -> AsyncIterator[Row]:
    site = Site(plan.folder)
    with site.running():
        async with AsyncExitStack() as stack:
            owner, other = [await stack.enter_async_context(visitor(site.url)) for _ in range(2)]
            nobody = await stack.enter_async_context(visitor(site.url, cookie=False))
            done = await finished(owner)
            secrets = [*SECRETS, await spoken(owner, done)]
            yield await control(owner, done)
            before = await exported(owner, done)
            async with asyncio.TaskGroup() as group:
                running = await begun(owner, group)
                for name, stranger in (("another visitor", other), ("no cookie", nobody)):
                    yield await attacked(f"foreign ids, {name}", stranger, [done, running], secrets)
                yield await unchanged(owner, done, before, running)
        yield quiet(site)


async def finished(owner: Visitor) -> Target:
    """A conversation of two versions whose words are known, with a title of its own."""
    panel = {SYSTEM: f"{NEAR} {SECRETS[1]}", MAX_TOKENS: 24}
    first = await owner.act("send", text=f"{SECRETS[0]} {NEAR}: why is the sky blue?", panel=panel)
    leaf = first.told["leaf"]
    again = await owner.act("regenerate", turn=leaf, panel=panel)
    await owner.manage("rename", id=first.told["conversation"], title=f"{NEAR} {SECRETS[2]}")
    return Target(again.told["conversation"], again.told["leaf"])


async def begun(owner: Visitor, group: asyncio.TaskGroup) -> Target:
    """A reply that is being written; the group waits until it is stopped."""
    answer, started = Answer(), asyncio.Event()
    body = owner.body("act", {"do": "send", "text": ENDLESS}, {TEMPERATURE: 0, MAX_TOKENS: 6000})

    async def read() -> None:
        async for _ in owner.views(body, answer):
            started.set()

    group.create_task(read())
    async with asyncio.timeout(30):
        await started.wait()
    return Target(answer.told["conversation"], answer.told["leaf"])


async def exported(owner: Visitor, target: Target) -> dict[str, Any]:
    """The whole conversation as the owner may save it."""
    answer = await owner.manage("export", id=target.conversation, format="json")
    return json.loads(answer.told["download"]["text"])["conversations"][0]


async def spoken(owner: Visitor, target: Target) -> str:
    """A piece of the model's own words that no other text holds by chance."""
    conversation = await exported(owner, target)
    reply = next(turn["reply_text"] for turn in conversation["turns"] if turn["id"] == target.turn)
    return max(re.findall(r"[A-Za-z ]+", reply), key=len)


async def control(owner: Visitor, done: Target) -> Row:
    """The same questions by the owner find the secrets: without that, silence would prove nothing."""
    row = Row("foreign ids, the owner herself")
    opened = await owner.act("open", conversation=done.conversation)
    row.check(SECRETS[0] in opened.text, "the page does not show her question")
    looked = await owner.look(view="prompt", turn=done.turn)
    row.check(SECRETS[1] in looked.text, f"X-ray does not show her prompt: {looked.text[-200:]}")
    found = await owner.event("manage", {"do": "list", "query": NEAR})
    row.check(SECRETS[2] in found.text, "the search does not find her question")
    return row


async def attacked(name: str, stranger: Visitor, targets: list[Target], secrets: list[str]) -> Row:
    row, gate = Row(name), asyncio.Semaphore(AT_ONCE)

    async def attempt(what: str, ask: Callable[[], Awaitable[Answer]]) -> None:
        async with gate:
            answer = await ask()
        leaked = [word for word in secrets if word in answer.text]
        done = answer.ok and not what.startswith(("list", "search"))
        broken = answer.status >= 500 or not answer.ended
        row.check(not (leaked or done or broken), f"{what}: leaked {leaked}, done {done}, status {answer.status}, ended {answer.ended}")

    tries = [one for target in targets for one in (*on_page(stranger, target), *elsewhere(stranger, target))]
    await asyncio.gather(*(attempt(what, ask) for what, ask in tries))
    return row


def on_page(stranger: Visitor, target: Target) -> list[Try]:
    """Every action of the chat, with the ids in every place that takes one."""
    where = {"conversation": target.conversation, "turn": target.turn, "leaf": target.turn}
    tries: list[Try] = []
    for do in ACTIONS:
        for more in ({}, {"keep_children": True}, {"temporary": True}) if do in ("remove", "send", "open") else ({},):
            loose = {"text": "mine now", "position": 1, "token": 5, **where, **more}
            tries.append((f"{do} {more}", lambda do=do, loose=loose: stranger.act(do, panel={MAX_TOKENS: 4}, **loose)))
    tries.append(("search in act", lambda: stranger.act("open", query=NEAR)))
    tries.append(("meter", lambda: stranger.event("measure", {"text": "x", **where})))
    return tries


def elsewhere(stranger: Visitor, target: Target) -> list[Try]:
    """The list, X-ray, /chat and /v1."""
    tries: list[Try] = []
    for do in LIST_ACTIONS:
        for kind in ("json", "jsonl", "markdown") if do == "export" else ("",):
            loose = {"id": target.conversation, "title": "mine now", "format": kind}
            tries.append((f"{do} {kind}", lambda do=do, loose=loose: stranger.manage(do, **loose)))
    for word in (NEAR, target.conversation, target.turn):
        tries.append(("list", lambda word=word: stranger.manage("list", query=word)))
    for view in VIEWS:
        for place in ("", target.conversation):
            loose = {"turn": target.turn, "temporary": place, "position": 0, "token": 5, "text": "x", "query": "x"}
            tries.append((f"X-ray {view}", lambda view=view, loose=loose: stranger.look(view=view, **loose)))
    for id in (target.conversation, target.turn):
        tries.append(("/chat", lambda id=id: stranger.chat("hi", "", 0, 1, 1, 4, 0, 1, None, "", id)))
        for name in ("user", "conversation", "conversation_id", "model"):
            body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2, name: id}
            tries.append((f"/v1 {name}", lambda body=body: stranger.api(body)))
    return tries


async def unchanged(owner: Visitor, done: Target, before: dict[str, Any], running: Target) -> Row:
    """The finished conversation is the same to the letter, and the running reply goes on until its owner stops it."""
    row = Row("foreign ids, changes")
    now = await exported(owner, done)
    different = [key for key in before if now.get(key) != before[key]]
    row.check(not different, f"the finished conversation changed: {different}")
    (turn,) = (await exported(owner, running))["turns"]
    row.check(turn["id"] == running.turn and turn["user"] == ENDLESS, "the running conversation has other turns")
    row.check(turn["stop_reason"] == "interrupted", f"the running reply did not go on: {turn['stop_reason']} {turn['error']}")
    row.worst = f"the running reply had {len(turn['reply_ids'])} tokens at the end"
    await owner.act("stop", conversation=running.conversation, turn=running.turn)
    return row


def quiet(site: Site, what: str = "foreign ids, log") -> Row:
    """No traceback was written."""
    row = Row(what)
    found = site.tracebacks()
    row.check(not found, f"{len(found)} tracebacks, such as {found[:1]}")
    return row
