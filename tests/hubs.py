"""A fake Hub for the tests of one file, as the app's own code asks it: in this process, with a cache of its own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from huggingface_hub import constants

from chatapp.models.hub_access import Hub
from tests.fakehub import FakeHub


@contextmanager
def online(cache: Path, token: str | bool | None = False) -> Iterator[tuple[FakeHub, Hub]]:
    """The fake, and how it is asked. Tests are offline otherwise."""
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, False
    try:
        with FakeHub() as fake:
            yield fake, Hub(fake.url, cache, token)
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def the_apps_own(cache: Path) -> Iterator[FakeHub]:
    """The same for what asks the app's own Hub, as if HF_ENDPOINT and HF_HUB_CACHE had been set."""
    with online(cache) as (fake, _), pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "ENDPOINT", fake.url)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{fake.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}")
        yield fake


def debris(cache: Path) -> list[Path]:
    """Files that are no whole ones."""
    return [path for path in cache.rglob("*") if path.name.endswith((".incomplete", ".tmp"))]


def until(true: Callable[[], object]) -> None:
    """Wait for what a thread does."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
