"""The line of one feed with the released model on real (synthesised) audio."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recognizer.catalogue import Catalogue, CatalogueView, CatalogueWriter, Track
from recognizer.embedder import Embedder
from recognizer.events import CLOSED, GAP, OPENED, STATE_CHANGED, Event, FeedClock
from recognizer.line_state import pack, unpack
from recognizer.pipeline import FeedLine
from recognizer.reference import analyse
from recognizer.released import baseline_model_path
from recognizer.search import search
from recognizer.timeline import AudioChunk, Pcm16, SourceEnd, SourceGap, SourceItem, SourceState, StreamState
from recognizer.tracker import Tracker
from tests.audio_samples import tune

RATE = 16_000
CLOCK = FeedClock("radio", RATE, 1_700_000_000_000)


def pcm(seconds: float, seed: int, transpose: int = 0) -> Pcm16:
    audio = tune(seconds, seed=seed, rate_hz=RATE, transpose_semitones=transpose)
    return (audio * 30_000).astype(np.int16)


def silence(seconds: float) -> Pcm16:
    return np.zeros(round(seconds * RATE), np.int16)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(baseline_model_path())


@pytest.fixture(scope="module")
def view(embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> CatalogueView:
    directory = tmp_path_factory.mktemp("catalogue") / "c"
    with CatalogueWriter(directory, embedder.contract, embedder.model_id) as writer:
        for seed in range(12):
            a = analyse([pcm(60, seed)], embedder)
            track = Track(
                f"r{seed}", f"w{seed}", f"Tune {seed}", "Trad.", None, None, None, f"{seed:064x}",
                a.duration_s, len(a.embeddings),
            )  # fmt: skip
            writer.add(track, a.embeddings, a.starts_s, a.pitch, a.pieces)
        writer.commit()
    return Catalogue.open(directory).view()


def programme() -> Pcm16:
    """Silence, tune 3 four semitones up, silence, a tune that is not in the catalogue."""
    return np.concatenate([silence(8), pcm(40, 3, transpose=4), silence(20), pcm(40, 77), silence(6)])


def chunks(audio: Pcm16, sizes: Iterable[int], start: int = 0) -> list[SourceItem]:
    items: list[SourceItem] = []
    position = 0
    for size in sizes:
        block = audio[position : position + size]
        if len(block):
            items.append(AudioChunk(0, start + position, block))
        position += len(block)
    if position < len(audio):
        items.append(AudioChunk(0, start + position, audio[position:]))
    return items


def drive(line: FeedLine, items: Iterable[SourceItem], embedder: Embedder, view: CatalogueView) -> list[Event]:
    events = []
    for item in items:
        line.push(item)
        while (step := line.next_step()) is not None:
            line.accept(embedder.run([step])[0], view)
        events += line.take_events()
    return events


def by_type(events: list[Event], kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["type"] == kind]


def test_a_cover_is_opened_and_closed_at_its_place_and_the_unknown_stays_unknown(
    embedder: Embedder, view: CatalogueView
) -> None:
    audio = programme()
    line = FeedLine(CLOCK, embedder.contract)
    events = drive(line, [*chunks(audio, [RATE] * 200), SourceEnd(len(audio), "end")], embedder, view)
    json.dumps(events)
    opened, closed = by_type(events, OPENED), by_type(events, CLOSED)
    assert [d["work_id"] for d in opened] == ["w3"] and len(closed) == 1
    end = closed[0]
    assert end["transpose_semitones"] == 4
    assert end["tempo_ratio"] == pytest.approx(1.0, abs=0.05)
    assert abs(end["start_ms"] - 8_000) <= 4_000 and abs(end["end_ms"] - 48_000) <= 4_000
    assert end["title"] == "Tune 3" and end["index_version"] == view.generation and end["model_id"] == embedder.model_id
    assert end["isrc"] is None and end["confidence_kind"] == "uncalibrated"
    states = [d["state"] for d in by_type(events, STATE_CHANGED)]
    assert states[0] == "silent" and "running" in states and states[-1] == "paused"
    assert line.ended and len({event["id"] for event in events}) == len(events)


def test_while_a_work_is_open_and_plays_on_decisions_are_rarer(
    embedder: Embedder, view: CatalogueView, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided_s: list[float] = []
    update = Tracker.update

    def noted(self: Tracker, now: int, *rest: Any) -> Any:
        decided_s.append(now / RATE)
        return update(self, now, *rest)

    monkeypatch.setattr(Tracker, "update", noted)
    items = [*chunks(np.concatenate([pcm(58, 3), silence(22)]), [RATE] * 100), SourceEnd(80 * RATE, "end")]
    events = drive(FeedLine(CLOCK, embedder.contract), items, embedder, view)
    assert len(by_type(events, OPENED)) == 1
    playing = [at for at in decided_s if 32 < at < 58]  # it was named before
    quiet = [at for at in decided_s if at > 62]
    assert set(np.diff(playing)) == {8.0} and set(np.diff(quiet)) == {2.0}


def test_a_source_that_cannot_be_used_ends_as_what_it_is(embedder: Embedder, view: CatalogueView) -> None:
    refused = [SourceState(StreamState.INVALID_SOURCE, 0, "no such file"), SourceEnd(0, "no such file")]
    line = FeedLine(CLOCK, embedder.contract)
    states = by_type(drive(line, refused, embedder, view), STATE_CHANGED)
    assert [(d["state"], d["detail"]) for d in states] == [("invalid_source", "no such file")]
    assert line.ended and line.status()["state"] == "invalid_source"


def test_any_chunking_gives_the_same_events(embedder: Embedder, view: CatalogueView) -> None:
    audio = programme()[: 60 * RATE]
    end = SourceEnd(len(audio), "end")
    whole = drive(FeedLine(CLOCK, embedder.contract), [AudioChunk(0, 0, audio), end], embedder, view)
    rng = np.random.default_rng(5)
    pieces = chunks(audio, rng.integers(1, 3 * RATE, size=60).tolist())
    assert drive(FeedLine(CLOCK, embedder.contract), [*pieces, end], embedder, view) == whole
    assert by_type(whole, OPENED)


def test_handing_over_at_any_moment_equals_never_stopping(embedder: Embedder, view: CatalogueView) -> None:
    audio = programme()[: 70 * RATE]
    items = [*chunks(audio, [RATE] * 200), SourceEnd(len(audio), "end")]
    expected = drive(FeedLine(CLOCK, embedder.contract), items, embedder, view)
    line = FeedLine(CLOCK, embedder.contract)
    events: list[Event] = []
    for number, item in enumerate(items):
        events += drive(line, [item], embedder, view)
        if number % 7 == 3:
            line = FeedLine(CLOCK, embedder.contract, blob=line.save())
    assert events == expected


def test_a_short_gap_is_bridged_and_a_long_one_ends_the_detection(embedder: Embedder, view: CatalogueView) -> None:
    audio = pcm(50, 5)
    first, second = audio[: 26 * RATE], audio[26 * RATE :]
    for gap_s, expected in ((2, None), (30, "gap")):
        start = (26 + gap_s) * RATE
        items = [
            *chunks(first, [RATE] * 60),
            SourceState(StreamState.RECONNECTING, 26 * RATE, "stream ended"),
            SourceGap(26 * RATE, start, "disconnected"),
            *chunks(second, [RATE] * 60, start),
        ]
        line = FeedLine(CLOCK, embedder.contract)
        events = drive(line, items, embedder, view)
        assert [(g["start_ms"], g["end_ms"]) for g in by_type(events, GAP)] == [(26_000, (26 + gap_s) * 1000)]
        assert "reconnecting" in [d["state"] for d in by_type(events, STATE_CHANGED)]
        reasons = [d["close_reason"] for d in by_type(events, CLOSED)]
        assert reasons == ([expected] if expected else [])


def test_missing_audio_becomes_a_gap_and_repeated_audio_is_heard_once(embedder: Embedder, view: CatalogueView) -> None:
    audio = pcm(12, 1)
    items = [
        AudioChunk(0, 0, audio[: 4 * RATE]),
        AudioChunk(0, 2 * RATE, audio[2 * RATE : 6 * RATE]),  # two seconds come again
        AudioChunk(1, 9 * RATE, audio[9 * RATE :]),
    ]
    line = FeedLine(CLOCK, embedder.contract)
    events = drive(line, items, embedder, view)
    assert [(g["start_ms"], g["end_ms"], g["reason"]) for g in by_type(events, GAP)] == [
        (6_000, 9_000, "missing_audio")
    ]
    assert line.status()["position_ms"] == 12_000
    assert line.status()["hearing"] == "unknown"


def test_a_foreign_or_damaged_state_is_refused(embedder: Embedder) -> None:
    blob = FeedLine(CLOCK, embedder.contract).save()
    header, arrays = unpack(blob)
    del header["decision"]["tracker"]["suspected"]
    for bad in (b"", b"nonsense", blob[:100], pack(header, arrays)):  # the last as an earlier version wrote it
        with pytest.raises(ValueError, match="state"):
            FeedLine(CLOCK, embedder.contract, blob=bad)


def test_saving_amid_a_step_is_refused(embedder: Embedder) -> None:
    line = FeedLine(CLOCK, embedder.contract)
    line.push(AudioChunk(0, 0, pcm(6, 1)))
    assert line.next_step() is not None
    with pytest.raises(RuntimeError, match="idle"):
        line.save()
    with pytest.raises(RuntimeError, match="twice"):
        line.next_step()


def test_search_ranks_the_right_work_first_and_all_works_on_demand(embedder: Embedder, view: CatalogueView) -> None:
    query = analyse([pcm(30, 7, transpose=-3)], embedder, hop_steps=1)
    results = search(view, query, 100)
    assert [r.rank for r in results] == list(range(1, 13))
    assert len({r.work_id for r in results}) == 12
    assert [r.score for r in results] == sorted((r.score for r in results), reverse=True)
    assert results[0].work_id == "w7" and results[0].transpose_semitones == -3
    assert results[0].reference_start_s == pytest.approx(0, abs=2) and results[0].query_start_s is not None
    assert len(search(view, query, 3)) == 3
    assert search(CatalogueView.empty(embedder.contract, embedder.model_id), query, 5) == []


def test_indexed_and_broadcast_audio_give_the_same_vectors(embedder: Embedder, tmp_path: Path) -> None:
    audio = pcm(31, 9)
    analysis = analyse([audio], embedder, hop_steps=1)
    line = FeedLine(CLOCK, embedder.contract)
    empty = CatalogueView.empty(embedder.contract, embedder.model_id)
    live = []
    for item in [*chunks(audio, [RATE] * 40), SourceEnd(len(audio), "end")]:
        line.push(item)
        while (step := line.next_step()) is not None:
            output = embedder.run([step])[0]
            live.append(output.embedding)
            line.accept(output, empty)
    full = embedder.contract.window_steps - 1
    np.testing.assert_array_equal(np.stack(live[full:]), analysis.embeddings)
