"""A model repository of the fake Hub: its files, and what the Hub's interface says of it."""

import hashlib
import json
import math
import threading
from dataclasses import dataclass, field
from typing import Any

WEIGHTS = (".safetensors", ".gguf", ".bin")
UNITS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def safetensors(values: int, size: int = 0) -> bytes:
    """A file with one tensor of so many float32 values by its header, and `size` bytes in all, where that is more than the header's."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values]}}).encode()
    return (len(header).to_bytes(8, "little") + header).ljust(size, b"\0")


def git_id(data: bytes) -> str:
    """As git counts the content of a file."""
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


@dataclass
class Repo:
    """With one commit, which branch main and the names in `revisions` point to.

    readers   tokens whose owners were let in
    card      its metadata; config and gguf as the Hub would have read them
    breaks    file → after how many bytes each of the next answers breaks off
    waits     file → after how many bytes an answer waits for `let_go`
    """

    name: str
    files: dict[str, bytes]
    gated: bool | str = False
    private: bool = False
    readers: frozenset[str] = frozenset()
    revisions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)
    gguf: dict[str, Any] | None = None
    task: str = "text-generation"
    library: str = "transformers"
    downloads: int = 0
    likes: int = 0
    trending: int = 0
    created: str = "2025-01-01T00:00:00.000Z"
    breaks: dict[str, list[int]] = field(default_factory=dict)
    waits: dict[str, int] = field(default_factory=dict)
    let_go: threading.Event = field(default_factory=threading.Event)

    @property
    def sha(self) -> str:
        return hashlib.sha1(self.name.encode() + b"".join(self.files.values())).hexdigest()

    def knows(self, revision: str) -> bool:
        return revision in ("main", self.sha, *self.revisions)

    def entry(self, name: str) -> dict[str, Any]:
        data = self.files[name]
        entry: dict[str, Any] = {"type": "file", "path": name, "size": len(data), "oid": git_id(data)}
        if name.endswith(WEIGHTS):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return entry

    def headers(self, name: str) -> dict[str, str]:
        """With which a file is sent."""
        entry = self.entry(name)
        tag = entry.get("lfs", entry)["oid"]
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": self.sha, "Accept-Ranges": "bytes"}
        if "lfs" in entry:
            headers |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(self.files[name]))}
        return headers

    def matches(self, asked: dict[str, str], filters: list[str]) -> bool:
        """Is it among what a search asks for?"""
        tags = {*self.tags, self.library, *(f"dataset:{name}" for name in self.card.get("datasets", []))}
        most = asked.get("num_parameters", "").removeprefix("max:")
        return (
            asked.get("search", "").lower() in self.name.lower()
            and asked.get("pipeline_tag", self.task) == self.task
            and set(filters) <= tags
            and (not most or self.parameters <= float(most[:-1]) * UNITS[most[-1].upper()])
        )

    @property
    def parameters(self) -> int:
        return sum(self.counts().values())

    def counts(self) -> dict[str, int]:
        """Of weights by dtype, from the headers of its safetensors."""
        counts: dict[str, int] = {}
        for name, data in self.files.items():
            if name.endswith(".safetensors"):
                header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
                for entry in (entry for key, entry in header.items() if key != "__metadata__"):
                    counts[entry["dtype"]] = counts.get(entry["dtype"], 0) + math.prod(entry["shape"])
        return counts

    def config(self) -> dict[str, Any]:
        """As the Hub sums it up."""
        said = json.loads(self.files.get("config.json", b"{}"))
        short = {name: said[name] for name in ("architectures", "model_type") if name in said}
        template = self.files.get("chat_template.jinja", b"").decode()
        inside = json.loads(self.files.get("tokenizer_config.json", b"{}")).get("chat_template")
        return short | ({"chat_template_jinja": template} if template else {}) | {"tokenizer_config": {"chat_template": inside}}

    def info(self) -> dict[str, Any]:
        counts = self.counts()
        said = {
            "_id": self.sha[:24],
            "id": self.name,
            "modelId": self.name,
            "sha": self.sha,
            "private": self.private,
            "gated": self.gated,
            "siblings": [
                {"rfilename": name, "size": len(self.files[name]), "blobId": self.entry(name)["oid"]} for name in sorted(self.files)
            ],
            "tags": [*self.tags, self.library, *([f"license:{self.card['license']}"] if "license" in self.card else [])],
            "downloads": self.downloads,
            "likes": self.likes,
            "trendingScore": self.trending,
            "createdAt": self.created,
            "pipeline_tag": self.task,
            "library_name": self.library,
            "cardData": self.card,
            "config": self.config(),
        }
        return said | ({"safetensors": {"parameters": counts, "total": sum(counts.values())}} if counts else {}) | (
            {"gguf": self.gguf} if self.gguf else {}
        )  # fmt: skip
