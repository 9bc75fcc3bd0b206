from __future__ import annotations

import numpy as np
import pytest

from recognizer.errors import DecodeError, SourceError
from recognizer.timeline import AudioChunk, SourceEnd, SourceGap, SourceState, StreamState
from tests.worker.scripted import RATE_HZ, Clock, ScriptedSource, StopTest, counting
from worker.capture import BURST_S, Backoff, Resume, Surroundings, capture
from worker.sources import SourceOptions


def run(connections, *, live=True, options=None, resume=None, clock=None):
    """Every item that a scripted source leads to, and the clock."""
    clock = clock or Clock()
    world = Surroundings(
        opener=ScriptedSource(clock, connections, live=live),
        monotonic=clock.monotonic,
        sleep=clock.sleep,
        uniform=lambda: 1.0,
        backoff=Backoff(first_s=1.0, cap_s=8.0, slow_s=30.0, slow_cap_s=100.0),
    )
    items = []
    try:
        for item in capture("x", RATE_HZ, options or SourceOptions(), resume=resume, surroundings=world):
            items.append(item)
    except StopTest:
        pass
    return items, clock


def live_seconds(seconds, start_s=0.0):
    """A live second after live second: time passes, then the second's audio is there."""
    moves = []
    for second in range(seconds):
        moves += [1.0, counting(1.0, start_s + second)]
    return moves


def audio(items):
    return [item for item in items if isinstance(item, AudioChunk)]


def gaps(items):
    return [item for item in items if isinstance(item, SourceGap)]


def states(items):
    return [item.state for item in items if isinstance(item, SourceState)]


def assert_monotonic(items):
    position = 0
    for item in items:
        if isinstance(item, AudioChunk | SourceGap):
            assert item.start_sample == position, "every sample of the timeline is audio or a gap, once"
            position = item.end_sample
        else:
            assert item.at_sample == position
    return position


@pytest.mark.parametrize("block", [1, 160, 1000, 16_000, 50_000])
def test_a_finite_source_is_cut_into_seconds_and_ends(block):
    pcm = counting(3.25)
    items, _ = run([[pcm[at : at + block] for at in range(0, len(pcm), block)]], live=False)
    assert [len(chunk.pcm) for chunk in audio(items)] == [16_000, 16_000, 16_000, 4_000]
    assert np.array_equal(np.concatenate([chunk.pcm for chunk in audio(items)]), pcm)
    assert states(items) == [StreamState.CONNECTING, StreamState.RUNNING]
    assert items[-1] == SourceEnd(52_000, "end of the source")
    assert_monotonic(items)


def test_a_finite_source_is_paced_only_when_asked():
    _, clock = run([[counting(5.0)]], live=False)
    assert clock.sleeps == []
    _, clock = run([[counting(5.0)]], live=False, options=SourceOptions(realtime=True))
    assert sum(clock.sleeps) == pytest.approx(5.0)


def test_a_finite_source_resumes_where_it_stopped():
    pcm = counting(6.0)
    items, clock = run([[pcm]], live=False, resume=Resume(40_000, 2, 99.0), options=SourceOptions(realtime=True))
    assert audio(items)[0].start_sample == 40_000
    assert audio(items)[0].epoch == 3
    assert np.array_equal(np.concatenate([chunk.pcm for chunk in audio(items)]), pcm[40_000:])
    assert gaps(items) == []
    assert sum(clock.sleeps) == pytest.approx(3.5)


def test_a_short_outage_loses_and_repeats_nothing():
    # The server sends the last 4 s on connect. First connection: 4 s of burst (0..4), then live up to 10.
    first = [counting(4.0), *live_seconds(6, 4.0), SourceError("gone")]
    # It returns 1.5 s later (back-off 1 s, then 0.5 s to connect): its burst covers 7.5..11.5 of the same programme.
    second = [0.5, counting(4.0, 7.5), *live_seconds(5, 11.5)]
    items, _ = run([first, second])
    assert gaps(items) == []
    heard = np.concatenate([chunk.pcm for chunk in audio(items)])
    assert np.array_equal(heard, counting(16.5)), "the programme, without a repetition and without a hole"
    assert {chunk.epoch for chunk in audio(items)} == {0, 1}
    assert assert_monotonic(items) == round(16.5 * RATE_HZ)


def test_a_long_outage_is_a_gap_and_the_burst_is_new():
    first = [counting(4.0), *live_seconds(6, 4.0), SourceError("gone")]
    second = [20.0, counting(4.0, 100.0), *live_seconds(2, 104.0)]
    items, _ = run([first, second])
    assert [(gap.start_sample, gap.end_sample) for gap in gaps(items)] == [(10 * RATE_HZ, 27 * RATE_HZ)]
    assert gaps(items)[0].reason == "disconnected"
    assert audio(items)[10].pcm[0] == counting(1.0, 100.0)[0]
    assert states(items)[:4] == [
        StreamState.CONNECTING,
        StreamState.RUNNING,
        StreamState.RECONNECTING,
        StreamState.RUNNING,
    ]
    assert_monotonic(items)


def test_a_long_outage_is_told_once_before_it_is_over():
    first = [*live_seconds(6), SourceError("gone")]
    items, clock = run([first, *([SourceError("refused")] for _ in range(6)), [counting(1.0, 50.0)]])
    told, rest = gaps(items)
    before = items[: items.index(told)]
    assert told.start_sample == 6 * RATE_HZ and told.end_sample > 16 * RATE_HZ
    assert states(before)[-1] == StreamState.RECONNECTING, "while it lasts, not when it is over"
    assert rest.start_sample == told.end_sample
    assert_monotonic(items)


def test_a_hundred_reconnects_do_not_run_ahead():
    connections = [[counting(4.0), *live_seconds(2), SourceError("gone")] for _ in range(100)]
    items, clock = run(connections)
    end = assert_monotonic(items)
    elapsed = (clock.now_s - 1000.0) * RATE_HZ
    assert end <= elapsed + 4.5 * RATE_HZ


def test_a_source_faster_than_real_time_is_held_back():
    items, clock = run([[counting(60.0)]])
    assert_monotonic(items)
    assert clock.now_s - 1000.0 == pytest.approx(60.0 - BURST_S, abs=1.1)
    assert len(audio(items)) == 60


def test_audio_lost_without_a_word_becomes_a_gap():
    # Every second of real time brings 0.8 s of audio.
    moves = [move for second in range(100) for move in (1.0, counting(0.8, second))]
    items, clock = run([moves])
    end = assert_monotonic(items)
    assert {gap.reason for gap in gaps(items)} == {"audio_lost_at_source"}
    assert (clock.now_s - 1000.0) * RATE_HZ - end < 12 * RATE_HZ


def test_a_stall_that_is_made_up_for_is_no_gap():
    items, _ = run([[*live_seconds(5), 9.0, counting(9.0, 5.0), *live_seconds(30, 14.0)]])
    assert gaps(items) == []


def test_an_overflow_is_a_gap_in_its_place():
    items, _ = run([[1.0, counting(1.5), 1.0, 800, counting(1.0)]])
    assert gaps(items) == [SourceGap(24_000, 24_800, "overflow")]
    assert_monotonic(items)


def test_failures_before_the_first_audio_start_the_clock():
    items, clock = run([[SourceError("refused")], [SourceError("refused")], [counting(1.0)]])
    assert gaps(items) == [SourceGap(0, 3 * RATE_HZ, "disconnected")]
    assert clock.sleeps[:2] == [1.0, 2.0]
    assert_monotonic(items)


def test_backoff_doubles_up_to_its_cap_and_is_shortened_at_random():
    backoff = Backoff(first_s=1.0, cap_s=8.0, slow_s=30.0, slow_cap_s=100.0)
    assert [backoff.wait_s(n, False, lambda: 1.0) for n in range(1, 7)] == [1, 2, 4, 8, 8, 8]
    assert [backoff.wait_s(n, True, lambda: 1.0) for n in range(1, 4)] == [30, 60, 100]
    assert backoff.wait_s(5000, False, lambda: 0.0) == 4.0


@pytest.mark.parametrize("state", ["auth_failed", "invalid_source"])
def test_refusals_are_tried_again_slowly(state):
    items, clock = run([[SourceError("no", state=state)], [SourceError("no", state=state)], [counting(1.0)]])
    assert clock.sleeps[:2] == [30.0, 60.0]
    assert states(items)[1] == StreamState(state)


def test_a_steady_connection_resets_the_backoff():
    failing = [[SourceError("gone")] for _ in range(5)]
    _, clock = run([*failing, [*live_seconds(40), SourceError("gone")], []])
    assert clock.sleeps[5] == 1.0


def test_a_final_failure_is_delivered_and_raised():
    clock = Clock()
    failure = SourceError("never", state="invalid_source", retryable=False)
    world = Surroundings(ScriptedSource(clock, [[failure]]), clock.monotonic, clock.sleep)
    items = []
    with pytest.raises(SourceError, match="never"):
        items.extend(iter_into(items, capture("x", RATE_HZ, surroundings=world)))
    assert states(items) == [StreamState.CONNECTING, StreamState.INVALID_SOURCE]
    assert items[-1] == SourceEnd(0, "never")


def iter_into(items, source):
    for item in source:
        items.append(item)
    return []


def test_a_file_that_does_not_decode_is_a_final_failure():
    clock = Clock()
    world = Surroundings(ScriptedSource(clock, [[DecodeError("no audio")]], live=False), clock.monotonic, clock.sleep)
    with pytest.raises(SourceError, match="no audio"):
        list(capture("x", RATE_HZ, surroundings=world))


def test_a_resumed_live_feed_continues_its_timeline():
    items, _ = run([[counting(2.0)]], resume=Resume(10 * RATE_HZ, 4, 25.0))
    assert gaps(items) == [SourceGap(10 * RATE_HZ, 25 * RATE_HZ, "disconnected")]
    assert audio(items)[0].epoch == 5
    assert audio(items)[0].start_sample == 25 * RATE_HZ


def test_a_clock_set_back_does_not_mute_a_feed():
    items, _ = run([[counting(3.0)]], resume=Resume(500 * RATE_HZ, 0, 1.0))
    assert audio(items)[0].start_sample == 500 * RATE_HZ
    assert len(audio(items)) == 3


def test_a_live_option_makes_the_end_of_a_file_an_outage():
    items, _ = run([[counting(1.0)], [counting(1.0)]], live=False, options=SourceOptions(live=True))
    assert not any(isinstance(item, SourceEnd) for item in items)
    assert StreamState.RECONNECTING in states(items)
