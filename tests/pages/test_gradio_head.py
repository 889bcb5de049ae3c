"""Our scripts and styles in the HTML of Gradio's pages, and in nothing else."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from chatapp.pages.gradio_head import Head

GRADIOS = '<head><base href="./" /><script src="gradio.js"></script><link rel="stylesheet" href="gradio.css"></head><body>ü</body>'
OURS = "<head><title>About</title></head>"


@pytest.fixture
def client() -> TestClient:
    async def answer(request: Request) -> Response:
        return {
            "/": HTMLResponse(GRADIOS),
            "/about": HTMLResponse(OURS),
            "/api": JSONResponse({"page": GRADIOS}),
            "/parts": StreamingResponse(iter([GRADIOS[:9], GRADIOS[9:]]), media_type="text/html"),
        }[request.url.path]

    return TestClient(Starlette(routes=[Route("/{path:path}", answer)], middleware=[Middleware(Head)]))


def test_scripts_come_before_gradios_and_styles_after(client: TestClient) -> None:
    answer = client.get("/")
    order = ["<base", "chatapp/chat.", "gradio.js", "gradio.css", "chatapp/chat.", "</head><body>ü", "chatapp.stand(", "</body>"]
    at = 0
    for part in order:
        at = answer.text.index(part, at) + 1
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize(("path", "sent"), [("/about", OURS), ("/parts", GRADIOS)])
def test_pages_of_ours_and_what_comes_in_pieces_are_as_they_were(client: TestClient, path: str, sent: str) -> None:
    assert client.get(path).text == sent


def test_what_is_no_page_is_as_it_was(client: TestClient) -> None:
    assert client.get("/api").json() == {"page": GRADIOS}
