"""Compressed and plain MusicXML to `Score` (pitches, ties, chords, voices, tempo; nothing engraved)."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from models.data.score import MELODY, OTHER, Score, make_score, skyline

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_BIGGEST_XML_BYTES = 64 * 2**20


def read_musicxml(path: Path) -> Score:
    """Notes of a partwise score in beats; the melody is the skyline of the first part (the singer, the soprano).

    Raises
    ------
    ValueError
        When the file is not partwise MusicXML or holds no note.
    """
    try:
        root = ElementTree.fromstring(_xml(path))
    except (OSError, KeyError, zipfile.BadZipFile, ElementTree.ParseError) as error:
        raise ValueError(f"{path}: not a readable MusicXML file ({error})") from error
    rows: list[tuple[float, float, int, int]] = []
    tempi: list[float] = []
    for number, part in enumerate(root.iterfind("part")):
        rows += [(*note, number) for note in _part_notes(part, tempi)]
    if not rows:
        raise ValueError(f"{path}: no note in any part")
    rows.sort()
    bpm = tempi[0] if tempi else 100.0
    score = make_score(
        [r[0] for r in rows],
        [r[1] for r in rows],
        [r[2] for r in rows],
        [OTHER] * len(rows),
        min(max(60.0 / bpm, 0.2), 2.0),
    )
    parts = np.array([r[3] for r in rows])
    role = skyline(score, parts == parts.min())
    if not (role == MELODY).any():
        raise ValueError(f"{path}: no melody note")
    return Score(score.onset, score.duration, score.pitch, role, score.beat_s)


def _xml(path: Path) -> bytes:
    if path.suffix.lower() != ".mxl":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
        name = next((e.get("full-path") for e in container.iter() if e.tag.endswith("rootfile")), None)
        if name is None or archive.getinfo(name).file_size > _BIGGEST_XML_BYTES:
            raise ValueError(f"{path}: no score inside, or one that is too big")
        return archive.read(name)


def _part_notes(part: ElementTree.Element, tempi: list[float]) -> list[tuple[float, float, int]]:
    """(onset, duration, pitch) of one part in beats; ties joined, grace notes dropped."""
    divisions, transpose = 1.0, 0
    now = measure_start = furthest = onset = 0.0
    notes: list[list[float]] = []
    tied: dict[int, int] = {}
    for measure in part.iterfind("measure"):
        now = measure_start = furthest
        for element in measure:
            if element.tag == "attributes":
                divisions = float(element.findtext("divisions") or divisions)
                transpose = int(element.findtext("transpose/chromatic") or transpose)
            elif element.tag == "backup":
                now -= float(element.findtext("duration") or 0) / divisions
            elif element.tag == "forward":
                now += float(element.findtext("duration") or 0) / divisions
            elif element.tag in ("direction", "sound"):
                tempi += [float(s.get("tempo", "0")) for s in element.iter("sound") if float(s.get("tempo") or 0) > 0]
            elif element.tag == "note" and element.find("grace") is None:
                length = float(element.findtext("duration") or 0) / divisions
                chord = element.find("chord") is not None
                onset = onset if chord else now
                now = now if chord else now + length
                pitch = _pitch(element.find("pitch"))
                if pitch is not None and length > 0:
                    _add(notes, tied, element, onset, length, pitch + transpose)
            furthest = max(furthest, now)
        now = max(now, measure_start)
    return [(n[0], n[1], int(n[2])) for n in notes if 0 <= n[2] <= 127]


def _add(
    notes: list[list[float]], tied: dict[int, int], note: ElementTree.Element, onset: float, length: float, pitch: int
) -> None:
    """Append a note, or lengthen the one it is tied to."""
    kinds = {tie.get("type") for tie in note.iterfind("tie")}
    before = tied.pop(pitch, None) if "stop" in kinds else None
    if before is not None:
        notes[before][1] += length
    else:
        before = len(notes)
        notes.append([onset, length, pitch])
    if "start" in kinds:
        tied[pitch] = before


def _pitch(element: ElementTree.Element | None) -> int | None:
    if element is None:
        return None
    step, octave = element.findtext("step"), element.findtext("octave")
    if step not in _STEPS or octave is None:
        return None
    return 12 * (int(octave) + 1) + _STEPS[step] + round(float(element.findtext("alter") or 0))
