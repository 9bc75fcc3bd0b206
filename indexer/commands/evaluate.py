"""``indexer evaluate``: how well recordings find their versions, or broadcasts their works."""

from __future__ import annotations

import json as json_module
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from indexer import options
from indexer.evaluation import lists, plots, report
from indexer.evaluation.listen import ListenSettings, Model
from indexer.evaluation.lists import Recording
from indexer.evaluation.run import Contest, RunSettings
from indexer.evaluation.run import evaluate as run_evaluation
from indexer.options import CatalogueOption, JobsOption, JsonOption, TimeoutOption
from indexer.pool import STALL_S
from recognizer.errors import UsageError
from recognizer.evaluation.alteration import Alteration
from recognizer.released import baseline_model_path

_CELLS = 1_000_000


def evaluate(
    manifest: Annotated[
        Path | None, typer.Argument(metavar="[MANIFEST]", help="CSV: path, work_id and, if wanted, role, set, kind.")
    ] = None,
    pairs: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--pairs", metavar="LIST1 LIST2", help="Instead of a table: two lists like those of covers80."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="Relative paths count from here, not from the list.")
    ] = None,
    model: Annotated[
        list[Path] | None, typer.Option("--model", metavar="FILE", help="Model (.onnx); may be repeated.")
    ] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Chance, v0 and Qmax beside the models.")
    ] = True,
    sets: Annotated[str | None, typer.Option("--sets", metavar="A,B", help="Only these sets of the table.")] = None,
    by_name: Annotated[
        bool, typer.Option("--by-name", help="Report queries by file name too (kr-2.opus counts as kr).")
    ] = False,
    distractors: Annotated[
        list[Path] | None,
        typer.Option("--distractors", metavar="DIR", help="Recordings of other works, to be confused with."),
    ] = None,
    query_seconds: Annotated[
        float | None,
        typer.Option("--query-seconds", min=1, metavar="S", help="Ask with so much from the middle of each query."),
    ] = None,
    degrade: Annotated[
        str, typer.Option("--degrade", metavar="LIST", help="Damage the queries: noise10, room, band, in this order.")
    ] = "",
    align_budget: Annotated[
        float,
        typer.Option("--align-budget", min=0, metavar="MILLIONS", help="Cells aligned per query; 0 for no alignment."),
    ] = 40,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write results.json, ranks.csv and plots there.")
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plots/--no-plots", help="Plots in --out; needs the extra [evaluate].")
    ] = True,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Keep analyses, so that an ended run goes on.")
    ] = None,
    cache_gb: Annotated[float, typer.Option("--cache-gb", min=0.01, help="What the cache may hold afterwards.")] = 4,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of chance, pools and intervals.")] = 0,
    streams: Annotated[
        list[Path] | None,
        typer.Option("--streams", metavar="TRUTH", help="Evaluate broadcasts instead: CSVs of what is heard when."),
    ] = None,
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            metavar="NAME[@CONFIDENCE]",
            help="With --streams: profiles of the decision, with commas: monitoring,monitoring@0.75,kiosk.",
        ),
    ] = "monitoring",
    develop: Annotated[
        list[Path] | None,
        typer.Option("--develop", metavar="TRUTH", help="With --streams: other programmes, for the published method."),
    ] = None,
    catalogue: CatalogueOption = None,
    jobs: JobsOption = None,
    timeout: TimeoutOption = STALL_S,
    json: JsonOption = False,
) -> None:
    """Measure how well queries find other versions of their works.

    Every query is ranked against the other recordings of its set, and against all references and distractors. Systems
    in one run: chance, the untrained baseline v0, Qmax (Serrà 2009, on v0's chroma), and each --model (the released
    one when left out) by its embedding alone, by the embedding less what each reference usually gets, and as `indexer
    search` ranks, with alignment. Roles in the table: reference, query, either (when empty) and distractor. Sets of
    pairs (covers80) come with --pairs.

    Measured: MAP, MAP@10, MRR, MR1, Top1, MNIT10, P@10, NAR, EER, accuracies, and MAP among 100, 1,000 and 5,000
    references; intervals are bootstraps over works. With --out, ranks of every query and plots are written.

    Example: indexer evaluate recordings.csv --model new.onnx --query-seconds 30 --degrade noise10,room --out figures

    Exit code: 0 when all files were read, 1 when some were left out, 2 for wrong use.
    """
    if streams:
        raise typer.Exit(_streams(streams, develop, catalogue, model, profile, out, json))
    if out is not None and plot:
        plots.require()
    how = Alteration(query_seconds, tuple(kind.strip() for kind in degrade.split(",") if kind.strip()))
    recordings = _recordings(manifest, pairs, root, by_name)
    recordings = lists.chosen_sets(recordings, sets) + lists.strangers_in(distractors or [])
    contest = _contest(model or [], baselines)
    settings = RunSettings(
        alteration=how,
        listening=ListenSettings(options.job_count(jobs), timeout, cache),
        cache_bytes=round(cache_gb * 2**30),
        budget_cells=round(align_budget * _CELLS),
        seed=seed,
    )
    try:
        found = run_evaluation(recordings, contest, settings)
    except KeyboardInterrupt:
        kept = "run the same command again to go on" if cache else "nothing was kept; --cache DIR keeps analyses"
        options.complain(f"interrupted; {kept}")
        raise typer.Exit(options.INTERRUPTED) from None
    if out is not None:
        _write(out, found, contest.baselines(), plot)
    if json:
        options.print_json(found.to_json())
    else:
        print(report.text(found, contest.baselines()))
    raise typer.Exit(options.SOME_REFUSED if found.refused else options.DONE)


def _recordings(
    manifest: Path | None, pairs: tuple[Path, Path] | None, root: Path | None, by_name: bool
) -> list[Recording]:
    if (manifest is None) == (pairs is None):
        raise UsageError("nothing to evaluate; name one table of recordings, or two lists with --pairs")
    if manifest is not None:
        return lists.read_table(manifest, root, kinds_from_names=by_name)
    assert pairs is not None
    return lists.read_pairs(*pairs, root)


def _contest(paths: list[Path], baselines: bool) -> Contest:
    """Each model once, by content; of two with one name, the later gets digits of its hash."""
    first = Model.load(baseline_model_path()) if baselines else None
    models: dict[str, Model] = {}
    names = {first.name: first.embedder.model_id} if first is not None else {}
    for path in paths or [options.model_path(None)]:
        model = Model.load(path)
        model_id = model.embedder.model_id
        if names.setdefault(model.name, model_id) != model_id:
            model = replace(model, name=f"{model.name}-{model_id.removeprefix('sha256:')[:8]}")
        models.setdefault(model_id, model)
    return Contest(list(models.values()), first)


def _write(out: Path, found: report.Report, baselines: list[str], plot: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    text = json_module.dumps(found.to_json(), indent=2, allow_nan=False)
    (out / "results.json").write_text(text + "\n", encoding="utf-8")
    (out / "report.txt").write_text(report.text(found, baselines) + "\n", encoding="utf-8")
    report.write_ranks(out / "ranks.csv", found)
    if plot:
        plots.draw(out, found.results)


def _streams(
    truth: list[Path],
    develop: list[Path] | None,
    catalogue: Path | None,
    models: list[Path] | None,
    profile: str,
    out: Path | None,
    json: bool,
) -> int:
    from indexer.streams.command import evaluate_streams  # loads what only broadcasts need

    if models and len(models) > 1:
        raise UsageError("broadcasts are evaluated with one model; give --model once")
    model = models[0] if models else None
    return evaluate_streams(
        truth, catalogue=catalogue, model=model, profile=profile, out=out, json=json, develop=develop
    )
