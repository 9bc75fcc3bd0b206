"""Sounds of which every note is one bin."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.heard.sounds import DRUMS, FLOOR, LEAD_FRAMES, NOTE_FRAMES, PITCHES, PROGRAMS, Sounds
from models.heard.spectra import BINS, PER_SEMITONE

LOWEST = 24  # MIDI number of the first bin's semitone


def pure_tones(fonts: int = 1) -> Sounds:
    """Every note is one bin, its own, that sounds from the onset on and fades; drums are a band of high bins."""
    tones = np.zeros((fonts, len(PROGRAMS), len(PITCHES), NOTE_FRAMES, BINS), np.uint8)
    fading = (FLOOR - np.arange(NOTE_FRAMES - LEAD_FRAMES)).astype(np.uint8)
    for i, pitch in enumerate(PITCHES):
        tones[:, :, i, LEAD_FRAMES:, (pitch - LOWEST) * PER_SEMITONE + 1] = fading
    drums = np.zeros((fonts, len(DRUMS), NOTE_FRAMES, BINS), np.uint8)
    drums[:, :, LEAD_FRAMES : LEAD_FRAMES + 3, -30:] = FLOOR
    return Sounds(tones, drums, np.zeros(tones.shape[:3], np.float32), np.zeros(drums.shape[:2], np.float32))


def write_pure_tones(path: Path) -> None:
    sounds = pure_tones()
    np.savez_compressed(path, tones=sounds.tones, drums=sounds.drums, peak=sounds.peak, drum_peak=sounds.drum_peak)
