"""What a supervisor tells its children, as JSON in one argument.

The Redis URL, which may hold a password, goes in the environment.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from recognizer.wire import DEFAULT_PREFIX
from worker.bus import LEASE_TTL_MS

URL_VARIABLE = "RECOGNIZER_REDIS_URL"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of capture and line processes.

    Attributes
    ----------
    redis_url : str
    prefix : str
        Start of every key.
    model : str
        Path of the ONNX file.
    rate_hz : int
        The model's sample rate.
    max_feeds : int
        Most feeds one line process holds.
    catalogue_wait : bool
        Whether lines wait for a first published catalogue.
    cache_dir : str
        Where published catalogue files are kept between generations.
    log_json : bool
    lease_ttl_ms : int
        After how long a dead worker's feeds may be taken over.
    """

    redis_url: str
    model: str
    rate_hz: int
    cache_dir: str
    prefix: str = DEFAULT_PREFIX
    max_feeds: int = 64
    catalogue_wait: bool = False
    log_json: bool = False
    lease_ttl_ms: int = LEASE_TTL_MS

    def argument(self, **more: Any) -> str:
        """Everything but the URL, and ``more``, as JSON."""
        fields = asdict(self)
        del fields["redis_url"]
        return json.dumps({**fields, **more})

    def environment(self) -> dict[str, str]:
        """The environment of a child: one thread a process, the URL out of sight of ``ps``."""
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        return {**os.environ, **threads, URL_VARIABLE: self.redis_url}

    @classmethod
    def from_argument(cls, text: str, *more: str) -> tuple[Settings, list[Any]]:
        """Inverse of `argument`: the settings, and the values of the names in ``more``."""
        fields = json.loads(text)
        extra = [fields.pop(name) for name in more]
        return cls(redis_url=os.environ[URL_VARIABLE], **fields), extra
