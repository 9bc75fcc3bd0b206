"""Whoever runs many feeds must see which one a line of the log is about."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import logging, sys
from worker.logs import setup
setup(sys.argv[1] == "json")
log = logging.getLogger("worker.capture_process")
log.warning("%s", "reconnecting", extra={"feed": "radio1"})
log.info("100 % ready")
"""


@pytest.mark.parametrize("kind", ["plain", "json"])
def test_a_line_names_its_feed(kind):
    done = subprocess.run([sys.executable, "-c", SCRIPT, kind], capture_output=True, text=True, check=True)
    first, second = done.stderr.splitlines()
    if kind == "plain":
        assert first.endswith(" WARNING worker.capture_process: [radio1] reconnecting")
        assert second.endswith(" INFO worker.capture_process: 100 % ready")
    else:
        first, second = json.loads(first), json.loads(second)
        assert (first["feed"], first["message"], first["level"]) == ("radio1", "reconnecting", "warning")
        assert "feed" not in second and second["message"] == "100 % ready"
