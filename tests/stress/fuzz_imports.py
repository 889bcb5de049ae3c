"""Files to import, changed at any place: accepted or refused in a sentence, and what was accepted can be opened, gone on with, exported."""

import json
import re
from collections.abc import AsyncIterator
from random import Random
from typing import Any

from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.site import Site
from tests.stress.visitor import MAX_TOKENS, Visitor, visitor
from tests.stress.weird import EVERY, as_json, mutated, places
from tests.test_transfer import CHATGPT, OPEN_WEBUI

IMPORTS, OPENED = 240, 30
"""Files in a run of 60 s, and how many of the accepted conversations are opened and gone on with."""
NUMBERS = ("created", "updated", "started", "queued", "first_token", "generating", "seed", "prefilled", "reused", "dropped", "prompt_ids")
NUMBERS += ("reply_ids", "logprobs", "create_time", "update_time", "timestamp", "created_at", "updated_at", "top_k", "temperature")
"""Fields whose every strange value is tried, not only those that the dice choose."""
BROKEN = (
    "",
    "{",
    "[]",
    "null",
    "PK\x03\x04",
    "\ufeff[]",
    "[" * 100_000,
    '{"format":"chatapp","version":1,"conversations":[{}]}',
    "9" * 5000,
)


async def rows(site: Site, person: Visitor, random: Random, plan: Plan) -> AsyncIterator[Row]:
    documents = [await exported(person), [CHATGPT], [OPEN_WEBUI]]
    async with visitor(site.url) as importer:
        row, accepted = Row("fuzz, imports"), []
        for text, what in files(random, documents, plan.share(IMPORTS, 40)):
            answer = await importer.manage("import", text=text)
            said = answer.ok or bool(answer.words)
            row.check(answer.ended and said, f"{what}: ended {answer.ended}, no sentence: {answer.text[-120:]}")
            if answer.ok and answer.told.get("imported"):
                accepted.append((answer.told["first"], what))
        row.worst = f"{len(accepted)} accepted"
        yield row
        yield await opened(importer, random.sample(accepted, min(len(accepted), plan.share(OPENED, 10))))
        yield await all_exported(importer)


def files(random: Random, documents: list[Any], count: int) -> list[tuple[str, str]]:
    """(text of a file, what is strange in it)"""
    made = [(text, f"file {text[:12]!r}") for text in BROKEN]
    strange = [(document, name, value) for document in documents for name in numbers(document) for value in EVERY]
    for document, name, value in random.sample(strange, min(count // 2, len(strange))):
        made.append((fresh(random, as_json(replaced(document, name, value))), f"{name} = {ascii(value)[:40]}"))
    for _ in range(count // 2):
        document, what = mutated(random, random.choice(documents))
        made.append((fresh(random, as_json(document)), what))
    random.shuffle(made)
    return made


def numbers(document: Any) -> list[str]:
    return sorted({name for _, name in places(document)} & set(NUMBERS))


def replaced(document: Any, name: str, value: Any) -> Any:
    """A copy with every field of that name changed."""
    copied = json.loads(json.dumps(document))
    for holder, found in list(places(copied)):
        if found == name and isinstance(holder, dict) and name in holder:
            holder[name] = value
    return copied


def fresh(random: Random, text: str) -> str:
    """Under ids of its own, so that it is not already there."""
    tail = f"{random.getrandbits(32):08x}"
    return (
        re.sub(r'(?<=")([0-9a-f]{24})[0-9a-f]{8}(?=")', rf"\g<1>{tail}", text)
        .replace('"6a2c-11"', f'"{tail}"')
        .replace('"b0b"', f'"{tail}"')
    )


async def exported(person: Visitor) -> Any:
    """A real export with a tree in it."""
    first = await person.act("send", text="What is a tree?", panel={MAX_TOKENS: 6})
    await person.act("regenerate", turn=first.told["leaf"], panel={MAX_TOKENS: 6})
    await person.act("send", text="And a bush?", conversation=first.told["conversation"], leaf=first.told["leaf"], panel={MAX_TOKENS: 6})
    answer = await person.manage("export", id=first.told["conversation"], format="json")
    return json.loads(answer.told["download"]["text"])


async def opened(importer: Visitor, found: list[tuple[str, str]]) -> Row:
    """Accepted conversations can be opened, gone on with, continued and exported, or say why not."""
    row = Row("fuzz, accepted imports")
    for conversation, what in found:
        shown = await importer.act("open", conversation=conversation)
        row.check(shown.ok and shown.ended, f"open after {what}: {shown.text[-120:]}")
        leaf = shown.told.get("leaf")
        for do, more in (("send", {"text": "And now?", "leaf": leaf}), ("continue", {"turn": leaf or ""})):
            answer = await importer.act(do, conversation=conversation, panel={MAX_TOKENS: 2}, seconds=30, **more)
            row.check(answer.ended and (answer.ok or bool(answer.words)), f"{do} after {what}: {answer.text[-120:]}")
        saved = await importer.manage("export", id=conversation, format="markdown")
        row.check(saved.ok, f"export after {what}: {saved.words} {saved.text[-120:]}")
    return row


async def all_exported(importer: Visitor) -> Row:
    """What was accepted does not make "export all" impossible."""
    row = Row("fuzz, export all after imports")
    for kind in ("json", "jsonl", "markdown"):
        saved = await importer.manage("export", format=kind)
        row.check(saved.ok and bool(saved.told["download"]["text"]), f"{kind}: {saved.words} {saved.text[-120:]}")
    return row
