"""Spaces of the fake Hub: made, looked at, given variables, secrets, hardware and commits."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakerepo import git_id

if TYPE_CHECKING:
    from tests.fakehub import FakeHub

NEW = {".gitattributes": b"*.bin filter=lfs", "README.md": b"---\nsdk: gradio\n---\n"}
"""What the Hub puts into a new Space."""


@dataclass
class Space:
    """`secrets` are kept with their values, which no answer holds; `commits` are the summaries of what was uploaded."""

    name: str
    files: dict[str, bytes] = field(default_factory=lambda: dict(NEW))
    private: bool = False
    hardware: str = "cpu-basic"
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    @property
    def sha(self) -> str:
        return hashlib.sha1(f"{self.name} {len(self.commits)}".encode()).hexdigest()

    def info(self) -> dict[str, Any]:
        files = [{"rfilename": name} for name in sorted(self.files)]
        return {"_id": self.sha[:24], "id": self.name, "sha": self.sha, "private": self.private, "sdk": "gradio", "siblings": files}

    def runtime(self) -> dict[str, Any]:
        return {"stage": "BUILDING", "hardware": {"current": None, "requested": self.hardware}, "gcTimeout": 172800}

    def tree(self) -> list[dict[str, Any]]:
        folders = sorted({name.rpartition("/")[0] for name in self.files} - {""})
        files = [{"type": "file", "path": name, "size": len(data), "oid": git_id(data)} for name, data in sorted(self.files.items())]
        return [*({"type": "directory", "path": name, "oid": git_id(name.encode())} for name in folders), *files]

    def commit(self, posted: bytes) -> dict[str, Any]:
        for line in map(json.loads, posted.splitlines()):
            key, value = line["key"], line["value"]
            if key == "header":
                self.commits.append(value["summary"])
            elif key == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            else:
                assert key == "deletedFile", key
                del self.files[value["path"]]
        return {"success": True, "commitOid": self.sha, "commitUrl": f"/spaces/{self.name}/commit/{self.sha}", "hookOutput": ""}

    def preupload(self, asked: dict[str, Any]) -> dict[str, Any]:
        """All as regular files: there is nothing large or binary in this app."""
        known = {path: git_id(data) for path, data in self.files.items()}
        modes = {"uploadMode": "regular", "shouldIgnore": False}
        return {"files": [{"path": file["path"], "oid": known.get(file["path"]), **modes} for file in asked["files"]]}


class SpaceAnswers:
    """The part of the fake's handler that answers about Spaces."""

    hub: "FakeHub"
    command: str
    token: str
    fail: Any
    answer: Any

    def of_spaces(self, path: str, posted: bytes) -> None:
        if path == "/api/validate-yaml":
            said = json.loads(posted)
            wrong = "title:" not in said["content"] or said["repoType"] != "space"
            self.says({"errors": [{"message": "title is missing"}] if wrong else [], "warnings": []}, 400 if wrong else 200)
        elif self.command != "GET" and (self.token not in self.hub.users or self.token in self.hub.reading):
            self.fail(403 if self.token in self.hub.users else 401, "", "You don't have the rights to write here.")
        elif path == "/api/repos/create":
            self.create(json.loads(posted))
        elif match := re.fullmatch(r"/api/spaces/([^/]+/[^/]+)(?:/([a-z]+))?(?:/main)?", path):
            self.of_space(match[1], match[2] or "", posted)
        else:
            self.fail(404, "", f"not in this fake: {self.command} {path}")

    def create(self, asked: dict[str, Any]) -> None:
        owner, name = self.hub.users[self.token], f"{asked['organization']}/{asked['name']}"
        hardware = asked.get("hardware", "cpu-basic")
        if asked["organization"] != owner:
            self.fail(403, "", f"You don't have the rights to create a space under the namespace {asked['organization']!r}")
        elif name in self.hub.spaces:
            self.fail(409, "", "You already created this space repo")
        elif hardware == "cpu-basic" and owner not in self.hub.paying:
            self.fail(402, "", "Payment required: subscribe to PRO to host Gradio Spaces on cpu-basic")
        else:
            given = {kind: {one["key"]: one["value"] for one in asked.get(kind, [])} for kind in ("variables", "secrets")}
            self.hub.spaces[name] = Space(name, private=asked.get("visibility") == "private", hardware=hardware, **given)
            self.says({"url": f"{self.hub.url}/spaces/{name}", "id": name})

    def of_space(self, name: str, what: str, posted: bytes) -> None:
        space = self.hub.spaces.get(name)
        owned = self.hub.users.get(self.token) == name.partition("/")[0]
        if space is None or (space.private and not owned):
            return self.fail(404, "RepoNotFound", "Repository not found")
        if self.command != "GET" and not owned:
            return self.fail(403, "", "You don't have the rights to write here.")
        if what in ("commit", "preupload"):
            return self.says(space.commit(posted) if what == "commit" else space.preupload(json.loads(posted)))
        if self.command != "GET":
            self.change(space, what, json.loads(posted))
        return self.says(self.shown(space, what))

    def change(self, space: Space, what: str, asked: dict[str, Any]) -> None:
        if what == "hardware":
            space.hardware = asked["flavor"]
        elif what == "settings":
            space.private = asked["visibility"] == "private"
        else:
            getattr(space, what)[asked["key"]] = asked["value"]

    def shown(self, space: Space, what: str) -> Any:
        if what == "variables":
            return {key: {"value": value} for key, value in space.variables.items()}
        if what == "secrets":
            return {key: {} for key in space.secrets}
        return {"": space.info, "tree": space.tree, "runtime": space.runtime, "hardware": space.runtime, "settings": space.info}[what]()

    def says(self, said: Any, status: int = 200) -> None:
        self.answer(status, json.dumps(said).encode())
