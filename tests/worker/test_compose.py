"""docker-compose.yml without Docker: its commands and health checks are run as they stand, against a real Redis."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.services import end, free_port, redis_server, wait_until, write_wav
from tests.worker.music import add_tunes

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
REDIS_URL = "redis://redis:6379/0"
OURS = ("indexer", "worker", "lines", "web")


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_every_service_is_healthy_when_it_says_so(compose):
    assert set(compose["services"]) == {"redis", *OURS}
    for name, service in compose["services"].items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped"
    for name in OURS:
        service = compose["services"][name]
        assert service["depends_on"]["redis"]["condition"] == "service_healthy"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_only_the_dashboard_is_published_and_only_here_and_with_a_token(compose):
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8321:8321"]}
    assert re.match(r"\$\{RECOGNIZER_WEB_TOKEN:\?", compose["services"]["web"]["environment"]["RECOGNIZER_WEB_TOKEN"])


def test_volumes_are_declared(compose):
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            if isinstance(volume, str):
                assert volume.partition(":")[0] in compose["volumes"], name


def test_the_image_is_installed_as_the_readme_says():
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^RUN pip install --no-cache-dir \.$", text, re.MULTILINE)
    assert re.search(r"^USER recognizer$", text, re.MULTILINE)


@pytest.mark.slow
def test_the_commands_start_and_their_health_checks_pass(compose, tmp_path):
    from recognizer.embedder import Embedder
    from recognizer.released import default_model_path

    wav = write_wav(tmp_path / "noise.wav", np.zeros(16_000 * 120, np.int16), 16_000)
    (tmp_path / "feeds.toml").write_text(f'[[feeds]]\nid = "a"\nsource = "{wav}"\n')
    add_tunes(tmp_path / "catalogue", Embedder(default_model_path()), range(1), seconds=24)
    port = free_port()
    with redis_server(tmp_path) as server, contextlib.ExitStack() as exits:
        here = {
            REDIS_URL: server.url,
            "/etc/recognizer/feeds.toml": str(tmp_path / "feeds.toml"),
            "/data/catalogue": str(tmp_path / "catalogue"),
            "0.0.0.0": "127.0.0.1",
            "8321": str(port),
        }
        environment = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "RECOGNIZER_WEB_TOKEN": "0123456789abcdef0123456789abcdef",
            "RECOGNIZER_REDIS_URL": server.url,
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }

        def passes(service: str) -> bool:
            test = [
                word.replace(":8321/", f":{port}/") for word in compose["services"][service]["healthcheck"]["test"][1:]
            ]
            return subprocess.run(test, env=environment, capture_output=True, timeout=30).returncode == 0

        assert not passes("worker"), "the check can fail"
        for name in OURS:
            command = [here.get(word, word) for word in compose["services"][name]["command"]]
            process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            exits.callback(end, process)
        for name in OURS:
            wait_until(lambda name=name: passes(name), 40, f"the health check of {name}")
