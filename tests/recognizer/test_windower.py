"""Any chunking of the same samples gives the same steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognizer.timeline import Pcm16, opening
from recognizer.windower import Step, Windower, cut

STEP, CONTEXT = 20, 6


def audio(samples: int) -> Pcm16:
    return (np.arange(samples) * 37 % 2001 - 1000).astype(np.int16)


def pushed(pcm: Pcm16, sizes: list[int], start: int = 0) -> list[Step]:
    windower, steps, position = Windower(STEP, CONTEXT), [], 0
    for size in [*sizes, len(pcm)]:
        block = pcm[position : position + size]
        windower.push(block, start + position)
        position += len(block)
        while (step := windower.pop()) is not None:
            steps.append(step)
    return [*steps, *windower.flush()]


@given(st.integers(1, 200), st.lists(st.integers(0, 50), max_size=20))
def test_chunking_does_not_matter(samples: int, sizes: list[int]) -> None:
    pcm = audio(samples)
    whole, pieces = pushed(pcm, []), pushed(pcm, sizes)
    assert [s.start_sample for s in whole] == [s.start_sample for s in pieces]
    assert [s.real_samples for s in whole] == [s.real_samples for s in pieces]
    for a, b in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(a.pcm, b.pcm)


@given(st.integers(1, 200))
def test_steps_hold_the_audio_at_their_place_and_silence_outside(samples: int) -> None:
    pcm = audio(samples)
    padded = np.concatenate([np.zeros(CONTEXT), pcm, np.zeros(3 * STEP + CONTEXT)]) / 32768
    steps = pushed(pcm, [], start=1000)
    assert len(steps) == max(1, round((samples - 1e-9) / STEP) if samples % STEP != STEP // 2 else samples // STEP + 1)
    for number, step in enumerate(steps):
        assert step.start_sample == 1000 + number * STEP
        expected = padded[number * STEP : number * STEP + STEP + 2 * CONTEXT]
        np.testing.assert_allclose(step.pcm, expected, atol=1e-7)


def test_a_jump_is_refused_until_reset() -> None:
    windower = Windower(STEP, CONTEXT)
    windower.push(audio(30), 0)
    with pytest.raises(ValueError, match="starts at sample 31, expected 30"):
        windower.push(audio(5), 31)
    windower.reset()
    windower.push(audio(30), 500)
    assert windower.end_sample == 530


def test_saved_and_restored_continues() -> None:
    pcm = audio(137)
    first = Windower(STEP, CONTEXT)
    first.push(pcm[:71], 0)
    steps = []
    while (step := first.pop()) is not None:
        steps.append(step)
    second = Windower(STEP, CONTEXT)
    second.restore(*first.save())
    second.push(pcm[71:], 71)
    while (step := second.pop()) is not None:
        steps.append(step)
    steps += second.flush()
    for a, b in zip(steps, pushed(pcm, []), strict=True):
        assert (a.start_sample, a.real_samples) == (b.start_sample, b.real_samples)
        np.testing.assert_array_equal(a.pcm, b.pcm)


@given(st.lists(st.integers(1, 60), max_size=9), st.booleans())
def test_a_recording_is_cut_as_a_line_would(sizes: list[int], rest: bool) -> None:
    pcm = audio(sum(sizes))
    blocks = np.split(pcm, np.cumsum(sizes)[:-1]) if sizes else []
    expected = pushed(pcm, []) if rest else [s for s in pushed(pcm, []) if s.start_sample + STEP + CONTEXT <= len(pcm)]
    found = list(cut(blocks, STEP, CONTEXT, rest=rest))
    for a, b in zip(found, expected, strict=True):
        assert (a.start_sample, a.real_samples) == (b.start_sample, b.real_samples)
        np.testing.assert_array_equal(a.pcm, b.pcm)


def test_an_opening_asks_for_no_more_than_it_needs() -> None:
    blocks = iter([audio(10), audio(10), audio(10)])
    assert [len(block) for block in opening(blocks, 11)] == [10, 10]
    assert len(next(blocks)) == 10
    assert [len(block) for block in opening([audio(5)], 11)] == [5]
