"""/healthz: is the model there yet? For start-up scripts, containers and load balancers; open to everyone, also with --auth."""

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from chatapp.resident.slot import ModelSlot

RETRY_SECONDS = 2


def routes(resident: "ModelSlot") -> list[Route]:
    """One route: 200 when a message can be answered, 503 with the reason otherwise."""

    async def healthz(request: Request) -> JSONResponse:
        body = report(resident)
        ready = body["status"] == "ready"
        headers = {"Cache-Control": "no-store"} if ready else {"Cache-Control": "no-store", "Retry-After": str(RETRY_SECONDS)}
        return JSONResponse(body, status_code=200 if ready else 503, headers=headers)

    return [Route("/healthz", healthz, methods=["GET"], include_in_schema=False)]


def report(resident: "ModelSlot") -> dict[str, Any]:
    """What /healthz answers. `progress` runs from 0 to 1, or is null where it is not known."""
    match resident.state:
        case "ready":
            return {"status": "ready", "model": resident.info.model, "engine": resident.info.engine}
        case "failed":
            return {"status": "failed", "error": resident.error}
        case state:  # loading, switching
            return {"status": state, "detail": resident.step.words, "progress": resident.step.share}
