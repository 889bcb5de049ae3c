"""Bodies of the page's door, changed at any place: an answer, or lines to the one that says it is the last, or one sentence."""

import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any

from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.site import Site
from tests.stress.visitor import Answer, Visitor, visitor
from tests.stress.weird import EVERY, as_json, mutated

BODIES = 300
"""In a run of 60 s."""
MODELS = 400
SECONDS = 30.0
DOCUMENTED = (503, 507)
"""Server errors with a sentence: no model, a full disk."""
ACTIONS = ("send", "regenerate", "edit", "continue", "branch", "stop", "version", "remove")
LIST_ACTIONS = ("rename", "pin", "unpin", "delete", "restore", "erase")
BROKEN = ("", "{", "[]", "nul", '"x"', "\ufeff{}", "[" * 100_000, '{"settings":' + "[" * 100_000, '{"rows":' + "9" * 5000 + "}", "\xff")
BROKEN += (
    "{}x",
    '{"do":1}',
    '{"do":"send","do":"stop"}',
    '{"tick":1e999}',
    '{"tick":NaN}',
    '{"rows":-1}',
    '{"rows":1e3}',
    '{"session":[]}',
)
NAMES = ("nothing", "chat%2fx", "CHAT", "%00", "..", "\u2028", "x" * 5000)


async def rows(site: Site, person: Visitor, random: Random, plan: Plan) -> AsyncIterator[Row]:
    async with visitor(site.url) as other:
        yield await bodies(other, random, plan.share(BODIES, 40))
        yield await models(other, random, plan.share(MODELS, 60))
        yield await broken(other)


async def bodies(person: Visitor, random: Random, count: int) -> Row:
    """What the page's script posts, changed; of a new conversation each time, as many actions end one."""
    row, taken = Row("fuzz, the page's door"), 0
    for n in range(count):
        sent = await person.act("send", text="Hello", settings={"max_tokens": 2}, seconds=SECONDS)
        row.check(sent.ok, f"an ordinary message: {sent.answer.status} {sent.answer.text[-120:]}")
        name, body = asked(random, sent.conversation or "", sent.turn)
        changed, what = mutated(random, body) if n % 8 else strange(random, body)
        answer = await person.post(f"/ui/{name}", as_json(changed), SECONDS)
        taken += judged(row, f"{name} {body.get('do', '')}: {what}", name, answer)
        if name == "chat" and answer.ok and (where := answer.told["conversation"]):
            shown = await person.watch(where, seconds=SECONDS)
            row.check(shown.ok, f"what {what} began does not end: {shown.answer.text[-120:]}")
    row.worst = f"{taken} of {count} did something"
    return row


def asked(random: Random, conversation: str, turn: str) -> tuple[str, dict[str, Any]]:
    """(name, body) of any action, every field that it knows filled in."""
    settings = {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "max_tokens": 2, "seed": 3, "stop": ["end"]}
    where = {"conversation": conversation, "session": "s"}
    chat = {"do": random.choice(ACTIONS), "leaf": turn, "turn": turn, "text": "Hi", "keep_children": random.random() < 0.5, **where}
    chat |= {"temporary": random.random() < 0.2, "position": 1, "token": 5, "system": "Be brief.", "settings": settings}
    return random.choice(
        (
            ("chat", chat),
            ("chat", chat),
            ("watch", {"have": "", "model": "", "list": "", "query": "", "rows": 100, "tick": 0.005, **where}),
            ("list", {"query": "Hello", "rows": 10, "session": "s"}),
            ("manage", {"do": random.choice(LIST_ACTIONS), "id": conversation, "title": "T", "session": "s"}),
            ("measure", {"text": "Hi", "system": "Be brief.", "settings": settings, **where}),
        )
    )


async def models(person: Visitor, random: Random, count: int) -> Row:
    """What the page Models asks, and every page of tasks: about a model that there is, and one that there is not, then changed."""
    row, taken = Row("fuzz, the doors of models"), 0
    for n in range(count):
        name, body = about_models(random)
        changed, what = mutated(random, body) if n % 3 == 0 and body else strange(random, body) if body else (body, "as it is")
        answer = await person.post(f"/ui/{name}", as_json(changed | {"session": person.session}), SECONDS)
        taken += judged(row, f"{name} {what}", name, answer)
    row.worst = f"{taken} of {count} did something"
    return row


def about_models(random: Random) -> tuple[str, dict[str, Any]]:
    """(name, body). What is changed there is not the model that answers everybody else."""
    name = random.choice(("smollm2", "org/none", "/nowhere/at/all", "org/none:m.gguf"))
    query = {"text": "tiny", "task": "text-generation", "library": "gguf", "dataset": "org/data", "most": "3B", "sort": "new", "rows": 5}
    return random.choice(
        (
            ("models", {"have": ""}),
            ("models-load", {"name": "/nowhere/at/all"}),
            ("models-load", {"name": "org/none"}),
            ("models-unload", {"id": "org/none", "copy": False}),
            ("models-delete", {"name": "org/none", "sure": True}),
            ("models-search", query),
            ("models-card", {"name": name}),
            ("models-download", {"name": name}),
            ("models-account", {}),
            ("models-token", {"token": ""}),
            ("model-files", {"name": name}),
            ("model-architecture", {"name": "/nowhere/at/all"}),
            ("model-diff", {"name": name, "other": "smollm2"}),
            ("model-cut", {"name": name, "text": "Hello"}),
            ("shell", {"have": ""}),
            ("tasks", {"do": random.choice(("cancel", "retry", "dismiss")), "id": "x"}),
            ("about", {}),
        )
    )


def strange(random: Random, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """One field with any of the strange values."""
    name, value = random.choice(sorted(body)), random.choice(EVERY)
    return body | {name: value}, f"{name} = {ascii(value)[:40]}"


def judged(row: Row, what: str, name: str, answer: Answer) -> bool:
    """Whether something was done; the row holds whether the answer is one that the page can read."""
    held = answer.ended and (finished(name, answer) if answer.status == 200 else refused(answer))
    row.check(held, f"{what}: status {answer.status}, ended {answer.ended}: {answer.text[-120:]}")
    return answer.ok


def finished(name: str, answer: Answer) -> bool:
    """One value; of a watch lines, the last of which is the only one that says so."""
    said = [json.loads(line) for line in answer.lines]
    if name not in ("watch", "xray", "xray-load"):
        return len(said) == 1 and isinstance(said[0], dict) and "error" not in said[0]
    last = [("done" in line) or ("error" in line) for line in said]
    return last == [False] * (len(said) - 1) + [True] and (said[-1] == {"done": True} or worded(said[-1], 200))


def refused(answer: Answer) -> bool:
    return (answer.status < 500 or answer.status in DOCUMENTED) and worded(answer.last, answer.status)


def worded(said: dict[str, Any], status: int) -> bool:
    """The one shape of a failure: a sentence with its status and code, and nothing from inside."""
    error = said.get("error")
    if not isinstance(error, dict) or set(said) != {"error"} or set(error) != {"message", "status", "code"}:
        return False
    foreseen = (error["status"] < 500 or error["status"] in DOCUMENTED) and "Something broke" not in error["message"]
    return foreseen and (status in (200, error["status"])) and error["message"].endswith((".", "?")) and bool(error["code"])


async def broken(person: Visitor) -> Row:
    """Bodies that are no JSON objects, and names that there are not."""
    row = Row("fuzz, broken bodies at the door")
    for name in ("chat", "watch", "list", "manage", "measure", "models-load", "models-search", "model-cut", "tasks", "xray-load"):
        for text in BROKEN:
            judged(row, f"{name} {text[:20]}", name, await person.post(f"/ui/{name}", text, SECONDS))
    for name in NAMES:
        answer = await person.post(f"/ui/{name}", "{}", SECONDS)
        row.check(answer.ended and 400 <= answer.status < 500, f"the name {name[:20]!a}: {answer.status} {answer.text[-80:]}")
    return row
