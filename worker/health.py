"""Is a line process of this host alive? ``python -m worker.health`` ends with 0 or 1, for container health checks."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from typing import cast

import redis

from recognizer.wire import DEFAULT_PREFIX, Keys
from worker.bus import connect
from worker.roster import FRESH_MS
from worker.settings import URL_VARIABLE


def alive(client: redis.Redis, keys: Keys, host: str, now_ms: int) -> bool:
    """Whether a worker of ``host`` gave a heartbeat within the last ten seconds."""
    entries = [json.loads(raw) for raw in cast("list[bytes]", client.hvals(keys.workers))]
    return any(entry.get("host") == host and now_ms - int(entry["at_ms"]) < FRESH_MS for entry in entries)


def main() -> int:
    """Look once; the Redis URL and the key prefix come from the environment."""
    client = connect(os.environ.get(URL_VARIABLE, "redis://127.0.0.1:6379/0"))
    keys = Keys(os.environ.get("RECOGNIZER_PREFIX", DEFAULT_PREFIX))
    try:
        return 0 if alive(client, keys, socket.gethostname(), time.time_ns() // 1_000_000) else 1
    except redis.RedisError as error:
        print(f"no Redis answers ({error})", file=sys.stderr)
        return 1
    finally:
        client.close()


if __name__ == "__main__":
    sys.exit(main())
