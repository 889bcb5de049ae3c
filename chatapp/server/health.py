"""/healthz: is the model there yet? For start-up scripts, containers and load balancers; open to everyone, also with --auth."""

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from chatapp.resident.weighed import numbers

if TYPE_CHECKING:
    from chatapp.resident.manager import ModelManager
    from chatapp.resident.slot import ModelSlot

RETRY_SECONDS = 2


def routes(models: "ModelManager") -> list[Route]:
    """One route: 200 when a message can be answered, 503 with the reason otherwise."""

    async def healthz(request: Request) -> JSONResponse:
        body = await asyncio.to_thread(report, models)
        ready = body["status"] == "ready"
        headers = {"Cache-Control": "no-store"} if ready else {"Cache-Control": "no-store", "Retry-After": str(RETRY_SECONDS)}
        return JSONResponse(body, status_code=200 if ready else 503, headers=headers)

    return [Route("/healthz", healthz, methods=["GET"], include_in_schema=False)]


def report(models: "ModelManager") -> dict[str, Any]:
    """What /healthz answers: the first model's state, and in `models` that of each.

    `progress` runs from 0 to 1, or is null where it is not known; `memory` is in bytes, measured now and forecast for a full context.
    """
    return {**state_of(models.first), "models": [{"id": slot.id, **state_of(slot)} for slot in models.slots()]}


def state_of(slot: "ModelSlot") -> dict[str, Any]:
    """One model."""
    if engine := slot.loaded:
        memory = numbers(slot)
        return {"status": slot.state, "model": engine.info.model, "engine": engine.info.engine, **({"memory": memory} if memory else {})}
    match slot.state:
        case "failed":
            return {"status": "failed", "error": slot.error}
        case state:  # loading, unloaded
            return {"status": state, "detail": slot.step.words, "progress": slot.step.share}
