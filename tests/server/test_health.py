"""/healthz through each state of the model, with real loading in the background."""

import threading
from pathlib import Path

import httpx2
import pytest

from chatapp.errors import ChatError
from chatapp.models.sources import Source
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.conftest import Scripted
from tests.openers import roomy
from tests.serving import serve, until

HUB = Source("org/m", "hub", repo="org/m")


def test_health_goes_from_loading_to_ready(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    may_load = threading.Event()

    def slow(source: object, settings: Settings, progress) -> Scripted:
        progress("Reading weights", 0.25)
        assert may_load.wait(10)
        return scripted

    models = ModelManager(Settings(), find=lambda settings: HUB, budget=roomy(), open=slow)
    models.start()
    with serve(None, models=models) as site:
        assert until(lambda: models.first.step.words == "Reading weights")
        answer = httpx2.get(f"{site.url}/healthz")
        assert answer.status_code == 503 and answer.headers["retry-after"]
        loading = {"status": "loading", "detail": "Reading weights", "progress": 0.25}
        assert answer.json() == {**loading, "models": [{"id": "org/m", **loading}]}
        may_load.set()
        assert until(lambda: httpx2.get(f"{site.url}/healthz").status_code == 200)
        answer = httpx2.get(f"{site.url}/healthz")
        ready = {"status": "ready", "model": "scripted", "engine": "scripted"}
        said = answer.json()
        memory, mine = said.pop("memory"), said["models"][0].pop("memory")
        assert said == {**ready, "models": [{"id": "org/m", **ready}]}
        assert memory == mine and memory["forecast"] == 0 and 0 <= memory["measured"] < 2**28
        assert answer.headers["cache-control"] == "no-store"


def test_a_model_that_cannot_load_is_failed_with_the_reason() -> None:
    def broken(source: object, settings: Settings, progress) -> Scripted:
        raise ChatError("The file is cut off. Download it again.")

    models = ModelManager(Settings(), find=lambda settings: HUB, budget=roomy(), open=broken)
    models.start()
    with serve(None, models=models) as site:
        assert until(lambda: models.first.state == "failed")
        answer = httpx2.get(f"{site.url}/healthz")
    failed = {"status": "failed", "error": "The file is cut off. Download it again."}
    assert (answer.status_code, answer.json()) == (503, {**failed, "models": [{"id": "org/m", **failed}]})


def test_health_needs_no_login_no_key_and_no_host_name(scripted: Scripted, tmp_path: Path) -> None:
    with serve(scripted, auth=("ann:secret",), api_key="k") as site:
        answer = httpx2.get(f"{site.url}/healthz", headers={"host": "10.0.0.7:7860", "origin": "https://monitor.example"})
        head = httpx2.head(f"{site.url}/healthz")
    assert answer.status_code == head.status_code == 200 and "set-cookie" not in answer.headers
