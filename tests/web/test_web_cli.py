"""The ``web`` command: refusals, the ready line, and a clean end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import httpx
import pytest

from tests.services import end, free_port

ENV = {key: value for key, value in os.environ.items() if not key.startswith("RECOGNIZER_")}


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "web", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env={**ENV, **env})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "no token is set"),
        (["--host", "::"], "no token is set"),
        (["--host", "myhost.example"], "no token is set"),
        (["--redis-url", "http://x"], "is not redis://"),
        (["--token", "short"], "can be guessed"),
        (["--kiosk-token", "bar=some-long-enough-token"], "without a main token"),
        (["--kiosk-token", "bar"], "STREAM=TOKEN"),
        (["--allow-origin", "wall.example"], "not like https://host"),
        (["--token-file", "/nonexistent/token"], "cannot be read"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(arguments, sentence):
    done = run(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.startswith("web: ") and done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_help_teaches():
    done = run("--help", COLUMNS="200", TERM="dumb")
    assert done.returncode == 0
    for word in ("--redis-url", "--token", "--kiosk-token", "--allow-origin", "/kiosk/FEED", "RECOGNIZER_WEB_TOKEN"):
        assert word in done.stdout


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_says_where_it_listens_and_ends_cleanly(with_signal, tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("a-token-from-a-file-1234\n")
    command = [sys.executable, "-m", "web", "--port", "0", "--host", "0.0.0.0", "--token-file", str(token_file)]
    command += ["--redis-url", f"redis://127.0.0.1:{free_port()}/0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV)
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        port = line.split("Dashboard on http://0.0.0.0:")[1].split("/")[0]
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(url + "/").status_code == 200
        assert httpx.get(url + "/api/v1/streams").status_code == 401
        bearer = {"Authorization": "Bearer a-token-from-a-file-1234"}
        assert httpx.get(url + "/api/v1/streams", headers=bearer).status_code == 503
        process.send_signal(with_signal)
        assert process.wait(10) == 0
        errors = process.stderr.read()
        assert "Redis does not answer" in errors
        assert "Traceback" not in errors
    finally:
        end(process)


def test_a_taken_port_is_said(serve):
    taken = serve(None, with_redis=False)
    done = run("--port", str(taken.port))
    assert done.returncode == 2
    assert "cannot listen" in done.stderr and "Traceback" not in done.stderr
