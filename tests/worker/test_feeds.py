from __future__ import annotations

import subprocess
import sys

import pytest

from recognizer.errors import UsageError
from worker.feeds import FeedConfig, load, parse

GOOD = """
[[feeds]]
id = "radio1"
title = "Radio One"
source = "https://example.org/live"

[[feeds]]
id = "lan"
source = "http://10.0.0.5:8000/live"
allow_private = true
mode = "kiosk"

[[feeds]]
id = "file"
source = "music/a.wav"
realtime = false
live = false
mode = "monitoring@0.75"
"""


def test_feeds_are_read():
    feeds = parse(GOOD)
    assert [feed.id for feed in feeds] == ["radio1", "lan", "file"]
    assert feeds[0] == FeedConfig("radio1", "https://example.org/live", "Radio One")
    assert feeds[1].title == "lan"
    assert feeds[1].options().allow_private
    assert feeds[1].mode == "kiosk"
    assert not feeds[2].options().realtime
    assert feeds[2].mode == "monitoring@0.75"


def test_relative_paths_are_taken_from_the_file(tmp_path):
    path = tmp_path / "feeds.toml"
    path.write_text(GOOD)
    assert load(path)[2].source == f"file:{tmp_path}/music/a.wav"
    assert load(path)[0].source == "https://example.org/live"


def test_a_config_survives_redis():
    for feed in parse(GOOD):
        assert FeedConfig.from_json(feed.id, feed.to_json()) == feed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("feeds = 3", r"\[\[feeds\]\]"),
        ("", r"\[\[feeds\]\]"),
        ("[[feeds]", "not TOML"),
        ('[[feeds]]\nid = "a"', "no source"),
        ('[[feeds]]\nsource = "mic"', "feed id None"),
        ('[[feeds]]\nid = "a b"\nsource = "mic"', "letters, digits"),
        ('[[feeds]]\nid = "a{b}"\nsource = "mic"', "letters, digits"),
        ('[[feeds]]\nid = "a"\nsource = 3', "source is 3"),
        ('[[feeds]]\nid = "a"\nsource = "mic"\nallow_private = "yes"', "allow_private is 'yes'"),
        ('[[feeds]]\nid = "a"\nsource = "mic"\nalow_private = true', "unknown field 'alow_private'"),
        ('[[feeds]]\nid = "a"\nsource = "exec:ls"', "kind 'exec'"),
        ('[[feeds]]\nid = "a"\nsource = "-"', "standard input"),
        ('[[feeds]]\nid = "a"\nsource = "mic"\nmode = "loud"', "'loud'"),
        ('[[feeds]]\nid = "a"\nsource = "mic"\nmode = "kiosk@2"', "between 0 and 1"),
        ('[[feeds]]\nid = "a"\nsource = "mic"\n[[feeds]]\nid = "a"\nsource = "mic"', "repeated: a"),
        ('other = 1\n[[feeds]]\nid = "a"\nsource = "mic"', "nothing else"),
    ],
)
def test_mistakes_are_named(text, said):
    with pytest.raises(UsageError, match=said):
        parse(text)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "binary.toml")


def test_captures_do_not_carry_the_index_along():
    script = "import sys, worker.capture_process; print({'faiss', 'onnxruntime', 'av'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"title": "x"}', '{"source": "mic", "x": 1}'])
def test_hostile_configurations_in_redis(text):
    with pytest.raises(UsageError):
        FeedConfig.from_json("a", text)
