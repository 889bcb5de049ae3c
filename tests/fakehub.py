"""A Hugging Face Hub on loopback, as much of it as loading a model needs: model info, file lists, files, gates, revisions.

Errors carry X-Error-Code, from which huggingface_hub picks its exception class.
"""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

WEIGHTS = (".safetensors", ".gguf", ".bin")


@dataclass
class Repo:
    """A model repository with one commit, which branch main and the names in `revisions` point to."""

    name: str
    files: dict[str, bytes]
    gated: bool = False
    readers: frozenset[str] = frozenset()  # tokens whose owners were let in
    revisions: tuple[str, ...] = ()

    @property
    def sha(self) -> str:
        return hashlib.sha1(self.name.encode() + b"".join(self.files.values())).hexdigest()

    def knows(self, revision: str) -> bool:
        return revision in ("main", self.sha, *self.revisions)

    def entry(self, name: str) -> dict[str, Any]:
        data = self.files[name]
        entry: dict[str, Any] = {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        if name.endswith(WEIGHTS):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return entry

    def info(self) -> dict[str, Any]:
        siblings = [{"rfilename": name} for name in sorted(self.files)]
        return {"_id": self.sha[:24], "id": self.name, "modelId": self.name, "sha": self.sha, "private": False, "gated": self.gated} | {
            "siblings": siblings,
            "tags": [],
            "downloads": 0,
            "likes": 0,
        }


@dataclass
class FakeHub:
    """`with FakeHub() as hub: hub.add("org/model", folder)`; the client gets hub.url as HF_ENDPOINT. `log` holds 'METHOD path'."""

    repos: dict[str, Repo] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

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
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *arguments: Any) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.log.append(f"{self.command} {path}")
        if match := re.fullmatch(r"/api/models/([^/]+(?:/[^/]+)?)(?:/(revision|tree)/([^/]+))?", path):
            self.api(*match.groups())
        elif match := re.fullmatch(r"/([^/]+(?:/[^/]+)?)/resolve/([^/]+)/(.+)", path):
            self.resolve(*match.groups())
        else:
            self.fail(404, "", f"not in this fake: {path}")

    def repo(self, name: str, revision: str, *, content: bool) -> Repo | None:
        """The repository, or None after the Hub's refusal was sent."""
        repo, token = self.hub.repos.get(name), self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repo is None:
            self.fail(404 if token else 401, "RepoNotFound", "Repository not found")
        elif content and repo.gated and token not in repo.readers:
            self.fail(403 if token else 401, "GatedRepo", f"Access to model {name} is restricted.")
        elif not repo.knows(revision):
            self.fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return repo
        return None

    def api(self, name: str, what: str | None, revision: str | None) -> None:
        if repo := self.repo(name, revision or "main", content=what == "tree"):
            self.answer(200, json.dumps([repo.entry(n) for n in sorted(repo.files)] if what == "tree" else repo.info()).encode())

    def resolve(self, name: str, revision: str, file: str) -> None:
        repo = self.repo(name, revision, content=True)
        if repo is None:
            return
        if file not in repo.files:
            return self.fail(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": repo.sha})
        data, entry = repo.files[file], repo.entry(file)
        tag = entry.get("lfs", entry)["oid"]
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": repo.sha, "Accept-Ranges": "bytes"}
        if "lfs" in entry:
            headers |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(data))}
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            start, end = int(match[1]), min(int(match[2] or len(data)), len(data) - 1)
            return self.answer(206, data[start : end + 1], headers | {"Content-Range": f"bytes {start}-{end}/{len(data)}"})
        return self.answer(200, data, headers)

    def fail(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message, **(headers or {})}
        self.answer(status, json.dumps({"error": message}).encode(), headers)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
