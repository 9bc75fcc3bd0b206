from dataclasses import replace
from fractions import Fraction

import pytest

from recognizer.demo.songbook import CATALOGUE, UNKNOWN
from recognizer.demo.tunes import Chord, Tune, key_signature, parse_chord
from recognizer.errors import UsageError

ALL = (*CATALOGUE, *UNKNOWN)


def _tune(text: str, **changes: object) -> Tune:
    plain = Tune("t", "T", "traditional", "C", (4, 4), Fraction(1), 100, {"A": text}, "A")
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_there_are_enough_tunes_and_no_unknown_one_is_in_the_catalogue() -> None:
    assert len(CATALOGUE) >= 12
    assert len(UNKNOWN) >= 4
    assert len({tune.work_id for tune in ALL}) == len(ALL) == len({tune.title for tune in ALL})


@pytest.mark.parametrize("tune", ALL, ids=lambda tune: tune.work_id)
def test_every_tune_parses_and_its_bars_add_up(tune: Tune) -> None:
    assert sum(section.bars for section in tune.sections.values()) >= 8
    assert set(tune.form) == set(tune.sections)
    for section in tune.sections.values():
        length = section.bars * tune.bar_crotchets
        assert section.chords[0][0] <= 0
        assert all(-tune.bar_crotchets < note.start < length for note in section.notes)
        assert all(note.start + note.length <= length for note in section.notes)
        for one, two in zip(section.notes, section.notes[1:], strict=False):
            assert one.start + one.length <= two.start, "a melody has one voice"
        assert all(50 <= note.midi <= 90 for note in section.notes)


@pytest.mark.parametrize(
    ("work_id", "opening"),
    [
        ("greensleeves", [0, 3, 5, 7, 9, 7, 5, 2, -2, 0, 2, 3, 0, 0, -1, 0, 2, -1, -5]),
        ("ode-to-joy", [0, 0, 1, 3, 3, 1, 0, -2, -4, -4, -2, 0, 0, -2, -2]),
        ("amazing-grace", [0, 5, 9, 5, 9, 7, 5, 2, 0]),
        ("auld-lang-syne", [0, 5, 5, 5, 9, 7, 5, 7, 9, 5, 5, 9, 12, 14]),
        ("korobeiniki", [0, -5, -4, -2, -4, -5, -7, -7, -4, 0, -2, -4, -5]),
        ("silent-night", [0, 2, 0, -3, 0, 2, 0, -3, 7, 7, 4, 5, 5, 0]),
        ("minuet-in-g", [0, -7, -5, -3, -2, 0, -7, -7, 2, -2, 0, 2, 4, 5, -7, -7]),
        ("fur-elise", [0, -1, 0, -1, 0, -5, -2, -4, -7, -16, -12, -7, -5]),
        ("mountain-king", [0, 2, 3, 5, 7, 3, 7, 6, 2, 6, 5, 1, 5]),
    ],
)
def test_melodies_open_as_everybody_knows_them(work_id: str, opening: list[int]) -> None:
    tune = next(tune for tune in ALL if tune.work_id == work_id)
    notes = tune.sections[tune.form[0]].notes[: len(opening)]
    assert [note.midi - notes[0].midi for note in notes] == opening


def test_notation() -> None:
    section = _tune("G, | [C] C c/ c' ^f3/2- | f' z3", key="G", texts={"A": "G | [C] C c/ c'/ ^d z | [Am] A4- | A2 z2"})
    notes = section.sections["A"].notes
    assert [(n.start, n.length, n.midi) for n in notes] == [
        (-1, 1, 67),
        (0, 1, 60),
        (1, Fraction(1, 2), 72),
        (Fraction(3, 2), Fraction(1, 2), 84),
        (2, 1, 75),
        (4, 6, 69),
    ]
    assert section.sections["A"].chords == ((0, Chord(0, (0, 4, 7))), (4, Chord(9, (0, 3, 7))))
    assert section.sections["A"].bars == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[C] C4 | C C C", r"bar 2 \(C C C\): 3 crotchets were found, expected 4"),
        ("[C] C4 | C C C C C", "5 crotchets were found, expected 4"),
        ("[C] C4 | H4", "'H' is not notation"),
        ("[Cmaj9] C4", "chord 'Cmaj9' was found"),
        ("[C] C4- | D4", "a tie joins pitches 60 and 62"),
    ],
)
def test_wrong_notation_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _ = _tune(text).sections


def test_keys_and_chords() -> None:
    assert key_signature("D") == {"F": 1, "C": 1}
    assert key_signature("Bb") == {"B": -1, "E": -1}
    assert key_signature("Em") == {"F": 1}
    assert key_signature("Ddor") == {}
    with pytest.raises(UsageError, match="key 'H'"):
        key_signature("H")
    assert parse_chord("F#7") == Chord(6, (0, 4, 7, 10))
    assert parse_chord("Bbm").minor
