"""GET /ui/compare-file: a run as a file, in each form that other programs or people read."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chatapp.errors import ChatError, closest
from chatapp.identity import Owner
from chatapp.lab import exports, grid_file, report
from chatapp.lab.grid import Grid
from chatapp.lab.kept import Runs
from chatapp.lab.results import line_of
from chatapp.lab.rows import Row
from chatapp.server.door import HEADERS, owner_asking, refusal

Rows = Sequence[Row]

FORMS: dict[str, tuple[str, Callable[[Grid, Rows], str]]] = {
    "csv": (".csv", exports.csv),
    "jsonl": (".jsonl", lambda grid, rows: b"".join(map(line_of, exports.ordered(grid, rows))).decode("utf-8", "surrogatepass")),
    "markdown": (".md", exports.markdown),
    "html": (".html", report.html),
    "yaml": (".grid.yaml", lambda grid, rows: grid_file.written(grid)),
}


def routes(runs: Runs) -> list[Route]:
    """For launch(app_kwargs={"routes": …})."""

    async def send(request: Request) -> Response:
        asked = request.query_params
        try:
            owner = owner_asking(request, asked.get("session"))
            ending, text = await asyncio.to_thread(made, runs, owner, asked.get("id", ""), asked.get("format", ""))
        except ChatError as error:
            said = refusal(error)
            return Response(said["error"]["message"] + "\n", said["error"]["status"], HEADERS, media_type="text/plain")
        named = f'attachment; filename="compare-{date.today().isoformat()}{ending}"'
        data = text.encode("utf-8", "replace")
        return Response(data, headers={**HEADERS, "Content-Disposition": named}, media_type="application/octet-stream")

    return [Route("/ui/compare-file", send, include_in_schema=False)]


def made(runs: Runs, owner: Owner, id: str, form: str) -> tuple[str, str]:
    """(ending of its name, text) of a run in one form. Raises ChatError for an unknown form, NotFound for another's run."""
    if form not in FORMS:
        raise ChatError(f"There is no form named {form!r}.{closest(form, FORMS)} Choose from: {', '.join(FORMS)}.", status=422)
    ending, write = FORMS[form]
    return ending, write(*runs.read(owner, id))
