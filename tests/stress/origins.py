"""Another site's page, another name for this machine, and Gradio's doors that nobody here uses: all closed."""

import re
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import httpx2

from tests.stress.foreign import quiet
from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.site import KEY, Site

EVIL = "https://evil.example"
OPEN = ("/v1/", "/healthz")
"""What any origin and host may ask: it takes the key, or tells everybody the same."""
OWN = ("/", "/healthz", "/v1/models", "/v1/chat/completions", "/ui/xray", "/login", "/chatapp/core.js")
OWN += tuple(f"/ui/{name}" for name in ("chat", "watch", "list", "manage", "measure", "export", "import", "nothing"))
FOREIGN: tuple[dict[str, str], ...] = (
    {"origin": EVIL},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "http://127.0.0.1:1"},
    {"origin": "http://localhost:{port}.evil.example"},
    {"origin": "http://127.0.0.1:{port}@evil.example"},
    {"origin": EVIL, "x-forwarded-host": "evil.example"},
    {"origin": "http://127.0.0.1:{port}", "sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "CROSS-SITE"},
)
HOSTS = ("evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", "[::2]", "192.168.0.1", "0.0.0.0", "")
LET_IN: tuple[dict[str, str], ...] = (
    {},
    {"origin": "http://127.0.0.1:{port}"},
    {"origin": "http://127.0.0.1:{port}", "sec-fetch-site": "same-origin"},
    {"host": "localhost:{port}"},
    {"host": "chat.localhost"},
)
PLACES = ("/gradio_api/file=", "/gradio_api/file/", "/static/", "/assets/", "/svelte/", "/gradio_api/proxy=", "/chatapp/", "/ui/", "/")
FILES = ("/etc/passwd", "{data}/chat.db", "app.py", "../app.py", "..%2f..%2fetc%2fpasswd", "/proc/self/environ")


async def run(plan: Plan) -> AsyncIterator[Row]:
    site = Site(plan.folder)
    with site.running():
        async with httpx2.AsyncClient(base_url=site.url, timeout=30, trust_env=False) as client:
            found = sorted({*((path, method) for path in OWN for method in ("GET", "POST")), *gradio_routes()})
            guarded = [(path, method) for path, method in found if not path.startswith(OPEN)]
            yield await refused("foreign origins", client, guarded, filled(FOREIGN, site))
            yield await refused("foreign hosts", client, guarded, filled([{"host": host} for host in HOSTS], site))
            yield await let_in(client, filled(LET_IN, site))
            yield await keyed(client)
            yield await uploads(client, site, found)
            yield await files(client, site)
        yield quiet(site, "origins, log")


def gradio_routes() -> Iterator[tuple[str, str]]:
    """(path, method) of everything that Gradio serves, its path parameters filled in."""
    import gradio as gr
    from gradio.routes import App

    with gr.Blocks(analytics_enabled=False) as demo:
        gr.Markdown("page")
    for route in flat(App.create_app(demo).routes):
        for method in getattr(route, "methods", None) or ():
            yield re.sub(r"{[^}]*}", "chat", route.path), method


def flat(routes: Iterable[Any]) -> Iterator[Any]:
    """Newer FastAPIs keep an included router as one route."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        yield from flat(inner.routes) if inner else (route,)


def filled(cases: Iterable[dict[str, str]], site: Site) -> list[dict[str, str]]:
    return [{name: value.replace("{port}", str(site.port)) for name, value in case.items()} for case in cases]


async def refused(what: str, client: httpx2.AsyncClient, paths: list[tuple[str, str]], cases: list[dict[str, str]]) -> Row:
    row = Row(f"{what}, {len(paths)} routes")
    for path, method in paths:
        for headers in cases:
            answer = await client.request(method, path, headers=headers, json={} if method == "POST" else None)
            # Gradio's CORS layer, outside of ours, may answer first: as refused as 403.
            row.check(answer.status_code in (400, 403), f"{method} {path} with {headers}: {answer.status_code}")
            shared = answer.headers.get("access-control-allow-origin")
            row.check(shared not in ("*", EVIL, "null"), f"{method} {path} with {headers}: allows origin {shared}")
    return row


async def let_in(client: httpx2.AsyncClient, cases: list[dict[str, str]]) -> Row:
    """The page itself, programs and links are not refused: a closed door alone would prove nothing."""
    row = Row("own origins and hosts")
    for headers in cases:
        for path in ("/", "/config", "/gradio_api/info"):
            answer = await client.get(path, headers=headers)
            row.check(answer.status_code == 200, f"{path} with {headers}: {answer.status_code}")
        for path, asked in (
            ("/ui/xray", {"view": "card", "turn": "x"}),
            ("/ui/list", {}),
            ("/ui/watch", {}),
            ("/ui/measure", {"text": "Hi"}),
        ):
            answer = await client.post(path, headers=headers, json=asked)
            row.check(answer.status_code == 200, f"{path} with {headers}: {answer.status_code}")
        answer = await client.get("/ui/export", headers=headers, params={"format": "json"})
        row.check(answer.status_code == 200, f"/ui/export with {headers}: {answer.status_code}")
        answer = await client.post("/ui/import", headers=headers, content="[]")
        row.check(answer.status_code == 400 and "error" in answer.json(), f"/ui/import with {headers}: {answer.status_code}")
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    row.check((await client.get("/", headers=link)).status_code == 200, "a link from another site is refused")
    return row


async def keyed(client: httpx2.AsyncClient) -> Row:
    """/v1 opens with its key from anywhere, and with nothing else."""
    row = Row("/v1 keys")
    for given in ("", "Bearer", "Bearer x", f"Basic {KEY}", KEY, f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", f"Bearer\t{KEY}"):
        for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("DELETE", "/v1/anything")):
            answer = await client.request(method, path, headers={"authorization": given})
            row.check(answer.status_code == 401, f"{method} {path} with {given!r}: {answer.status_code}")
    answer = await client.get("/v1/models", headers={"authorization": f"Bearer {KEY}", "origin": EVIL, "host": "models.internal"})
    row.check(answer.status_code == 200, f"the right key is refused: {answer.status_code}")
    return row


async def uploads(client: httpx2.AsyncClient, site: Site, found: list[tuple[str, str]]) -> Row:
    """No route takes a file as a form, and none lies on the disk afterwards."""
    row = Row("uploads")
    several = [("files", (f"{n}.bin", secrets.token_bytes(100_000))) for n in range(20)]
    parts = {"data": (None, '{"component_id":1,"fn_name":"upload","session_hash":"x"}'), "file": ("a.bin", b"x" * 100_000)}
    for path in sorted({path for path, method in found if method == "POST" and ("gradio_api" in path or path.startswith("/ui/"))}):
        for files in (several[:1], several, parts):
            status = await sent(client, path, files)
            row.check(400 <= status < 500, f"{path}: {status}")
    row.check(site.uploads() == 0, f"{site.uploads():,} bytes lie in the temp folder")
    return row


async def sent(client: httpx2.AsyncClient, path: str, files: Any) -> int:
    """The status of an upload; 499 where the server hung up before it had all of it, which is a refusal, too."""
    try:
        return (await client.post(path, files=files)).status_code
    except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
        return 499


async def files(client: httpx2.AsyncClient, site: Site) -> Row:
    """Nothing of the machine is served."""
    row = Row("files of the machine")
    for name in FILES:
        name = name.replace("{data}", str(site.folder / "data"))
        for path in PLACES:
            answer = await client.get(path + name)
            told = any(word in answer.text for word in ("root:", "SQLite format", "def main", "CHATAPP_API_KEY"))
            row.check(answer.status_code < 500 and not told, f"{path}{name}: {answer.status_code}")
    return row
