"""Files to import, changed at any place: accepted or refused in a sentence, and what was accepted can be opened, gone on with, exported."""

import json
import re
from collections.abc import AsyncIterator
from random import Random
from typing import Any
from urllib.parse import urlencode

from tests.stress.foreign import KINDS
from tests.stress.fuzz_door import refused
from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.site import Site
from tests.stress.visitor import Visitor, visitor
from tests.stress.weird import EVERY, TEXTS, as_json, mutated, places
from tests.transfer.test_transfer import CHATGPT, OPEN_WEBUI

IMPORTS, OPENED = 240, 30
"""Files in a run of 60 s, and how many of the accepted conversations are opened and gone on with."""
NUMBERS = (
    "created",
    "updated",
    "started",
    "queued",
    "first_token",
    "generating",
    "seed",
    "prefix_tokens",
    "cached_prompt_tokens",
    "dropped_messages",
    "prompt_ids",
)
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
            answer = await importer.bring(text)
            held = answer.ended and (answer.ok or refused(answer))
            row.check(held, f"{what}: status {answer.status}, ended {answer.ended}: {answer.text[-120:]}")
            if answer.told.get("imported"):
                accepted.append((answer.told["newest"], what))
        row.worst = f"{len(accepted)} accepted"
        yield row
        yield await opened(importer, random.sample(accepted, min(len(accepted), plan.share(OPENED, 10))))
        yield await all_exported(importer, Row("fuzz, export all after imports"))
    yield await no_such_files(person, random)


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
    how = {"settings": {"max_tokens": 6}}
    first = await person.act("send", text="What is a tree?", **how)
    await person.act("regenerate", turn=first.turn, **how)
    await person.act("send", text="And a bush?", conversation=first.conversation, leaf=first.turn, **how)
    return json.loads((await person.export("json", first.conversation)).text)


async def opened(importer: Visitor, found: list[tuple[str, str]]) -> Row:
    """Accepted conversations can be opened, gone on with, continued and exported, or say why not."""
    row, how = Row("fuzz, accepted imports"), {"settings": {"max_tokens": 2}, "seconds": 30}
    for conversation, what in found:
        shown = await importer.watch(conversation)
        row.check(shown.ok and not shown.path["missing"], f"open after {what}: {shown.answer.text[-120:]}")
        leaf = shown.path.get("order", [])[-1:]
        for do, more in (("send", {"text": "And now?", "leaf": leaf[0] if leaf else None}), ("continue", {"turn": "".join(leaf)})):
            went_on = await importer.act(do, conversation=conversation, **how, **more)
            row.check(went_on.ok or refused(went_on.answer), f"{do} after {what}: {went_on.answer.text[-120:]}")
        for kind in KINDS:
            saved = await importer.export(kind, conversation)
            row.check(saved.whole and bool(saved.text), f"export as {kind} after {what}: {saved.status} {saved.text[-120:]}")
    return row


async def all_exported(person: Visitor, row: Row) -> Row:
    """Everything that a visitor has can be saved; what is JSON can be read again."""
    for kind in KINDS:
        saved = await person.export(kind)
        row.check(saved.whole and bool(saved.text), f"export all as {kind}: {saved.status} {saved.text[-120:]}")
        parts = {"json": [saved.text], "jsonl": filter(None, saved.lines), "markdown": ()}[kind]
        row.check(all(isinstance(json.loads(part), dict) for part in parts), f"export all as {kind} is no JSON")
    return row


async def no_such_files(person: Visitor, random: Random) -> Row:
    """Exports of strange ids, kinds and sessions are refused in a sentence."""
    row = Row("fuzz, exports that there are not")
    for value in TEXTS:
        for asked in ({"format": value}, {"format": value, "id": value}, {"format": random.choice(KINDS), "id": value or "0"}):
            saved = await person.read(person.client.stream("GET", f"/ui/export?{query(asked)}"), 30)
            fine = saved.ended and 400 <= saved.status < 500 and saved.text.endswith(".")
            row.check(fine, f"{ascii(asked)[:60]}: {saved.status} {saved.text[-80:]}")
        session = await person.read(person.client.stream("GET", f"/ui/export?{query({'format': 'json', 'session': value})}"), 30)
        row.check(session.whole, f"session {ascii(value)[:40]}: {session.status} {session.text[-80:]}")
    return row


def query(asked: dict[str, str]) -> str:
    """Half surrogate pairs as a program would escape them that does not look."""
    return urlencode({name: value[:5000] for name, value in asked.items()}, errors="surrogatepass")
