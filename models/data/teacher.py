"""Basic Pitch as a teacher: note posteriors of real or rendered audio, on this project's salience grid.

The network ships inside the ``basic-pitch`` package (``nmp.onnx``, Apache-2.0); only its file is used, for training.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from models.data.hear import BINS, FPS, LOWEST_PITCH, Roll

RATE_HZ = 22050
_WINDOW_SAMPLES = 43844
_HOP_SAMPLES = 256
_DROPPED_FRAMES = 15  # at either end of a window, where the convolutions see padding
_FIRST_PITCH = 21
_BATCH = 8


class Teacher:
    """Note posteriors from a Basic Pitch ONNX file.

    Parameters
    ----------
    path
        ``nmp.onnx`` of the basic-pitch package.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        # Of the three outputs the note posterior is the 88-bin one whose name sorts first; see the package's card.
        names = sorted(o.name for o in self._session.get_outputs() if o.shape[-1] == 88)
        self._note = names[0]
        if len(names) != 2:
            raise ValueError(f"{path}: {len(names)} outputs with 88 bins, expected 2 (notes and onsets)")
        self._onset = names[1]

    def salience(self, pcm: npt.NDArray[np.float32]) -> Roll:
        """Mean note posterior per frame of the salience grid.

        Parameters
        ----------
        pcm : float32 array, shape (samples,)
            Mono audio at `RATE_HZ`.

        Returns
        -------
        float32 array, shape (floor(seconds * FPS), BINS)
        """
        frames = int(len(pcm) / RATE_HZ * FPS)
        total, count = np.zeros((frames, BINS)), np.zeros((frames, 1))
        keep = slice(_DROPPED_FRAMES, -_DROPPED_FRAMES)
        lead = _DROPPED_FRAMES * _HOP_SAMPLES
        step = _WINDOW_SAMPLES - 2 * lead
        starts = np.arange(-lead, len(pcm), step)
        padded = np.pad(pcm, (lead, _WINDOW_SAMPLES + step))
        for first in range(0, len(starts), _BATCH):
            group = starts[first : first + _BATCH]
            windows = np.stack([padded[s + lead : s + lead + _WINDOW_SAMPLES] for s in group])[..., None]
            notes = self._session.run([self._note], {self._input: windows.astype(np.float32)})[0]
            for start, note in zip(group, notes[:, keep], strict=True):
                centre = start + (np.arange(_DROPPED_FRAMES, _DROPPED_FRAMES + len(note)) + 0.5) * _HOP_SAMPLES
                frame = np.floor(centre / RATE_HZ * FPS).astype(np.int64)
                inside = (frame >= 0) & (frame < frames)
                low = LOWEST_PITCH - _FIRST_PITCH
                np.add.at(total, frame[inside], note[inside, low : low + BINS])
                np.add.at(count, frame[inside], 1.0)
        return np.asarray(total / np.maximum(count, 1), np.float32)
