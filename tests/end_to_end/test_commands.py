"""The commands that need no server, as a user runs them: what they print, refuse and leave with."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import time
import wave
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recognizer.demo.synth import RATE_HZ
from recognizer.released import default_model_path
from tests.audio_samples import write_audio
from tests.end_to_end.installed import command, detections, events, run, spawn
from tests.end_to_end.music import ARTIST, COVERED, ISRC, SEMITONES, TITLE, Cover, silence
from tests.services import end, wait_until

ENVELOPE = {"specversion", "type", "id", "source", "time", "data"}
DETECTION = {
    "schema", "seq", "detection_id", "revision", "state", "start_time", "end_time", "start_ms", "end_ms", "work_id",
    "reference_id", "title", "artist", "isrc", "iswc", "confidence", "confidence_kind", "evidence_windows", "relation",
    "ref_start_ms", "transpose_semitones", "tempo_ratio", "alternatives", "close_reason", "clip_url", "index_version",
    "model_id",
}  # fmt: skip
STATE = {"schema", "seq", "state", "previous", "detail", "at_ms"}
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SENTENCE = re.compile(r"recognizer: [^\n]+\n")


@pytest.fixture(scope="module")
def identified(catalogue: Path, recording: Cover) -> list[dict[str, Any]]:
    """What `identify` says about the recording."""
    done = run("recognizer", "identify", recording.path, "--catalogue", catalogue, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return events(done.stdout)


def data_of(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in found if event["type"] == kind]


def test_identify_prints_the_envelopes_of_the_contract(identified):
    assert [event["data"]["seq"] for event in identified] == list(range(1, len(identified) + 1))
    assert len({event["id"] for event in identified}) == len(identified)
    for event in identified:
        assert set(event) == ENVELOPE
        assert event["specversion"] == "1.0"
        assert event["source"].startswith("/streams/") and event["source"].isascii()
        assert UTC.fullmatch(event["time"])
        data = event["data"]
        assert data["schema"] == 1
        assert set(data) == (DETECTION if event["type"].startswith("detection.") else STATE)
        for name, value in data.items():
            if name.endswith("_ms") and value is not None:
                assert type(value) is int, name
            if name.endswith("_time") and value is not None:
                assert UTC.fullmatch(value), name
    assert {event["type"] for event in identified} == {
        "stream.state_changed",
        "detection.opened",
        "detection.updated",
        "detection.closed",
    }


def test_identify_names_the_cover_and_says_when(identified, recording):
    opened, closed = data_of(identified, "detection.opened"), data_of(identified, "detection.closed")
    assert [d["work_id"] for d in opened] == [d["work_id"] for d in closed] == [COVERED]
    life = [e["data"] for e in identified if e["type"].startswith("detection.")]
    assert {d["detection_id"] for d in life} == {opened[0]["detection_id"]}
    assert [d["revision"] for d in life] == list(range(1, len(life) + 1))
    assert [d["state"] for d in life] == ["open"] * (len(life) - 1) + ["closed"]
    last = closed[0]
    assert (last["title"], last["artist"], last["isrc"], last["iswc"]) == (TITLE, ARTIST, ISRC, None)
    assert last["start_ms"] == pytest.approx(recording.start_s * 1000, abs=4000)
    assert last["end_ms"] == pytest.approx(recording.end_s * 1000, abs=6000)
    assert last["transpose_semitones"] == SEMITONES
    assert last["tempo_ratio"] == pytest.approx(1.08, abs=0.04)
    assert 0.8 <= last["confidence"] <= 1.0
    assert last["close_reason"] == "no_longer_heard"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", last["model_id"]) and last["index_version"] == 1
    span = [datetime.fromisoformat(last[name]) for name in ("start_time", "end_time")]
    assert (span[1] - span[0]).total_seconds() * 1000 == last["end_ms"] - last["start_ms"]
    states = [d["state"] for d in data_of(identified, "stream.state_changed")]
    assert states[0] == "silent" and "running" in states and states[-2:] == ["no_music", "paused"]


def test_a_person_reads_one_line_a_song_and_one_sentence_a_refusal(catalogue, recording, tmp_path):
    text, quiet = tmp_path / "letter.mp3", tmp_path / "quiet.flac"
    text.write_text("Dear all, this is not music.\n" * 50)
    write_audio(quiet, silence(5), RATE_HZ)
    done = run("recognizer", "identify", recording.path, text, quiet, tmp_path / "gone", "--catalogue", catalogue)
    assert done.returncode == 1
    heard, refused = done.stdout.splitlines(), done.stderr.splitlines()
    assert heard[0] == f"{recording.path}:"
    facts = r"\+5 semitones, tempo ×1\.\d\d, from \d:\d\d of the reference, confidence [01]\.\d\d( uncalibrated)?"
    line = rf" +0:0\d–0:[34]\d  {TITLE} — {re.escape(ARTIST)}  \[{facts}\](  or: .*)?"
    assert re.fullmatch(line, heard[1]), heard[1]
    assert heard[2:] == [f"{text}:", f"{quiet}:", "  no work of the catalogue was recognized", f"{tmp_path / 'gone'}:"]
    assert len(refused) == 2
    assert f"{text.name} is not audio in a known format" in refused[0] and "expected WAV" in refused[0]
    assert "is not a file" in refused[1]


def test_what_is_wrong_is_said_in_one_sentence_with_what_to_do(catalogue, recording, tmp_path):
    other_model = tmp_path / "other.onnx"
    # The same network with a comment in the file (field 6 of the outermost message): another model by its hash.
    other_model.write_bytes(default_model_path().read_bytes() + b"\x32\x05hello")
    for arguments, what_to_do in [
        ((recording.path,), "indexer add"),
        ((recording.path, "--catalogue", tmp_path), f"indexer add MUSIC --catalogue {tmp_path}"),
        ((recording.path, "--catalogue", catalogue, "--model", other_model), "indexer rebuild --into NEW_DIR"),
        ((recording.path, "--catalogue", catalogue, "--model", recording.path), "use a released .onnx file"),
        ((recording.path, "--catalogue", catalogue, "--profile", "bold"), "monitoring, kiosk"),
    ]:
        done = run("recognizer", "identify", *arguments)
        assert done.returncode == 2, (arguments, done)
        assert SENTENCE.fullmatch(done.stderr) and what_to_do in done.stderr, done.stderr
        assert done.stdout == ""


def test_listen_to_a_file_or_a_pipe_says_what_identify_says(catalogue, recording, identified, tmp_path):
    with contextlib.closing(wave.open(str(recording.path))) as file:
        pcm = file.readframes(file.getnframes())
    flac = tmp_path / "pipe.flac"
    write_audio(flac, np.frombuffer(pcm, "<i2").astype(np.float32) / 32767, RATE_HZ)
    for stdin, arguments in [
        (b"", (recording.path,)),
        (pcm, ("-", "--raw-rate", RATE_HZ)),
        (flac.read_bytes(), ("-",)),
    ]:
        done = run("recognizer", "listen", *arguments, "--catalogue", catalogue, "--json", stdin=stdin)
        assert (done.returncode, done.stderr) == (0, ""), arguments
        assert detections(events(done.stdout)) == detections(identified), arguments
        assert [event["data"]["seq"] for event in events(done.stdout)][0] == 1


def test_listen_paces_a_file_when_asked(catalogue, tmp_path):
    file = write_audio(tmp_path / "six.wav", silence(6), RATE_HZ)

    def listening_s(*options: str) -> float:
        """From the first event to the last; how long the program takes to load is the machine's affair."""
        log = tmp_path / "stderr"
        process = spawn("recognizer", "listen", file, "--catalogue", catalogue, "--json", *options, log=log)
        try:
            at_s = [time.monotonic() for _ in process.stdout]
            assert process.wait(20) == 0, log.read_text()
        finally:
            end(process, signal.SIGKILL)
        return at_s[-1] - at_s[0]

    quick_s, paced_s = listening_s(), listening_s("--realtime")
    assert paced_s >= 5.0
    assert paced_s - quick_s > 3.0


@pytest.mark.parametrize(
    ("arguments", "status", "what_to_do"),
    [
        (("http://127.0.0.1:9/live",), 1, "--allow-private"),
        (("https://169.254.169.254/latest",), 1, "refused"),
        (("ftp://example.org/live",), 1, "expected one of file, http, mic"),
        (("gone.wav",), 1, "check the path"),
        (("-",), 1, "--raw-rate HZ"),
        (("gone.wav", "--raw-rate", "16000"), 2, "write - for it"),
    ],
)
def test_listen_refuses_a_source_in_one_sentence(catalogue, arguments, status, what_to_do):
    done = run("recognizer", "listen", *arguments, "--catalogue", catalogue, "--json", stdin=b"not audio at all")
    assert done.returncode == status
    assert SENTENCE.fullmatch(done.stderr) and what_to_do in done.stderr, done.stderr
    states = [event["data"]["state"] for event in events(done.stdout)]
    assert states == (["invalid_source"] if status == 1 else [])


def test_ctrl_c_ends_listen_quietly_and_closes_what_is_open(catalogue, recording, tmp_path):
    log = tmp_path / "stderr"
    process = spawn(
        "recognizer", "listen", "-", "--catalogue", catalogue, "--json", "--raw-rate", RATE_HZ, log=log, pipe=True
    )
    try:
        with contextlib.closing(wave.open(str(recording.path))) as file:
            process.stdin.buffer.write(file.readframes(int(recording.start_s + 30) * RATE_HZ))
            process.stdin.buffer.flush()  # the pipe stays open: more could come
        found = []
        for line in process.stdout:
            found.append(json.loads(line))
            if found[-1]["type"] == "detection.opened":
                break
        process.send_signal(signal.SIGINT)
        found += events(process.stdout.read())
        assert process.wait(10) == 0
    finally:
        end(process, signal.SIGKILL)
    assert [d["state"] for d in data_of(found, "detection.closed")] == ["closed"]
    assert data_of(found, "detection.closed")[0]["close_reason"] == "source_ended"
    assert found[-1]["data"]["detail"] == "interrupted"
    assert log.read_text() == ""


def loads_libraries(pid: int) -> bool:
    """Whether the command has begun to load what it needs: before that, Python itself starts."""
    return "numpy" in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("after_s", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
@pytest.mark.parametrize("name", ["recognizer", "indexer"])
def test_ctrl_c_while_a_command_starts_shows_no_traceback(catalogue, recording, name, after_s):
    verb = "identify" if name == "recognizer" else "search"
    process = subprocess.Popen(
        command(name, verb, recording.path, "--catalogue", catalogue), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_until(lambda: loads_libraries(process.pid), what="the command loading its libraries")
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert b"Traceback" not in err and b"KeyboardInterrupt" not in err, err.decode()
    assert process.returncode in (130, -signal.SIGINT, 0)


def test_help_teaches():
    top = run("recognizer", "--help").stdout
    for name, words in {
        "identify": ["0:12–0:51", "--json", "JSON Lines", "Exit code 1"],
        "listen": ["recognizer listen mic\n", "https://", "--raw-rate 16000\n", "--allow-private", "Ctrl-C"],
        "devices": ["mic:"],
        "up": ["[[feeds]]\n", 'id = "radio1"', "source = ", "indexer add", "--data DIR", "Ctrl-C"],
        "demo": ["--once", "--keep", "Ctrl-C"],
        "bench": ["--json"],
        "version": [],
    }.items():
        assert re.search(rf"^  {name}  +[A-Z].*\.$", top, re.MULTILINE), f"{name} is not explained in: {top}"
        text = run("recognizer", name, "-h").stdout
        flowing = " ".join(text.split())
        assert [word for word in words if word not in text and word not in flowing] == [], name
        assert max(map(len, text.splitlines())) <= 100


def test_wrong_use_of_the_command_line_is_exit_code_2():
    for arguments in ((), ("identify",), ("listen", "mic", "--raw-rate", "5"), ("sing",), ("up", "--port", "70000")):
        done = run("recognizer", *arguments)
        assert done.returncode == 2, arguments
        assert "Usage: recognizer" in done.stdout + done.stderr


def test_search_may_ask_for_more_works_than_there_are(catalogue, recording):
    done = run("indexer", "search", recording.path, "--top", 10**9, "--json", "--catalogue", catalogue)
    (answer,) = events(done.stdout)
    assert answer["query"] == str(recording.path)
    assert [row["rank"] for row in answer["results"]] == [1, 2, 3, 4, 5]
    assert answer["results"][0]["work_id"] == COVERED


def test_a_folder_of_all_sorts_is_indexed_as_far_as_it_goes(recording, tmp_path):
    folder, directory = tmp_path / "Müll & Musik", tmp_path / "catalogue"
    (folder / "deep" / "er").mkdir(parents=True)
    title = "Ænïma – 日本語 'q\"; $(rm)"
    (folder / "deep" / "er" / f"{title}.wav").write_bytes(recording.path.read_bytes())
    (folder / "broken.mp3").write_bytes(b"\xff\xfb\x90" + bytes(4000))
    (folder / "empty.flac").write_bytes(b"")
    (folder / "notes.txt").write_text("shopping")
    (folder / "dangling.ogg").symlink_to("nowhere")
    (folder / "folder.wav").mkdir()
    done = run("indexer", "add", folder, "--catalogue", directory)
    assert done.returncode == 1
    assert "added 1 (" in done.stdout and "refused 3" in done.stdout
    assert all(name in done.stderr for name in ("broken.mp3", "empty.flac", "dangling.ogg"))
    heard = run("recognizer", "identify", folder / "deep" / "er" / f"{title}.wav", "--catalogue", directory)
    assert title in heard.stdout and "same key" in heard.stdout
