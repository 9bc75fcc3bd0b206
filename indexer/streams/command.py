"""``indexer evaluate --streams``: programmes and what was played in them, against what the recognizer said."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from indexer import options
from indexer.streams import picture, published, report
from indexer.streams.listen import Listened, listen
from indexer.streams.report import Method
from indexer.streams.truth import Programme, read_truth, without_strangers
from recognizer.catalogue import Catalogue, CatalogueView
from recognizer.catalogue.track import clean_text
from recognizer.embedder import Embedder
from recognizer.errors import DecodeError, UsageError
from recognizer.evaluation.stream_figures import figures
from recognizer.evaluation.streams import Heard, Played, judge
from recognizer.hubs import warm
from recognizer.profiles import Profile
from recognizer.profiles import profile as named_profile

_BASELINE = "published (2021)"


@dataclass(frozen=True, slots=True)
class _Heard:
    """What all profiles made of the programmes that could be read."""

    programmes: list[Programme]
    by_profile: dict[str, list[Listened]]
    refused: int

    def truth(self) -> list[Played]:
        return [row for programme in self.programmes for row in programme.rows]

    def durations_s(self) -> dict[str, float]:
        first = next(iter(self.by_profile.values()))
        return {programme.name: one.duration_s for programme, one in zip(self.programmes, first, strict=True)}

    def segments(self) -> list[Heard]:
        """Of the published post-processing, nothing rejected yet."""
        first = next(iter(self.by_profile.values()))
        pairs = zip(self.programmes, first, strict=True)
        return [found for programme, one in pairs for found in published.segments(programme.name, one.windows)]


def evaluate_streams(
    truth: list[Path],
    *,
    catalogue: Path | None,
    model: Path | None,
    profile: str,
    out: Path | None,
    json: bool,
    develop: list[Path] | None = None,
) -> int:
    """Play every recording of the truth to the recognizer and print how well it followed.

    Parameters
    ----------
    truth : list of Path
        CSVs with ``path,start_s,end_s,work_id`` and, if wanted, ``programme`` and ``kind``.
    catalogue, model : Path, optional
        The default ones when left out.
    profile : str
        One or several names with commas between.
    out : Path, optional
        Folder for ``streams.json``, ``detections.csv`` and a picture of each programme.
    json : bool
        Print JSON instead of the block.
    develop : list of Path, optional
        Truth of other programmes, from which the published baseline learns what to reject; without it, it is left out.

    Returns
    -------
    int
        Exit code: 1 when a recording could not be read, else 0.

    Raises
    ------
    UsageError
        When something cannot be used; before anything is played, where that can be known.
    """
    if out is not None:
        picture.require_matplotlib()
    profiles = [named_profile(name.strip()) for name in profile.split(",")]
    embedder = options.open_model(model)
    view = Catalogue.open(options.catalogue_dir(catalogue)).view()
    view.require_model(embedder.model_id, embedder.contract.name)
    if not view.tracks:
        raise UsageError("the catalogue is empty; add recordings with: indexer add FILE...")
    warm(view)  # once for every version of a catalogue, as in a worker, and no part of what a decision costs
    programmes, rehearsal = _programmes(truth, view), _programmes(develop or [], view)
    if shared := {p.path for p in programmes} & {p.path for p in rehearsal}:
        raise UsageError(
            f"{next(iter(shared)).name} is in the truth and in --develop; the baseline must learn elsewhere"
        )
    learnt = _hear(rehearsal, embedder, view, profiles[:1], "develop") if rehearsal else None
    # Learning comes first: when there is nothing to learn from, that is said before the long part.
    accept = published.train(learnt.segments(), learnt.truth()) if learnt else None
    heard = _hear(programmes, embedder, view, profiles, "programmes")
    if not heard.programmes:
        options.complain("no programme could be read, so there is nothing to report; check the recordings")
        return options.SOME_REFUSED
    methods = _methods(heard, accept)
    about = _about(embedder, view)
    if out is not None:
        _write(out, heard, methods, about, view)
    if json:
        options.print_json(report.as_json(methods, about))
    else:
        print(report.block(methods, about))
    return options.SOME_REFUSED if heard.refused or (learnt and learnt.refused) else options.DONE


def _programmes(tables: list[Path], view: CatalogueView) -> list[Programme]:
    found, strangers = without_strangers(read_truth(tables), {track.work_id for track in view.tracks})
    if strangers:
        options.complain(f"{strangers} rows name works that are not in the catalogue; they count as foreign music")
    return found


def _hear(
    programmes: Sequence[Programme], embedder: Embedder, view: CatalogueView, profiles: Sequence[Profile], what: str
) -> _Heard:
    by_profile: dict[str, list[Listened]] = {profile.name: [] for profile in profiles}
    read: list[Programme] = []
    with _progress(len(programmes), what) as tell:
        for number, programme in enumerate(programmes):
            try:
                results = listen(
                    programme.name, programme.path, embedder, view, profiles,
                    lambda seconds, at=number: tell(at, seconds),  # type: ignore[misc]
                )  # fmt: skip
            except DecodeError as error:
                options.complain(f"{clean_text(str(programme.path), 300)}: {error}")
                continue
            tell(number + 1, 0.0)
            read.append(programme)
            for result in results:
                by_profile[result.profile].append(result)
    return _Heard(read, by_profile, len(programmes) - len(read))


@contextmanager
def _progress(count: int, what: str) -> Iterator[Any]:
    """A bar on standard error: programmes done, and how far the one under way has come."""
    columns = (
        BarColumn(), TextColumn(f"{{task.completed}} of {{task.total}} {what}{{task.description}}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=options.terminal()) as bar:
        task = bar.add_task("", total=count)

        def tell(done: int, seconds: float) -> None:
            bar.update(task, completed=done, description=f", {options.clock(seconds)} heard" if seconds else "")

        yield tell


def _methods(heard: _Heard, accept: published.Accept | None) -> list[Method]:
    """A column for each profile and, when it could learn, one for the published baseline."""
    truth, durations_s = heard.truth(), heard.durations_s()
    methods = []
    for name, listened in heard.by_profile.items():
        detections = [detection for one in listened for detection in one.detections]
        elapsed_s = sum(one.elapsed_s for one in listened)
        methods.append(Method(name, detections, figures(judge(truth, detections, durations_s), elapsed_s), listened))
    if accept is not None:
        detections = [segment for segment in heard.segments() if accept(segment)]
        methods.append(Method(_BASELINE, detections, figures(judge(truth, detections, durations_s)), []))
    return methods


def _about(embedder: Embedder, view: CatalogueView) -> dict[str, Any]:
    return {
        "model": embedder.contract.name,
        "model_id": embedder.model_id,
        "works": view.works,
        "references": len(view.tracks),
        "calibrated": bool(embedder.contract.calibration),
    }


def _write(out: Path, heard: _Heard, methods: list[Method], about: dict[str, Any], view: CatalogueView) -> None:
    out.mkdir(parents=True, exist_ok=True)
    titles = {track.work_id: track.title for track in view.tracks if track.title}
    text = json_module.dumps(report.as_json(methods, about), indent=2, allow_nan=False)
    (out / "streams.json").write_text(text + "\n", encoding="utf-8")
    (out / "streams.txt").write_text(report.block(methods, about) + "\n", encoding="utf-8")
    report.write_detections(out / "detections.csv", methods, titles)
    truth, durations_s = heard.truth(), heard.durations_s()
    for number, (name, duration_s) in enumerate(durations_s.items()):
        safe = re.sub(r"[^\w.-]", "_", name)[:60]
        picture.draw(out / f"timeline-{number:02d}-{safe}.png", name, duration_s, truth, methods, titles)
