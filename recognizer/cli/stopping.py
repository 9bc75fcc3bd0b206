"""Ctrl-C as the end of a source rather than of the program: what was open is closed before it leaves."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from types import FrameType

from recognizer.timeline import SourceEnd, SourceItem, SourceState


class Stopping:
    """Passes items through until Ctrl-C or SIGTERM, and then ends the source where it is.

    The signal breaks into the wait for the next item, never into what is done with one. A second one ends the
    program at once.
    """

    def __init__(self) -> None:
        self._waiting = False
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background job
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again, self._asked = self._asked, True
        if self._waiting or again:
            raise KeyboardInterrupt

    def items(self, source: Iterable[SourceItem]) -> Iterator[SourceItem]:
        """The items of ``source``, and an end when it was broken off."""
        position = 0
        waiting = iter(source)
        while True:
            try:
                self._waiting = True
                if self._asked:
                    break
                item = next(waiting)
            except StopIteration:
                return
            except KeyboardInterrupt:
                break
            finally:
                self._waiting = False
            position = item.at_sample if isinstance(item, SourceState | SourceEnd) else item.end_sample
            yield item
        yield SourceEnd(position, "interrupted")
