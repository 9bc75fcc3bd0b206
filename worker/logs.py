"""Logs on stderr: a line for people, or a JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any


class JsonLines(logging.Formatter):
    """One JSON object a record: ``time, level, logger, message`` and, where given, ``feed`` and ``exception``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        fields: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        feed = getattr(record, "feed", None)
        if feed is not None:
            fields["feed"] = feed
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


class Plain(logging.Formatter):
    """One line a record, with the feed that it is about, if any, before the message."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line; a traceback follows on lines of its own."""
        feed = getattr(record, "feed", None)
        record.about = f"[{feed}] " if feed is not None else ""
        return super().format(record)


def setup(as_json: bool, level: int = logging.INFO) -> None:
    """Send the logs of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else Plain("%(asctime)s %(levelname)s %(name)s: %(about)s%(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)  # reports each instruction set that it tries
