"""POST /ui/train-upload: a text to train on, from the browser to a file in the data folder, as it comes."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from chatapp.errors import ChatError
from chatapp.lab.train.history import FOLDER
from chatapp.pages.train_actions import demand
from chatapp.server.body import TooLarge
from chatapp.server.door import answered, owner_asking, refused, remember_from
from chatapp.settings import Settings

ENDINGS = (".txt", ".jsonl", ".csv")
MOST_BYTES = 500_000_000
CORPORA = "corpora"
"""Where they lie, beside the runs."""


def routes(settings: Settings) -> list[Route]:
    """For launch(app_kwargs={"routes": …})."""

    async def take(request: Request) -> Response:
        try:
            owner = owner_asking(request, request.query_params.get("session"))
            remember_from(request, owner)
            demand(settings)
            path = target(settings.data_dir / FOLDER / CORPORA, request.query_params.get("name", ""))
            await kept(path, request.stream())
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it
        except ChatError as error:
            return refused(error)
        return answered({"path": str(path)})

    return [Route("/ui/train-upload", take, methods=["POST"], include_in_schema=False)]


def target(folder: Path, name: str) -> Path:
    """Where a file of this name is kept: letters, digits and -_. of it. Raises ChatError for another kind of file."""
    stem, dot, ending = name.rpartition(".")
    if (suffix := dot + ending.lower()) not in ENDINGS:
        raise ChatError(f"{name[:60]!r} is no text that can be trained on here: {', '.join(ENDINGS)} are.", status=422)
    clean = re.sub(r"[^\w.-]+", "-", stem)[-80:].strip(".-")
    return folder / ((clean or "corpus") + suffix)


async def kept(path: Path, parts: AsyncIterator[bytes], most: int = MOST_BYTES) -> None:
    """Write a file as it comes; one of the same name is replaced when it is whole. Raises ChatError where it cannot be."""
    beside, size = path.with_name(path.name + ".part"), 0
    try:
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        with await asyncio.to_thread(beside.open, "wb") as file:
            async for part in parts:
                if (size := size + len(part)) > most:
                    raise TooLarge(
                        f"The file has more than {most:,} bytes, the most that is taken here. Name its path instead.", status=413
                    )
                await asyncio.to_thread(file.write, part)
        await asyncio.to_thread(beside.replace, path)
    except OSError as error:
        raise ChatError(f"{path.name} cannot be kept: {error.strerror or error}.", status=507) from error
    finally:
        with suppress(OSError):  # where it could not be made either
            await asyncio.to_thread(beside.unlink)
