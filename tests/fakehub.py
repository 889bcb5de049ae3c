"""A Hugging Face Hub on loopback, as much of it as this app asks: search, model info, files, gates, revisions, accounts, Spaces, faults.

Errors carry X-Error-Code, from which huggingface_hub picks its exception class.
"""

import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from tests.fakerepo import Repo
from tests.fakespaces import Space, SpaceAnswers

PIECE = 64 * 1024
"""Bytes that are sent at once."""


@dataclass
class FakeHub:
    """`with FakeHub() as hub: hub.add("org/model", folder)`; the client gets hub.url as HF_ENDPOINT. `log` holds 'METHOD path'.

    users     token → name, for whoami; other tokens are refused there
    reading   tokens that may not write
    paying    names of those who may have a Gradio Space on cpu-basic
    spaces    by name
    cuts      ends of paths at which an answer breaks off before it began; each once
    tokens    every token that was seen, by path
    page      models on a page of search results
    down      answers every question with this status
    elsewhere  the address of another server to which files of weights are redirected
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    users: dict[str, str] = field(default_factory=dict)
    reading: set[str] = field(default_factory=set)
    paying: set[str] = field(default_factory=set)
    spaces: dict[str, Space] = field(default_factory=dict)
    cuts: list[str] = field(default_factory=list)
    tokens: list[tuple[str, str]] = field(default_factory=list)
    page: int = 10
    down: int = 0
    elsewhere: str = ""

    def add(self, name: str, content: Path | dict[str, bytes], **options: Any) -> Repo:
        files = content if isinstance(content, dict) else {p.name: p.read_bytes() for p in sorted(content.iterdir()) if p.is_file()}
        self.repos[name] = Repo(name, files, **options)
        return self.repos[name]

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: Any) -> None:
        for repo in self.repos.values():
            repo.let_go.set()
        self.server.shutdown()
        self.server.server_close()

    def found(self, asked: dict[str, list[str]]) -> list[Repo]:
        """What a search gives, in its order."""
        one = {name: values[0] for name, values in asked.items()}
        found = [repo for repo in self.repos.values() if not repo.private and repo.matches(one, asked.get("filter", []))]
        key = {"downloads": "downloads", "likes": "likes", "createdAt": "created", "trendingScore": "trending"}.get(one.get("sort", ""))
        return sorted(found, key=lambda repo: getattr(repo, key), reverse=True) if key else found


class _Handler(SpaceAnswers, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *arguments: Any) -> None: ...

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.log.append(f"{self.command} {path}")
        self.hub.tokens.append((path, self.token))
        posted = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if cut := next((end for end in self.hub.cuts if path.endswith(end)), ""):
            self.hub.cuts.remove(cut)
            self.close_connection = True
        elif self.hub.down and path != "/":
            self.fail(self.hub.down, "", "out of order")
        elif path == "/":
            self.answer(200, b"the fake Hub")
        elif path == "/api/whoami-v2":
            self.whoami()
        elif path == "/api/models":
            self.search()
        elif path in ("/api/repos/create", "/api/validate-yaml") or path.startswith("/api/spaces/"):
            self.of_spaces(path, posted)
        elif match := re.fullmatch(r"/api/models/([^/]+(?:/[^/]+)?)(?:/(revision|tree)/([^/]+))?", path):
            self.api(*match.groups())
        elif match := re.fullmatch(r"/([^/]+(?:/[^/]+)?)/resolve/([^/]+)/(.+)", path):
            self.resolve(*match.groups())
        else:
            self.fail(404, "", f"not in this fake: {path}")

    def whoami(self) -> None:
        if name := self.hub.users.get(self.token):
            access = {"displayName": "of a test", "role": "read" if self.token in self.hub.reading else "write"}
            said = {"type": "user", "name": name, "fullname": name, "orgs": [], "auth": {"type": "access_token", "accessToken": access}}
            self.answer(200, json.dumps(said).encode())
        else:
            self.fail(401, "", "Invalid user token.")

    def search(self) -> None:
        """A page of results, and a Link to the next."""
        asked = parse_qs(urlsplit(self.path).query)
        found, start = self.hub.found(asked), int(asked.pop("cursor", ["0"])[0])
        shown = found[start : start + min(self.hub.page, int(asked.get("limit", ["1000"])[0]))]
        more = urlencode({**asked, "cursor": start + len(shown)}, doseq=True)
        link = {"Link": f'<{self.hub.url}/api/models?{more}>; rel="next"'} if start + len(shown) < len(found) else {}
        self.answer(200, json.dumps([repo.info() for repo in shown]).encode(), link)

    def repo(self, name: str, revision: str, *, content: bool) -> Repo | None:
        """The repository, or None after the Hub's refusal was sent."""
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and self.token not in repo.readers):
            self.fail(404 if self.token else 401, "RepoNotFound", "Repository not found")
        elif content and repo.gated and self.token not in repo.readers:
            self.fail(403 if self.token else 401, "GatedRepo", f"Access to model {name} is restricted.")
        elif not repo.knows(revision):
            self.fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return repo
        return None

    def api(self, name: str, what: str | None, revision: str | None) -> None:
        if repo := self.repo(name, revision or "main", content=what == "tree"):
            self.answer(200, json.dumps([repo.entry(n) for n in sorted(repo.files)] if what == "tree" else repo.info()).encode())

    def resolve(self, name: str, revision: str, file: str) -> None:
        repo = self.repo(name, revision, content=file != "README.md")
        if repo is None:
            return
        if file not in repo.files:
            return self.fail(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": repo.sha})
        data, headers = repo.files[file], repo.headers(file)
        if self.hub.elsewhere and "X-Linked-Etag" in headers:
            return self.answer(302, b"", {**headers, "Location": f"{self.hub.elsewhere}{self.path}"})
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            start, end = int(match[1]), min(int(match[2] or len(data)), len(data) - 1)
            more = {"Content-Range": f"bytes {start}-{end}/{len(data)}"}
            return self.send(206, data[start : end + 1], headers | more, repo, file)
        return self.send(200, data, headers, repo, file)

    def send(self, status: int, data: bytes, headers: dict[str, str], repo: Repo, file: str) -> None:
        """A file, with the faults that its repository has: it waits in the middle, or breaks off."""
        breaks = repo.breaks.get(file, [])
        cut = breaks.pop(0) if breaks and self.command == "GET" else len(data)
        self.answer(status, b"", {**headers, "Content-Length": str(len(data))})
        if self.command == "HEAD":
            return
        for start in range(0, min(cut, len(data)), PIECE):
            self.wfile.write(data[start : min(start + PIECE, cut)])
            if file in repo.waits and start + PIECE >= repo.waits[file]:
                repo.let_go.wait(30)
        self.close_connection = cut < len(data)

    def fail(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}
        self.answer(status, json.dumps({"error": message}).encode(), headers)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
