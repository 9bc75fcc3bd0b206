"""The demo's catalogue and broadcast, and the truth about what is on air when.

The catalogue holds one recording per tune. The programme plays other versions of some of them, between talk, applause,
silence and tunes that the catalogue does not hold::

    talk | cover | clapping | unknown | silence | cover, talked over at first | talk |
    cover, fading into the next | cover | talk | silence | unknown | clapping | cover | talk | silence
"""

from __future__ import annotations

import csv
import wave
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from recognizer.demo.arrange import Style, arrange
from recognizer.demo.songbook import CATALOGUE, UNKNOWN
from recognizer.demo.synth import RATE_HZ, Audio, render
from recognizer.demo.talk import applause, simulated_talk
from recognizer.demo.tunes import Tune

REFERENCE_S = 62.0
_AUDIBLE = 0.01  # of full scale: what counts as the last sound of a piece

# How the catalogue plays each tune: plainly, as written.
_REFERENCE_STYLES = {
    "greensleeves": Style(lead="guitar", backing="guitar", pattern="arpeggio", tempo=0.9),
    "scarborough-fair": Style(lead="singer", backing="guitar", pattern="arpeggio", octave=0),
    "ode-to-joy": Style(lead="strings", backing="strings", bass="bowed-bass", pattern="block"),
    "amazing-grace": Style(lead="singer", backing="organ", pattern="pad"),
    "auld-lang-syne": Style(lead="accordion", backing="guitar", pattern="strum"),
    "korobeiniki": Style(lead="accordion", backing="piano", pattern="waltz"),
    "minuet-in-g": Style(lead="harpsichord", backing="harpsichord", bass="", pattern="block"),
    "londonderry-air": Style(lead="violin", backing="harp", pattern="arpeggio"),
    "oh-susanna": Style(lead="flute", backing="guitar", pattern="strum", octave=1),
    "silent-night": Style(lead="singer", backing="guitar", pattern="arpeggio"),
    "god-rest-ye-merry": Style(lead="brass", backing="organ", pattern="pad"),
    "fur-elise": Style(lead="piano", backing="piano", bass="", pattern="alberti"),
}


@dataclass(frozen=True, slots=True)
class Planted:
    """One cover in the programme.

    Attributes
    ----------
    work_id, title : str
    start_s, end_s : float
        When it sounds, from the start of the programme.
    transpose_semitones : int
        From the catalogue's recording to the cover; positive is higher.
    tempo_ratio : float
        Tempo of the cover over tempo of the catalogue's recording; above 1 is faster.
    """

    work_id: str
    title: str
    start_s: float
    end_s: float
    transpose_semitones: int
    tempo_ratio: float


@dataclass(frozen=True, slots=True)
class DemoMaterial:
    """Files written by `write_demo`."""

    catalogue_csv: Path
    catalogue_files: tuple[Path, ...]
    programme_wav: Path
    truth_csv: Path


@dataclass(frozen=True, slots=True)
class Programme:
    """The broadcast as float32 mono audio at `RATE_HZ`, and what is planted in it."""

    audio: Audio
    planted: tuple[Planted, ...]


class _Desk:
    """A mixing desk: pieces are put on air one after another, or over one another."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, Audio]] = []
        self.planted: list[Planted] = []
        self.now_s = 0.0

    def play(self, audio: Audio, *, before_s: float = 0.0, gain: float = 1.0, move: bool = True) -> float:
        """Start ``audio`` ``before_s`` before the last piece ends; returns its start."""
        start_s = max(0.0, self.now_s - before_s)
        self.parts.append((round(start_s * RATE_HZ), audio * np.float32(gain)))
        if move:
            self.now_s = start_s + len(audio) / RATE_HZ
        return start_s

    def silence(self, seconds: float) -> None:
        """Leave the air empty."""
        self.now_s += seconds

    def cover(self, work_id: str, style: Style, seconds: float, *, before_s: float = 0.0) -> float:
        """Play a tune of the catalogue in another style and note the truth; returns its start."""
        tune = next(tune for tune in CATALOGUE if tune.work_id == work_id)
        audio = _performance(tune, style, seconds)
        if before_s:
            audio = faded(audio, in_s=before_s)
        start_s = self.play(audio, before_s=before_s)
        reference = _REFERENCE_STYLES[work_id]
        semitones = style.semitones - reference.semitones
        ratio = round(style.tempo / reference.tempo, 3)
        end_s = round(self.now_s, 2)
        self.planted.append(Planted(work_id, tune.title, round(start_s, 2), end_s, semitones, ratio))
        return start_s

    def mixed(self) -> Audio:
        """Everything on air, as one piece of audio."""
        length = max(round(self.now_s * RATE_HZ), max(start + len(audio) for start, audio in self.parts))
        mix = np.zeros(length, dtype=np.float32)
        for start, audio in self.parts:
            mix[start : start + len(audio)] += audio
        return np.asarray(np.tanh(mix), dtype=np.float32)


def faded(audio: Audio, *, in_s: float = 0.0, out_s: float = 0.0) -> Audio:
    """Audio with linear fades at its ends."""
    time = np.arange(len(audio)) / RATE_HZ
    shape = np.ones(len(audio))
    if in_s:
        shape *= np.minimum(1, time / in_s)
    if out_s:
        shape *= np.minimum(1, time[::-1] / out_s)
    return (audio * shape).astype(np.float32)


def _performance(tune: Tune, style: Style, seconds: float) -> Audio:
    audio = render(arrange(tune, style, seconds), seed=style.seed)
    heard = np.flatnonzero(np.abs(audio) > _AUDIBLE)
    return audio[heard[0] : heard[-1]]


def reference_audio(tune: Tune, seconds: float = REFERENCE_S) -> Audio:
    """The catalogue's recording of a tune, float32 mono at `RATE_HZ`."""
    return _performance(tune, _REFERENCE_STYLES[tune.work_id], seconds)


def programme(seed: int = 1) -> Programme:
    """The broadcast, about five minutes; ``seed`` varies the performances, not the order of events."""
    desk = _Desk()
    unknown = {tune.work_id: tune for tune in UNKNOWN}
    desk.play(simulated_talk(5, seed=seed))
    desk.cover(
        "korobeiniki",
        Style(-3, 0.9, "strings", "piano", "bowed-bass", pattern="block", octave=-1, ornaments=0.1, seed=seed),
        42,
    )
    desk.play(applause(5, seed=seed), before_s=0.5)
    style = Style(2, 1.0, "clarinet", "guitar", pattern="strum", seed=seed + 1)
    desk.play(_performance(unknown["jingle-bells"], style, 24))
    desk.silence(5)
    style = Style(5, 1.0, "flute", "strings", "bass", 0, "pad", intro_bars=4, ornaments=0.2, form="ABAB", seed=seed + 2)
    start_s = desk.cover("greensleeves", style, 44)
    back_s = desk.now_s - start_s - 0.5
    desk.play(simulated_talk(4, seed=seed + 3, pitch_hz=195), before_s=back_s, gain=0.6, move=False)
    desk.play(simulated_talk(8, seed=seed + 4, pitch_hz=195))
    style = Style(2, 1.1, "brass", "accordion", "bass", 0, "waltz", "walking", True, rubato=0.01, seed=seed + 5)
    desk.cover("ode-to-joy", style, 42)
    style = Style(-4, 0.92, "piano", "piano", "", 0, "arpeggio", reharmonise=True, rubato=0.04, seed=seed + 6)
    desk.cover("londonderry-air", style, 38, before_s=3.0)
    desk.play(simulated_talk(7, seed=seed + 7))
    desk.silence(3)
    style = Style(-2, 1.0, "harp", "strings", "", 0, "pad", seed=seed + 8)
    desk.play(_performance(unknown["sakura"], style, 26))
    desk.play(applause(4, seed=seed + 9), before_s=0.5)
    style = Style(4, 0.88, "singer", "guitar", "bass", -1, "strum", drums=True, seed=seed + 10)
    desk.cover("god-rest-ye-merry", style, 42)
    desk.play(simulated_talk(6, seed=seed + 11))
    desk.silence(4)
    return Programme(desk.mixed(), tuple(desk.planted))


def write_demo(folder: Path, seed: int = 1, on_progress: Callable[[str], None] | None = None) -> DemoMaterial:
    """Write the catalogue's recordings, the programme and the truth.

    Parameters
    ----------
    folder : Path
        Created when missing.
    seed : int
        See `programme`.
    on_progress : callable
        Told the title of each piece as it is begun.

    Returns
    -------
    DemoMaterial
        ``catalogue_csv`` has the columns ``indexer add --manifest`` reads; ``truth_csv`` those of `Planted`.
    """
    tell = on_progress or (lambda title: None)
    recordings = folder / "catalogue"
    recordings.mkdir(parents=True, exist_ok=True)
    files = []
    for tune in CATALOGUE:
        tell(tune.title)
        files.append(recordings / f"{tune.work_id}.wav")
        write_wav(files[-1], reference_audio(tune))
    tell("the programme")
    broadcast = programme(seed)
    programme_wav, truth_csv = folder / "programme.wav", folder / "truth.csv"
    write_wav(programme_wav, broadcast.audio)
    _write_csv(truth_csv, [field.name for field in fields(Planted)], [asdict(p) for p in broadcast.planted])
    rows: list[dict[str, object]] = [
        {"path": f"catalogue/{file.name}", "work_id": tune.work_id, "title": tune.title, "artist": _artist(tune.origin)}
        for file, tune in zip(files, CATALOGUE, strict=True)
    ]
    catalogue_csv = folder / "catalogue.csv"
    _write_csv(catalogue_csv, ["path", "work_id", "title", "artist", "isrc", "iswc"], rows)
    return DemoMaterial(catalogue_csv, tuple(files), programme_wav, truth_csv)


def read_truth(path: Path) -> tuple[Planted, ...]:
    """Read a truth file written by `write_demo`."""
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Planted(
                row["work_id"],
                row["title"],
                float(row["start_s"]),
                float(row["end_s"]),
                int(row["transpose_semitones"]),
                float(row["tempo_ratio"]),
            )
            for row in csv.DictReader(file)
        )


def write_wav(path: Path, audio: Audio) -> None:
    """Write float32 mono audio as a 16-bit WAV at `RATE_HZ`."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((np.clip(audio, -1, 1) * 32767).astype("<i2").tobytes())


def _artist(origin: str) -> str:
    """The composer; a traditional tune has nobody to name."""
    return origin.partition(" (")[0] if " (" in origin else ""


def _write_csv(path: Path, columns: list[str], rows: Iterable[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
