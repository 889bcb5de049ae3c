"""Events of Gradio's queue, changed at any place: /chat alone answers there, and each event ends."""

import asyncio
import json
import secrets
from contextlib import aclosing, suppress
from random import Random
from typing import Any

from tests.calls import call_data
from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.visitor import CUT, Answer, Visitor, filled
from tests.stress.weird import as_json, mutated

EVENTS = 60
"""In a run of 60 s."""
SECONDS = 30.0


async def events(person: Visitor, random: Random, plan: Plan) -> Row:
    """What gradio_client posts, changed; each ends in an answer or in a refusal."""
    row = Row("fuzz, Gradio's queue")
    numbers = await events_of(person)
    for _ in range(plan.share(EVENTS, 12)):
        session, number = secrets.token_hex(8), random.choice(numbers)
        body = {"data": call_data("Hi", max_tokens=2), "event_data": None, "fn_index": number, "trigger_id": number}
        changed, what = mutated(random, body)
        if isinstance(changed, dict):
            changed["session_hash"] = session
        answer = await joined(person, changed, session)
        row.check(answer.ended and answer.status < 500, f"event {number}, {what}: {answer.status} {answer.text[-120:]}")
    return row


async def events_of(person: Visitor) -> list[int]:
    """The numbers of all events of the page, those without a function on the server, too."""
    return [event["id"] for event in (await person.client.get("/config")).json()["dependencies"]]


async def joined(person: Visitor, body: Any, session: str) -> Answer:
    """The answer to an event that may be anything, ended with its last message."""
    answer = await person.post("/gradio_api/queue/join", as_json(body), SECONDS)
    if answer.status == 200 and "event_id" in answer.last:
        answer.ended = await completed(person, session, answer)
    return answer


async def completed(person: Visitor, session: str, answer: Answer) -> bool:
    """Whether the event that a tab waits for came to its end."""
    opening = person.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session})
    with suppress(TimeoutError, *CUT):
        async with asyncio.timeout(SECONDS), opening as stream, aclosing(filled(stream, answer)) as lines:
            async for line in lines:
                if line.startswith("data:") and json.loads(line[5:])["msg"] == "process_completed":
                    return True
    return False
