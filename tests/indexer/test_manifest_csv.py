"""The user's table: what is understood, what is refused and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.manifest_csv import Entry, guard, read_manifest, unguard, write_manifest
from recognizer.errors import UsageError
from tests.recognizer.catalogue.builders import made_up


def table(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_reads_every_column_and_only_path_is_needed(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "title,path,note,work_id,artist,isrc,iswc\n"
        '"A ""quoted"", title",a.mp3,ignored,w1,Ann,us-rc1-76-07839,T-034.524.680-1\n'
        "\n"
        ",/abs/b.mp3\n",
    )
    assert read_manifest(path) == [
        Entry(tmp_path / "a.mp3", "w1", 'A "quoted", title', "Ann", "USRC17607839", "T0345246801"),
        Entry(Path("/abs/b.mp3")),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfpath,title\r\na.mp3,\xc3\xa9\r\n",  # as spreadsheets save it
        "path;title\na.mp3;é\n",
        "path\ttitle\na.mp3\té\n",
        "PATH , Title\n a.mp3 , é \n",
    ],
)
def test_what_spreadsheets_write_is_understood(tmp_path: Path, content: str | bytes) -> None:
    assert read_manifest(table(tmp_path, content)) == [Entry(tmp_path / "a.mp3", title="é")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "no column 'path' in its first line (seen: nothing)"),
        ("title,artist\nx,y\n", "no column 'path' in its first line (seen: title, artist)"),
        ("path,title,title\n", "has the column 'title' twice"),
        ("path,title\na.mp3,x\n,y\n", "line 3: path is empty"),
        ("path,title\na.mp3,x,y\n", "line 2: 3 cells, expected 2"),
        ("path\na.mp3\nb.mp3\na.mp3\n", "line 4: path 'a.mp3' is in line 2 already"),
        ("path,isrc\na.mp3,12\n", "line 2: isrc '12' is not one; expected like USRC17607839"),
        ("path,iswc\na.mp3,12\n", "line 2: iswc '12' is not one; expected like T-034.524.680-1"),
        ('path,title\na.mp3,"open\n', "unexpected end of data"),
        ('path,title\na.mp3,"x"y\n', "line 2: ',' expected after '\"'"),
        (b"path,title\na.mp3,x\nb.mp3,\xe9\n", "line 3, is not UTF-8; save it as CSV UTF-8"),
        ("path\na\0.mp3\n", "line 2"),
        ("path\n" + "x" * 200_000 + "\n", "field larger than field limit"),
        ("path\n" + "x" * 9_000 + "\n", "line 2: path is impossible"),
        ("path,isrc\n" + "".join(f"{n}.mp3,bad\n" for n in range(9)), "(and 4 more)"),
    ],
)
def test_errors_say_where(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_manifest(table(tmp_path, content))
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 1000 and "\n" not in str(caught.value)


def test_text_is_cleaned(tmp_path: Path) -> None:
    (entry,) = read_manifest(table(tmp_path, 'path,title,artist\na.mp3,"a\nb\x1b[31m",\u202eevil\n'))
    assert (entry.title, entry.artist) == ("a b[31m", "evil")


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@SUM(A1)", "'=x", "''=x", "'Round Midnight", "''", "'", "", "plain", "a=b", "1-2", "\tx"],
)
def test_formulas_are_guarded_and_come_back_as_they_were(cell: str) -> None:
    assert unguard(guard(cell)) == cell
    assert guard(cell)[:1] not in ("=", "+", "-", "@", "\t", "\r")


def test_a_list_written_as_a_table_is_read_back(tmp_path: Path) -> None:
    titles = ['=HYPERLINK("http://x")', "'=x", "-1", 'A, "b"', "plain"]
    tracks = [
        made_up(n, title=title, artist="@home", work_id="=w", isrc="USRC17607839")[0] for n, title in enumerate(titles)
    ]
    text = write_manifest(tracks)
    assert ",=HYPERLINK" not in text and ',"=' not in text
    entries = read_manifest(table(tmp_path, text))
    assert [entry.title for entry in entries] == titles
    assert {(e.artist, e.work_id, e.isrc) for e in entries} == {("@home", "=w", "USRC17607839")}
    assert [entry.path for entry in entries] == [Path(f"/music/{n}.mp3") for n in range(5)]
