"""The arranger, the synthesizer and the simulated talk: properties of notes and of sound."""

from dataclasses import replace

import numpy as np
import pytest

from recognizer.demo.arrange import Style, arrange
from recognizer.demo.backing import PATTERNS, bass_line, chord_pattern, drum_pattern
from recognizer.demo.songbook import CATALOGUE, UNKNOWN
from recognizer.demo.synth import RATE_HZ, Audio, Note, render
from recognizer.demo.talk import applause, simulated_talk
from recognizer.demo.tunes import Chord
from recognizer.demo.voices import VOICES
from recognizer.errors import UsageError

ODE = next(tune for tune in CATALOGUE if tune.work_id == "ode-to-joy")


def _lead(style: Style, seconds: float = 20.0) -> list[Note]:
    return [note for note in arrange(ODE, style, seconds) if note.voice == style.lead]


def _pitch_hz(audio: Audio) -> float:
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 1 << 18))
    return float(np.argmax(spectrum) * RATE_HZ / (1 << 18))


def test_the_same_arguments_give_the_same_music_and_another_seed_another() -> None:
    style = Style(seed=3, drums=True, ornaments=0.5)
    assert arrange(ODE, style, 10) == arrange(ODE, style, 10) != arrange(ODE, replace(style, seed=4), 10)
    notes = arrange(ODE, style, 6)
    assert np.array_equal(render(notes, seed=1), render(notes, seed=1))


def test_transposition_moves_every_pitch() -> None:
    plain, moved = _lead(Style(lead="flute")), _lead(Style(lead="flute", semitones=-5))
    assert [note.midi - 5 for note in plain] == [note.midi for note in moved]


def test_a_faster_tempo_shortens_every_note() -> None:
    plain, fast = _lead(Style(lead="flute", rubato=0), 16), _lead(Style(lead="flute", rubato=0, tempo=1.25), 16)
    assert fast[8].start_s / plain[8].start_s == pytest.approx(0.8, rel=0.02)


@pytest.mark.parametrize("tune", (*CATALOGUE, *UNKNOWN), ids=lambda tune: tune.work_id)
@pytest.mark.parametrize("seconds", [25.0, 60.0])
def test_every_tune_fills_the_time_asked_for(tune: object, seconds: float) -> None:
    notes = arrange(tune, Style(lead="flute", intro_bars=2, reharmonise=True), seconds)  # type: ignore[arg-type]
    end_s = max(note.start_s + note.duration_s for note in notes)
    assert seconds * 0.7 < end_s < seconds * 1.35 + 2
    lead = sorted(note.start_s for note in notes if note.voice == "flute")
    assert max(np.diff(lead)) < 8, "the melody never pauses for long"
    assert lead[-1] > end_s * 0.75, "the melody goes on to the end"


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(("length", "pulse"), [(4.0, 1.0), (3.0, 1.0), (2.0, 1.0), (1.5, 1.5), (3.0, 1.5)])
def test_accompaniment_stays_in_the_chord_and_in_its_time(pattern: str, length: float, pulse: float) -> None:
    chord = Chord(7, (0, 4, 7))
    events = list(chord_pattern(pattern, chord, length, pulse))
    assert all((midi - 7) % 12 in (0, 4, 7) and 48 <= midi <= 66 for _, _, midi, _ in events)
    assert all(0 <= at < length for at, _, _, _ in events)
    assert events or pattern == "waltz"
    for name in ("root", "walking"):
        assert all(28 <= midi <= 60 and 0 <= at < length for at, _, midi, _ in bass_line(name, chord, length, pulse))
    assert all(0 <= at < length for at, _, _ in drum_pattern(length, pulse))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="accompaniment 'polka'"):
        list(chord_pattern("polka", Chord(0, (0, 4, 7)), 4, 1))
    with pytest.raises(UsageError, match="bass pattern 'slap'"):
        list(bass_line("slap", Chord(0, (0, 4, 7)), 4, 1))
    with pytest.raises(UsageError, match="voice 'kazoo'"):
        render([Note(0, 1, 60, 1, "kazoo")])
    with pytest.raises(UsageError, match="no note"):
        render([])


@pytest.mark.parametrize("voice", sorted(VOICES))
def test_every_voice_sounds_at_its_pitch(voice: str) -> None:
    audio = render([Note(0, 1.0, 57, 0.8, voice)], wet=0.0)[: RATE_HZ // 2]
    found = _pitch_hz(audio)
    harmonic = round(found / 220)
    assert harmonic >= 1
    assert abs(1200 * np.log2(found / (220 * harmonic))) < 25
    assert np.abs(audio).max() < 1


def test_sound_begins_and_ends_with_the_note() -> None:
    audio = render([Note(0.5, 0.5, 69, 0.8, "organ")], wet=0.0)
    energy = np.square(audio.reshape(-1, RATE_HZ // 100)).mean(axis=1)
    heard = np.flatnonzero(energy > energy.max() / 100)
    assert heard[0] == 50
    assert 98 <= heard[-1] <= 120


def test_talk_has_pauses_and_a_moving_pitch_and_is_determined_by_its_seed() -> None:
    talk = simulated_talk(8, seed=1)
    assert len(talk) == 8 * RATE_HZ
    assert np.array_equal(talk, simulated_talk(8, seed=1))
    assert not np.array_equal(talk, simulated_talk(8, seed=2))
    energy = np.square(talk.reshape(-1, RATE_HZ // 50)).mean(axis=1)
    assert 0.2 < np.mean(energy < energy.mean() / 10) < 0.7
    assert np.abs(talk).max() < 1
    claps = applause(3, seed=1)
    assert len(claps) == 3 * RATE_HZ and 0.05 < np.sqrt(np.mean(claps**2)) < 0.2
