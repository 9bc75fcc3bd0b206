"""Training by ear: what is played is what is told, bands say nothing of works, and a run learns and goes on."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from models import export, train, unpack  # noqa: E402
from models.data.library import Heard, write_recordings  # noqa: E402
from models.data.manifest import read_manifest  # noqa: E402
from models.data.views import Passage, Recipe  # noqa: E402
from models.heard.air import Air  # noqa: E402
from models.heard.feed import batches, cast_of, joined  # noqa: E402
from models.heard.orchestra import Orchestra  # noqa: E402
from models.heard.recordings import Recordings  # noqa: E402
from models.heard.scene import PERCUSSION, TUNE, Piece, draw_piece  # noqa: E402
from models.heard.sounds import FLOOR, LEAD_FRAMES, PITCHES, PROGRAMS, read_sounds  # noqa: E402
from models.heard.spectra import BINS, MARGIN_FRAMES, PER_SEMITONE, RATE_HZ, spectrum_of, view_frames  # noqa: E402
from models.nets.constantq import ConstantQ, ConstantQConfig  # noqa: E402
from models.nets.ears import Ears  # noqa: E402
from models.nets.embedding import EmbeddingConfig  # noqa: E402
from models.nets.recognizer import RecognizerNet  # noqa: E402
from models.nets.salience import SalienceConfig, SalienceNet  # noqa: E402
from models.settings import Settings, SettingsError, read_settings  # noqa: E402
from tests.models.small_corpus import write_corpus  # noqa: E402
from tests.models.small_sounds import LOWEST, pure_tones, write_pure_tones  # noqa: E402

CONFIG = """
name = "{name}"
kind = "heard"
[data]
manifest = "works.csv"
store = "s.npz"
works_per_batch = {works}
group = 2
[heard]
sounds = "sounds.npz"
recordings = "{recordings}"
front = "{front}"
recorded_works = {recorded}
pieces = {pieces}
helpers = {helpers}
[front]
width = 4
[net]
widths = [4, 6, 8, 8]
dimension = 16
hidden = 16
[schedule]
steps = {steps}
warmup = 2
save_s = 0.0
probe_steps = 2
"""


def write_config(folder: Path, name: str = "run", **values: object) -> Path:
    given = {"works": 4, "recordings": "", "front": "", "recorded": 0, "pieces": 1, "helpers": 0, "steps": 4} | values
    path = folder / f"{name}.toml"
    path.write_text(CONFIG.format(name=name, **given))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_corpus(tmp_path)
    write_pure_tones(tmp_path / "sounds.npz")
    return tmp_path


def settings(folder: Path, **values: object) -> Settings:
    return read_settings(write_config(folder, **values)).within(folder)


def one_note(**changed: float) -> dict[str, torch.Tensor]:
    note = {"view": 0, "onset_s": 5.0, "duration_s": 1.0, "pitch": 61.0, "level": 1.0, "part": TUNE} | changed
    kinds = {"view": torch.int32, "part": torch.uint8}
    return {name: torch.tensor([value], dtype=kinds.get(name, torch.float32)) for name, value in note.items()}


@functools.cache
def orchestra() -> Orchestra:
    return Orchestra(pure_tones())


def played(notes: dict[str, torch.Tensor], seed: int = 0, sung: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    bands = orchestra().hire(1, generator)
    if not sung:
        bands = replace(bands, vibrato=bands.vibrato * 0)
    found = orchestra()(notes, torch.zeros(1, dtype=torch.int64), bands, view_frames(160), generator)
    return found.power[0], found.truth[0]


@pytest.mark.parametrize("pitch", [40.0, 60.0, 61.0, 62.0, 90.0])
def test_a_note_sounds_where_it_is_written_and_the_truth_says_so(pitch: float) -> None:
    power, truth = played(one_note(pitch=pitch))
    loudest = power.sum(0).argmax()
    assert abs(int(loudest) - ((int(pitch) - LOWEST) * PER_SEMITONE + 1)) <= 1  # no band is exactly on concert pitch
    sounding = torch.nonzero(power.sum(1))[:, 0]
    onset = round(5.0 * RATE_HZ)
    assert int(sounding[0]) == onset
    assert onset + RATE_HZ <= int(sounding[-1]) + 1 <= onset + RATE_HZ + 9
    told = torch.nonzero(truth)
    assert set(told[:, 1].tolist()) == {int(pitch) - LOWEST}
    first = (onset - MARGIN_FRAMES) // 2
    assert told[0, 0] == first and told[-1, 0] == first + RATE_HZ // 2 - (1 - (onset - MARGIN_FRAMES) % 2)


def test_two_notes_add_up_and_a_louder_one_is_louder() -> None:
    one, _ = played(one_note())
    both, _ = played({name: torch.cat([value, value]) for name, value in one_note().items()})
    soft, _ = played(one_note(level=0.5))
    assert float(both.sum() / one.sum()) == pytest.approx(2, rel=1e-3)
    assert float(soft.sum() / one.sum()) == pytest.approx(0.25, rel=1e-3)


def test_a_drum_sounds_and_is_no_pitch() -> None:
    power, truth = played(one_note(part=PERCUSSION, pitch=1.0))
    assert float(power[:, -30:].sum()) > 0 and float(power[:, :-30].sum()) == 0
    assert float(truth.sum()) == 0


def test_a_voice_glides_and_trembles() -> None:
    found = [played(one_note(duration_s=2.0), seed, sung=True)[0] for seed in range(12)]
    assert max(int(torch.count_nonzero(power.sum(0))) for power in found) > 2
    assert all(int(torch.count_nonzero(played(one_note(), seed)[0].sum(0))) == 1 for seed in range(3))


def test_notes_beyond_the_view_or_the_bins_do_no_harm() -> None:
    for changed in ({"onset_s": -3.0}, {"onset_s": 21.3}, {"onset_s": 60.0}, {"pitch": 5.0}, {"pitch": 140.0}):
        power, truth = played(one_note(**changed))
        assert bool(torch.isfinite(power).all()) and bool(torch.isfinite(truth).all())


def test_the_air_keeps_shape_and_differs_by_seed_only() -> None:
    power = torch.rand(4, view_frames(160), BINS, generator=torch.Generator().manual_seed(0)) ** 8
    band_of = torch.tensor([0, 0, 1, 1])
    air = Air()
    one, again, other = (air(power.clone(), band_of, 2, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one.shape == power.shape and float(one.min()) >= -9
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_pieces_repeat_and_their_works_differ(data: Path) -> None:
    chosen = settings(data, works=4, pieces=2)
    entries = [e for e in read_manifest(data / "works.csv") if e.split == "train"]
    first, again = (next(iter(batches(entries, chosen.data, chosen.heard, 1, 0, 1))) for _ in range(2))
    assert [piece.works.tolist() for piece in first] == [piece.works.tolist() for piece in again]
    whole = joined(first)
    assert len(set(whole.works.tolist())) == 4
    assert set(np.unique(whole.view).tolist()) <= set(range(8)) and len(np.unique(whole.view)) == 8
    # The first views of all works come first.
    for number, piece in enumerate(first):
        notes = piece.onset_s[piece.view == 2]
        np.testing.assert_array_equal(whole.onset_s[whole.view == 4 + 2 * number], notes)


def test_helpers_make_pieces_too(data: Path) -> None:
    chosen = settings(data, works=4, pieces=2, helpers=1)
    entries = [e for e in read_manifest(data / "works.csv") if e.split == "train"]
    made = batches(entries, chosen.data, chosen.heard, 1, 0, 3)
    assert [len(set(joined(pieces).works.tolist())) for pieces in made] == [4, 4, 4]


def test_works_that_cannot_be_shared_out_are_refused(data: Path) -> None:
    chosen = settings(data, works=6, pieces=4)
    with pytest.raises(SettingsError, match="expected 4 pieces of whole groups of 2"):
        cast_of([], chosen.data, chosen.heard, (0, 4))


def write_tunes(path: Path, count: int = 2) -> None:
    """Recordings of a minute: a tune of pure tones, as spectra and as what was heard in them."""
    rng = np.random.default_rng(0)
    parts = []
    for name in map(str, range(count)):
        heard = np.zeros((60 * 8, 84), np.uint8)
        spectra = np.zeros((60 * 16, BINS), np.uint8)
        for k in range(0, 60 * 8, 4):
            row = int(rng.integers(36, 56))
            heard[k : k + 3, row] = 220
            spectra[2 * k : 2 * k + 6, row * PER_SEMITONE + 1] = 80
        parts.append(Heard(name, name, heard, spectra))
    assert write_recordings(path, parts) == count


def test_a_recording_is_moved_as_a_whole(tmp_path: Path) -> None:
    write_tunes(tmp_path / "spectra.npz")
    recordings = Recordings(tmp_path / "spectra.npz")
    kinds = set()
    for seed in range(20):
        for what in recordings.pair(seed % 2, Recipe(), np.random.default_rng(seed)):
            if isinstance(what, Passage):
                kinds.add("played")
                continue
            spectrum, salience = what
            kinds.add("heard")
            assert spectrum.shape == (view_frames(160), BINS) and salience.shape == (160, 84)
            # What is heard in a frame is what sounds in it: the two were cut and moved alike.
            told = salience.argmax(1)[salience.max(1) > 0]
            inner = spectrum[MARGIN_FRAMES : MARGIN_FRAMES + 320 : 2]
            sounding = inner.argmax(1)[salience.max(1) > 0] // PER_SEMITONE
            assert np.mean(told == sounding) > 0.8
    assert kinds == {"played", "heard"}


def test_shares_of_recordings_have_nothing_in_common(tmp_path: Path) -> None:
    write_tunes(tmp_path / "spectra.npz", 5)
    whole = Recordings(tmp_path / "spectra.npz")
    shares = [Recordings(tmp_path / "spectra.npz", (n, 2)) for n in range(2)]
    numbers = [share.numbers(np.arange(len(share))) for share in shares]
    assert sorted(np.concatenate(numbers).tolist()) == list(range(5))
    for share, mine in zip(shares, numbers, strict=True):
        for number in mine.tolist():
            np.testing.assert_array_equal(share.spectra[share.work(number)], whole.spectra[number])


def test_recordings_of_one_work_are_a_pair_where_both_play_the_same(tmp_path: Path) -> None:
    """One is the other, a semitone higher and ten seconds later."""
    write_tunes(tmp_path / "once.npz", 2)
    once = Recordings(tmp_path / "once.npz")
    late = [
        np.pad(np.roll(part[0], step, 1), ((ten, 0), (0, 0)))
        for part, step, ten in ((once.salience, 1, 80), (once.spectra, PER_SEMITONE, 160))
    ]
    parts = [
        Heard("a", "w1", once.salience[0], once.spectra[0]),
        Heard("b", "w2", once.salience[1], once.spectra[1]),
        Heard("c", "w1", *late),
    ]
    write_recordings(tmp_path / "spectra.npz", parts)
    covers = Recordings(tmp_path / "spectra.npz")
    assert len(covers) == 2 and covers.rows == [0, 2, 1]
    for seed in range(6):
        takes = covers.draw(0, 1.0, np.random.default_rng(seed))
        assert {take.recording for take in takes} == {0, 1}
        assert abs(abs(takes[0].centre_s - takes[1].centre_s) - 10) < 1.5
        for spectrum, salience in covers.pair(0, Recipe(human=1.0), np.random.default_rng(seed)):
            assert spectrum.any() and salience.any()


def test_a_file_without_spectra_is_refused(tmp_path: Path) -> None:
    write_recordings(tmp_path / "recorded.npz", [Heard("a", "a", np.zeros((400, 84), np.uint8))])
    with pytest.raises(SettingsError, match="holds no spectra"):
        Recordings(tmp_path / "recorded.npz")


def test_too_few_recordings_are_said(data: Path) -> None:
    write_tunes(data / "spectra.npz", 3)
    chosen = settings(data, works=4, pieces=2, recordings="spectra.npz", recorded=2)
    entries = [e for e in read_manifest(data / "works.csv") if e.split == "train"]
    with pytest.raises(SettingsError, match="has 1 works with a tune for piece 1 of 2"):
        cast_of(entries, chosen.data, chosen.heard, (1, 2))


def test_a_spectrum_is_the_constant_qs_whatever_the_block() -> None:
    config = ConstantQConfig()
    pcm = np.sin(2 * np.pi * 440 / config.rate_hz * np.arange(config.rate_hz * 61)).astype(np.float32)
    spectrum = spectrum_of(pcm, ConstantQ(config))
    assert spectrum.shape == (61 * RATE_HZ, BINS)
    middle = spectrum[RATE_HZ:-RATE_HZ]
    assert set(middle.argmax(1).tolist()) == {(69 - LOWEST) * PER_SEMITONE + 1}
    assert int(np.ptp(middle.max(1))) <= 1


def test_a_piece_holds_recordings_beside_scores(data: Path) -> None:
    write_tunes(data / "spectra.npz")
    chosen = settings(data, works=6, recordings="spectra.npz", recorded=2)
    entries = [e for e in read_manifest(data / "works.csv") if e.split == "train"]
    piece = draw_piece(cast_of(entries, chosen.data, chosen.heard, (0, 1)), (3,))
    assert piece.works[-2:].min() >= 7 > piece.works[:-2].max()
    assert len(piece.recorded) >= 2 and set((piece.recorded % 6).tolist()) == {4, 5}
    assert piece.spectra.shape == (len(piece.recorded), view_frames(160), BINS)


def run(config: Path) -> int:
    return train.main([str(config), "--runs", str(config.parent / "runs"), "--data", str(config.parent)])


def write_front(path: Path) -> SalienceNet:
    torch.manual_seed(3)
    net = SalienceNet(SalienceConfig(width=4))
    path.parent.mkdir(parents=True)
    torch.save({"average": net.state_dict(), "width": 4, "step": 0}, path)
    return net


def test_a_run_starts_from_a_front_end_goes_on_and_is_exported(data: Path) -> None:
    write_tunes(data / "spectra.npz")
    front = write_front(data / "runs" / "front" / "last.pt")
    given: dict[str, object] = {"front": "front/last.pt", "recordings": "spectra.npz", "recorded": 2, "works": 6}
    chosen = settings(data, **given)
    stage = train.build_stage(chosen)
    stage.begin(data / "runs")
    held = stage.trainee.net.state_dict()
    assert all(torch.equal(held[f"front.{name}"], value) for name, value in front.state_dict().items())

    assert run(write_config(data, "whole", **given)) == 0
    assert run(write_config(data, "broken", **(given | {"steps": 2}))) == 0
    assert run(write_config(data, "broken", **given)) == 0
    whole, broken = (torch.load(data / "runs" / n / "last.pt", weights_only=True) for n in ("whole", "broken"))
    for name, value in whole["net"].items():
        if "schedule" not in name:
            assert torch.isfinite(value.float()).all()
    assert broken["step"] == 4
    rows = (data / "runs" / "whole" / "log.csv").read_text().splitlines()
    assert len(rows) == 3 and "val_recent_top1" in rows[0]

    path = data / "runs" / "whole" / "last.pt"
    net, front_config, _ = export.load(path, path)
    assert isinstance(net, RecognizerNet) and front_config.width == 4
    assert torch.equal(net.front.state_dict()["first.weight"], whole["average"]["front.first.weight"])
    assert torch.equal(net.embedding.state_dict()["out.weight"], whole["average"]["embedding.out.weight"])


RELEASED = sorted((Path(export.__file__).parent / "released").glob("salience-?-????????.onnx"))


@pytest.mark.parametrize("model", RELEASED, ids=lambda path: path.stem)
def test_a_released_model_is_unpacked_and_hears_the_same(model: Path, tmp_path: Path) -> None:
    from recognizer.embedder import Embedder
    from recognizer.step import StepInput

    checkpoint = tmp_path / "runs" / "last.pt"
    assert unpack.main([str(model), "--out", str(checkpoint)]) == 0
    net, *_ = export.load(checkpoint, checkpoint)
    embedder = Embedder(model)
    contract = embedder.contract
    rng = np.random.default_rng(0)
    pcm = rng.normal(0, 0.1, contract.step_samples + 2 * contract.context_samples).astype(np.float32)
    past = rng.random((contract.past_frames, contract.feature_dim)).astype(np.float32) ** 4
    expected = embedder.run([StepInput(0, pcm, past)])[0]
    with torch.no_grad():
        features, _, embedding, _ = net(torch.from_numpy(pcm)[None], torch.from_numpy(past)[None])
    np.testing.assert_allclose(features[0].numpy(), expected.features, atol=2e-3)
    np.testing.assert_allclose(embedding[0].numpy(), expected.embedding, atol=2e-3)
    # What was unpacked is where a stage may start.
    state = torch.load(checkpoint, weights_only=True)
    ears = Ears(SalienceConfig(width=state["width"]), EmbeddingConfig(**state["config"]))
    ears.load_state_dict(state["average"])


def test_a_model_without_a_front_end_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    released = RELEASED[0].parent
    for pattern, why in (("v0-*.onnx", "not a model of models.export"), ("*-int8-*.onnx", "rounded weights")):
        with pytest.raises(SystemExit):
            unpack.main([str(next(released.glob(pattern))), "--out", str(tmp_path / "last.pt")])
        assert why in capsys.readouterr().err


@pytest.mark.slow
def test_sounds_are_played_by_fluidsynth(tmp_path: Path) -> None:
    font = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
    if not font.is_file():
        pytest.skip("the soundfont TimGM6mb is not installed (Debian: timgm6mb-soundfont)")
    from models.heard.note_bank import write_sounds

    write_sounds(tmp_path / "sounds.npz", [font])
    sounds = read_sounds(tmp_path / "sounds.npz")
    piano = int(np.searchsorted(PROGRAMS, 0))
    for pitch in (48, 60, 72):
        tone = sounds.tones[0, piano, int(np.searchsorted(PITCHES, pitch))]
        assert not tone[0].any() or tone[0].max() < tone[LEAD_FRAMES + 1].max()
        loud = np.flatnonzero(tone[LEAD_FRAMES + 4] >= FLOOR - 40)
        fundamental = (pitch - LOWEST) * PER_SEMITONE + 1
        assert np.abs(loud - fundamental).min() <= 1  # the fundamental is heard


def test_what_begins_with_other_music_is_told_so(data: Path) -> None:
    chosen = settings(data, works=4)
    chosen = replace(chosen, heard=replace(chosen.heard, begun=1.0))
    stage = train.build_stage(chosen)
    seed, works, recorded, spectra, told, *notes = next(iter(stage.batches(0, (0, 1))))
    sound = stage.trainee.sound
    found = [
        sound(works, recorded, spectra, told, tuple(notes), torch.Generator().manual_seed(int(seed)))[1]
        for stage.trainee.heard in (chosen.heard, replace(chosen.heard, begun=0.0))
    ]
    begun, plain = found
    assert torch.equal(begun[:4], plain[:4])  # first views are whole
    assert torch.equal(begun[4:, 80:], plain[4:, 80:])  # and what comes after ten seconds
    backwards = plain[4:].roll(1, 0).flip(1)
    assert torch.equal(begun[4:, :31], backwards[:, :31])  # the first four seconds never are


def test_empty_pieces_of_recordings_join() -> None:
    none = np.zeros(0)
    piece = Piece(
        none.astype(np.int32), none, none, none, none, none.astype(np.uint8), none.astype(np.int64),
        np.zeros((0, 342, BINS), np.uint8), np.zeros((0, 160, 84), np.uint8), np.arange(2),
    )  # fmt: skip
    assert joined([piece, piece]).spectra.shape == (0, 342, BINS)
