"""Windows as a live feed has them just after a song has begun: partly the song, partly what was on before.

Two kinds of view, each for all works of a group alike so that the kind says nothing about the work:

- *recent*: the last ten seconds twice. The network's second output hears them alone (`models.nets.recognizer`); in a
  batch of views of one length they come twice, since a window half empty looks like no music that was ever learned.
- *begun*: the window's beginning is other music. It is a neighbour's view played backwards in another key: as dense
  and as tonal as what follows, but no work of the batch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.data.hear import FPS

_LATEST_S, _EARLIEST_S = 4, 10


def interrupt(views: npt.NDArray[np.uint8], recent: float, begun: float, rng: np.random.Generator) -> None:
    """Turn a group's second views into *recent* or *begun* ones now and then, in place.

    Parameters
    ----------
    views : uint8 array, shape (works, frames, bins)
        One view of each work of a group.
    recent, begun : float
        Probability of either kind.
    """
    kind, half = rng.random(), views.shape[1] // 2
    if kind < recent:
        views[:, :half] = views[:, -half:]
    elif kind < recent + begun:
        shift = int(rng.integers(-6, 7))
        others = np.roll(np.roll(views, 1, axis=0)[:, ::-1], shift, axis=2)
        for view, other in zip(views, others, strict=True):
            begins = int(rng.integers(_LATEST_S * FPS, _EARLIEST_S * FPS + 1))
            view[:begins] = other[:begins]
