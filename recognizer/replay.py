"""A source through one line without Redis: how files are identified and how `recognizer listen` works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from recognizer.catalogue import CatalogueView
from recognizer.events import Event
from recognizer.pipeline import FeedLine
from recognizer.reference import StepEmbedder
from recognizer.step import StepInput, StepOutput
from recognizer.timeline import AudioChunk, Pcm16, SourceEnd, SourceItem


def events_of(
    line: FeedLine,
    items: Iterable[SourceItem],
    embedder: StepEmbedder,
    view: CatalogueView,
    on_step: Callable[[StepInput, StepOutput], None] | None = None,
) -> Iterator[Event]:
    """Run ``items`` through ``line`` as they come; events are numbered from 1 in ``data.seq``.

    ``on_step`` sees every step after the line has decided on it.
    """
    seq = 0
    for item in items:
        line.push(item)
        while (step := line.next_step()) is not None:
            output = embedder.run([step])[0]
            line.accept(output, view)
            if on_step is not None:
                on_step(step, output)
        for event in line.take_events():
            seq += 1
            event["data"]["seq"] = seq
            yield event


def file_items(blocks: Iterable[Pcm16]) -> Iterator[SourceItem]:
    """A decoded recording as source items, with its end."""
    position = 0
    for block in blocks:
        yield AudioChunk(0, position, block)
        position += len(block)
    yield SourceEnd(position, "end of the source")
