from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from recognizer.wire import Keys
from tests.services import RedisServer, redis_server


@pytest.fixture
def server(tmp_path) -> Iterator[RedisServer]:
    """A Redis of this test's own."""
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
def client(server) -> Iterator[redis.Redis]:
    made = server.client()
    yield made
    made.close()


@pytest.fixture
def keys() -> Keys:
    return Keys("test:")
