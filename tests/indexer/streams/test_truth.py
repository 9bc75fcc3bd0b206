"""The table of what was played when: what is read, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.streams.truth import read_truth, without_strangers
from recognizer.errors import UsageError
from recognizer.evaluation.streams import Played


def write(folder: Path, text: str, *audio: str) -> Path:
    for name in audio:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    table = folder / "truth.csv"
    table.write_text(text, encoding="utf-8")
    return table


def test_a_plain_table_of_a_user(tmp_path: Path) -> None:
    text = "path,start_s,end_s,work_id\nshow/a.mp3,10,70.5,w1\nshow/a.mp3,80,90,\nquiet.wav,,,\n"
    first, second = read_truth([write(tmp_path, text, "show/a.mp3", "quiet.wav")])
    assert (first.name, second.name) == ("a", "quiet")
    assert first.rows == (Played("a", 10, 70.5, "cover", "w1"), Played("a", 80, 90, "foreign"))
    assert second.rows == ()


def test_programmes_of_two_tables_with_one_name_stay_apart(tmp_path: Path) -> None:
    text = "path,start_s,end_s,work_id,kind\na.wav,0,5,,speech\n"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, text, "a.wav")
    found = read_truth([tmp_path / "one" / "truth.csv", tmp_path / "two" / "truth.csv"])
    assert [p.name for p in found] == ["a", "two/a"]
    assert [p.rows[0].programme for p in found] == ["a", "two/a"]


def test_covers_of_works_out_of_the_catalogue_are_foreign(tmp_path: Path) -> None:
    text = "path,start_s,end_s,work_id\na.wav,0,5,w1\na.wav,5,9,w2\n"
    (programme,), strangers = without_strangers(read_truth([write(tmp_path, text, "a.wav")]), {"w2"})
    assert strangers == 1
    assert [(r.kind, r.work_id) for r in programme.rows] == [("foreign", ""), ("cover", "w2")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,start_s\na.wav,1\n", "no column 'end_s'"),
        ("path,start_s,end_s\n", "has no rows"),
        ("path,start_s,end_s,work_id\nb.wav,0,1,w\n", "line 2: b.wav is not a file"),
        ("path,start_s,end_s,work_id\na.wav,5,1,w\n", "line 2: it ends"),
        ("path,start_s,end_s,work_id\na.wav,x,1,w\n", "line 2: 'x' is not a time"),
        ("path,start_s,end_s,work_id\na.wav,0,nan,w\n", "line 2: 'nan' is not a time"),
        ("path,start_s,end_s,kind\na.wav,0,1,opera\n", "line 2: kind is 'opera'"),
        ("path,start_s,end_s,kind\na.wav,0,1,cover\n", "line 2: a cover needs a work_id"),
        ("path,start_s,end_s\n,0,1\n", "line 2: path is empty"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_truth([write(tmp_path, text, "a.wav")])
