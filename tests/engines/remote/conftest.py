"""A server that speaks OpenAI's protocol, for each test."""

from collections.abc import Iterator

import pytest

from tests.remotes import FakeRemote, remote


@pytest.fixture
def fake() -> Iterator[FakeRemote]:
    with remote() as fake:
        yield fake
