"""Wrong input at every door: each is answered in words and to its last line, and nothing that was accepted spoils what comes later."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

from tests.conftest import CHATML
from tests.stress import fuzz_door, fuzz_imports, fuzz_queue
from tests.stress.foreign import VIEWS, quiet
from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.site import Site
from tests.stress.visitor import Answer, Visitor, visitor
from tests.stress.weird import as_json, mutated
from tests.tiny import make_tiny

DOCUMENTED = (503, 507)
"""Server errors with a sentence: no model, a full disk."""
ANSWER_SECONDS = 30.0
API, XRAY = 150, 120
"""Tries at each door in a run of 60 s."""

BODY: dict[str, Any] = {
    "model": None,
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "Who are you?"},
    ],
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 5,
    "min_p": 0.1,
    "repetition_penalty": 1.1,
    "seed": 3,
    "stop": ["end"],
    "store": False,
    "stream": True,
    "stream_options": {"include_usage": True},
    "user": "me",
}

Try = tuple[str, Awaitable[Answer]]


async def run(plan: Plan) -> AsyncIterator[Row]:
    random = Random(plan.seed)
    site = Site(plan.folder / "gguf")
    with site.running():
        async with visitor(site.url) as person:
            yield await api(person, random, plan.share(API, 20))
            yield await fuzz_queue.events(person, random, plan)
            for attack in (fuzz_door, fuzz_imports):
                async for row in attack.rows(site, person, random, plan):
                    yield row
            yield await alive(person, "fuzz, the app afterwards")
        yield quiet(site, "fuzz, log")
    tiny = make_tiny("llama", plan.folder / "model", chat_template=CHATML)
    site = Site(plan.folder / "direct", "--model", str(tiny), "--engine", "direct")
    with site.running():
        async with visitor(site.url) as person:
            yield await xray(person, random, plan.share(XRAY, 20))
            yield await alive(person, "fuzz, X-ray's app afterwards")
        yield quiet(site, "fuzz, X-ray's log")


async def told(row: Row, what: str, asked: Awaitable[Answer], last: Callable[[list[str]], bool]) -> Answer:
    """Whether an answer came with a fitting status, and, where it is a stream, with its last line."""
    answer = await asked
    fine = answer.status < 500 or answer.status in DOCUMENTED
    whole = answer.ended and (answer.status != 200 or last(answer.lines))
    row.check(fine and whole, f"{what}: status {answer.status}, whole {whole}: {answer.text[-120:]}")
    return answer


async def api(person: Visitor, random: Random, count: int) -> Row:
    """Bodies of /v1, streamed and not."""
    row = Row("fuzz, /v1 bodies")
    for n in range(count):
        body, what = mutated(random, BODY | {"stream": n % 2 == 0, **({} if n % 2 == 0 else {"stream_options": None})})
        if isinstance(body, dict):
            body.setdefault("max_tokens", 2)
        await told(row, what, person.api(as_json(body), ANSWER_SECONDS), api_ended)
    for text in ("", "{", "[]", "nul", '"x"', "{}", "\ufeff{}", "[" * 100_000, '{"messages":' + "[" * 100_000, "9" * 5000):
        await told(row, text[:20], person.api(text, ANSWER_SECONDS), api_ended)
    return row


def api_ended(lines: list[str]) -> bool:
    """A stream's last line, or one whole JSON value."""
    said = [line for line in lines if line]
    if said and said[0].startswith(("data:", ":")):
        return said[-1] == "data: [DONE]"
    return "choices" in json.loads("".join(said))


async def xray(person: Visitor, random: Random, count: int) -> Row:
    """Questions to X-ray about a turn of a model that it can look into."""
    row = Row("fuzz, X-ray questions")
    turn = (await person.act("send", text="Where is Paris?", settings={"max_tokens": 12})).turn
    for n in range(count):
        view = VIEWS[n % len(VIEWS)]
        asked = {"layers": "all", "first": 0, "last": 3, "position": 1, "count": 2, "token": 5, "kind": "head", "other": ""}
        asked |= {"text": "Hello there", "query": "a", "sampling": {"top_k": 3}}
        question = {"view": view, "turn": turn, "session": "s", "temporary": None, "asked": asked}
        changed, what = mutated(random, question) if n >= len(VIEWS) else (question, "")
        await told(row, f"{view}: {what}", person.post("/ui/xray", as_json(changed), ANSWER_SECONDS), xray_ended)
    for text in ("", "[]", "nul", "{" * 100_000, "[" * 100_000, '{"view":"card","turn":' + "[" * 100_000, "9" * 5000, "\xff"):
        await told(row, text[:20], person.post("/ui/xray", text, ANSWER_SECONDS), xray_ended)
    return row


def xray_ended(lines: list[str]) -> bool:
    """The last line says that it was the last."""
    said = [json.loads(line) for line in lines if line]
    return bool(said) and ("done" in said[-1] or bool(said[-1].get("error")))


async def alive(person: Visitor, what: str) -> Row:
    """The page, /chat and /v1 still answer, and everything can be exported."""
    row = Row(what)
    sent = await person.act("send", text="Still there?", settings={"max_tokens": 4})
    row.check(sent.ok and sent.shown[-1]["line"]["reason"] in ("end", "length"), f"the page sends nothing any more: {sent.answer.words}")
    row.check("event: complete" in (await person.chat("Hi", max_tokens=4)).lines, "/chat does not answer")
    answer = await person.api({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2})
    row.check(answer.status == 200, f"/v1 answers {answer.status}")
    await fuzz_imports.all_exported(person, row)
    return row
