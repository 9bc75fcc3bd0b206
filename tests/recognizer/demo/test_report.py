from recognizer.demo.programme import Planted
from recognizer.demo.report import compare
from recognizer.events import CLOSED, OPENED, RETRACTED, UPDATED, Detection, Event, FeedClock, state_event

RATE = 16_000
CLOCK = FeedClock("demo", RATE, 1_800_000_000_000)
TRUTH = (Planted("a", "Song A", 10.0, 50.0, -3, 0.9), Planted("b", "Song B", 100.0, 140.0, 5, 1.1))


def _detection(work: str, start_s: float, number: int = 0, shift: int | None = None) -> Detection:
    start = int(start_s * RATE)
    return Detection(
        f"{work}{number}", 1, "open", start, None, work, f"{work}-ref", f"Song {work.upper()}", None, None, None,
        0.9, "uncalibrated", 5, None, shift, None,
    )  # fmt: skip


def _life(
    work: str, start_s: float, end_s: float, told_s: float, number: int = 0, shift: int | None = None
) -> list[Event]:
    """A detection that opens at ``told_s``, is revised, and closes a little after ``end_s``."""
    one = _detection(work, start_s, number, shift)
    two = one.revised(tempo_ratio=0.92)
    three = two.revised(state="closed", end_sample=int(end_s * RATE), close_reason="ended")
    at = [int(s * RATE) for s in (told_s, told_s + 2, end_s + 10)]
    kinds = (OPENED, UPDATED, CLOSED)
    return [d.event(k, CLOCK, s, 1, "sha256:0") for d, k, s in zip((one, two, three), kinds, at, strict=True)]


def test_all_found() -> None:
    events = [
        state_event(CLOCK, 0, "running", None, None),
        *_life("a", 12, 49, 30, shift=9),
        *_life("b", 99, 143.5, 121, shift=4),
    ]
    report = compare(TRUTH, events)
    assert report.ok and report.found == 2 and not report.false_claims
    one, other = report.rows
    assert (one.start_error_s, one.end_error_s, one.open_after_s) == (2.0, -1.0, 20.0)
    assert (other.start_error_s, other.end_error_s, other.open_after_s) == (-1.0, 3.5, 21.0)
    assert one.transpose_right is True, "nine up is three down"
    assert other.transpose_right is False
    assert one.tempo_error is not None and abs(one.tempo_error - 0.0222) < 1e-3
    text = report.lines()
    assert text[-1] == "passed: 2 of 2 found, 0 false claims"
    assert text[1].startswith("Song A") and "20.0 s" in text[1] and "+9 (-3)" in text[1]


def test_a_miss_fails() -> None:
    report = compare(TRUTH, _life("a", 12, 49, 30))
    assert not report.ok and report.found == 1
    assert [row.found for row in report.rows] == [True, False]
    assert "NO" in report.lines()[2]
    assert report.lines()[-1] == "failed: 1 of 2 found, 0 false claims"


def test_a_false_claim_fails() -> None:
    found = [*_life("a", 12, 49, 30), *_life("b", 99, 143, 121)]
    for extra in (
        _life("c", 60, 80, 70),  # a work that was never played
        _life("a", 60, 90, 80, number=1),  # a work that was played, but at another time
        _life("b", 12, 40, 30, number=1),  # a work that is planted later
        _life("a", 47, 95, 60, number=1),  # touches its cover by less than LEAST_OVERLAP_S
    ):
        report = compare(TRUTH, [*found, *extra])
        assert not report.ok and report.found == 2 and len(report.false_claims) == 1
        assert any(line.startswith("false claim: Song") for line in report.lines())


def test_a_withdrawn_claim_was_a_claim_and_finds_nothing() -> None:
    opened, updated, closed = _life("b", 99, 143, 121)
    withdrawn = {**closed, "type": RETRACTED}
    report = compare(TRUTH, [*_life("a", 12, 49, 30), opened, updated, withdrawn])
    assert not report.ok and report.found == 1
    assert report.false_claims[0].retracted
    assert any("withdrawn" in line for line in report.lines())


def test_pieces_of_one_cover_are_one_find() -> None:
    report = compare(TRUTH[:1], [*_life("a", 12, 25, 20), *_life("a", 30, 52, 38, number=1)])
    assert report.ok and len(report.rows[0].pieces) == 2
    assert (report.rows[0].start_error_s, report.rows[0].end_error_s) == (2.0, 2.0)
    assert "yes, in 2 pieces" in report.lines()[1]


def test_a_detection_still_open_is_found_but_has_no_end() -> None:
    report = compare(TRUTH[:1], _life("a", 12, 49, 30)[:2])
    assert report.ok and report.rows[0].end_error_s is None
    assert "open" in report.lines()[1]


def test_an_older_revision_does_not_undo_a_newer_one() -> None:
    opened, updated, closed = _life("a", 12, 49, 30)
    report = compare(TRUTH[:1], [opened, closed, updated])
    assert report.rows[0].end_error_s == -1.0


def test_the_feed_may_have_begun_before_the_programme() -> None:
    report = compare(TRUTH[:1], _life("a", 42, 79, 60), offset_s=30.0)
    assert report.ok and report.rows[0].start_error_s == 2.0 and report.rows[0].open_after_s == 20.0


def test_nothing_planted_or_nothing_heard_is_no_pass() -> None:
    assert not compare((), []).ok
    assert compare(TRUTH, []).lines()[-1] == "failed: 0 of 2 found, 0 false claims"
