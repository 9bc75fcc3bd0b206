"""A cover played in the room: PulseAudio's null sink is the loudspeaker, its monitor the microphone."""

from __future__ import annotations

import json
import signal

import pytest

from tests.end_to_end.installed import events, run, spawn
from tests.end_to_end.music import COVERED, SEMITONES, write_cover
from tests.services import PULSE_DEVICE, end, pulseaudio


@pytest.mark.slow
def test_a_cover_in_the_room_is_named(catalogue, tmp_path):
    played = write_cover(tmp_path / "played.wav", before_s=1, talk_s=2)
    log = tmp_path / "stderr"
    with pulseaudio(tmp_path) as pulse:
        listed = run("recognizer", "devices", env=pulse.env)
        assert listed.returncode == 0 and f"{PULSE_DEVICE}  " in listed.stdout and listed.stderr == ""
        as_json = run("recognizer", "devices", "--json", env=pulse.env)
        assert PULSE_DEVICE in {row["name"] for row in json.loads(as_json.stdout)}
        process = spawn(
            "recognizer", "listen", f"mic:{PULSE_DEVICE}", "--catalogue", catalogue, "--json", log=log, env=pulse.env
        )  # fmt: skip
        player = None
        try:
            found = []
            for line in process.stdout:
                found.append(json.loads(line))
                if player is None:  # it has said that it listens
                    player = pulse.play(played.path)
                if found[-1]["type"] == "detection.opened":
                    break
            process.send_signal(signal.SIGINT)
            found += events(process.stdout.read())
            assert process.wait(10) == 0
        finally:
            end(player)
            end(process, signal.SIGKILL)
    life = [event for event in found if event["type"].startswith("detection.")]
    assert [event["type"] for event in life] == ["detection.opened", "detection.closed"]
    assert life[0]["data"]["work_id"] == COVERED
    assert life[0]["data"]["transpose_semitones"] == SEMITONES
    assert "stream.gap" not in {event["type"] for event in found}
    assert log.read_text() == ""


def test_a_microphone_that_is_not_there_is_waited_for(catalogue, tmp_path):
    log = tmp_path / "stderr"
    with pulseaudio(tmp_path) as pulse:
        process = spawn("recognizer", "listen", "mic:Nowhere", "--catalogue", catalogue, log=log, env=pulse.env)
        try:
            line = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            end(process, signal.SIGKILL)
    assert "reconnecting: no microphone named 'Nowhere'" in line and f"'{PULSE_DEVICE}'" in line
