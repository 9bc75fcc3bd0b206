"""What an evaluation says: blocks for people, JSON for programs, a table of ranks."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from indexer.evaluation.bench import CORRECTED, Bench
from indexer.evaluation.results import Result
from indexer.manifest_csv import guard
from recognizer.catalogue.track import clean_text
from recognizer.evaluation.alteration import Alteration
from recognizer.evaluation.figures import Estimate

BASELINE_RANKINGS = ("random", "Qmax")
RANK_COLUMNS = (
    "set", "pool", "system", "ranking", "query", "work_id", "relevant", "first_rank", "average_precision",
    "nearest", "nearest_work_id", "nearest_score",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured, and on what."""

    bench: Bench
    results: Sequence[Result]
    fingerprint: str
    alteration: Alteration
    seed: int
    refused: dict[Path, str]

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "manifest": self.fingerprint,
            "query": self.alteration.label,
            "seed": self.seed,
            "refused": [{"path": str(path), "reason": reason} for path, reason in sorted(self.refused.items())],
            "results": [result.to_json() for result in self.results],
        }


def text(report: Report, baselines: Sequence[str]) -> str:
    """A block per set, pool and model, then one table of everything; ``baselines`` are names of systems."""
    blocks = [_block(report, result, baselines) for result in report.results if result.system.name not in baselines]
    return "\n\n".join([*blocks, table(report.results)])


def _block(report: Report, result: Result, baselines: Sequence[str]) -> str:
    f, system, model = result.figures, result.system, result.system.model
    lines = [
        f"set={result.group} pool={result.pool} manifest={report.fingerprint[:19]}… "
        f"tracks={len(report.bench.recordings)} "
        f"references={result.references} works={result.works} queries={f.queries} relevant/q={f.relevant:.2f} "
        f"excluded_queries={result.excluded} query={report.alteration.label}"
    ]
    if model is not None:
        contract = model.embedder.contract
        lines[0] += f" window={contract.window_s:g}s hop={contract.index_hop_steps * contract.step_s:g}s"
        lines.append(
            f"model={model.embedder.model_id[:19]}… name={model.name} sr={contract.sample_rate_hz} "
            f"ranking={system.ranking} reduction=mean-best-window "
            f"hubcorr={'on' if system.ranking == CORRECTED else 'off'}"
        )
    low_high = f"[{_interval(f.means['MAP'])}, work bootstrap]"
    lines.append(
        f"MAP={f.means['MAP'].value:.3f} {low_high} "
        + " ".join(f"{name}={f.means[name].value:.{2 if name == 'MR1' else 3}f}" for name in list(f.means)[1:])
    )
    lines += [_pairs_line(result), _pool_line(report, result, baselines)]
    return "\n".join(lines)


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "95% CI: one work only"
    return f"95% CI {estimate.low:.3f}–{estimate.high:.3f}"


def _pairs_line(result: Result) -> str:
    pairs, top1 = result.figures.equal_error, result.figures.means["Top1"].value
    if pairs is None:
        return f"EER=none (no pairs of both kinds) ACC_top1={top1:.3f}"
    return (
        f"EER={100 * pairs.rate:.1f}% @thr={pairs.threshold:.4f} pairs(+/-)={pairs.positive}/{pairs.negative} "
        f"ACC_top1={top1:.3f} ACC_pair={pairs.accuracy:.3f}"
    )


def _pool_line(report: Report, result: Result, baselines: Sequence[str]) -> str:
    curve = " ".join(f"{p.references}:{p.mean_average_precision:.3f}" for p in result.figures.pool)
    same = [r for r in report.results if (r.group, r.pool) == (result.group, result.pool)]
    others = " ".join(f"{r.system.name}={r.figures.means['MAP'].value:.3f}" for r in same if r.system.name in baselines)
    return f"pool curve (MAP): {curve}" + (f"   baselines (MAP): {others}" if others else "")


def table(results: Sequence[Result]) -> str:
    """One line a system, sets below each other; intervals are 95 % over works."""
    head = ("set", "pool", "refs", "queries", "system", "ranking", "MAP", "MRR", "Top1", "EER %")
    rows: list[tuple[str, ...]] = [head]
    for r in results:
        pairs = r.figures.equal_error
        rows.append(
            (
                r.group, r.pool, str(r.references), str(r.figures.queries), r.system.name, r.system.ranking,
                *(_cell(r.figures.means[name]) for name in ("MAP", "MRR", "Top1")),
                "-" if pairs is None else f"{100 * pairs.rate:.1f}",
            )
        )  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _cell(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def write_ranks(path: Path, report: Report) -> None:
    """A CSV line for every query of every result: where its first version stands, and what stands first."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(RANK_COLUMNS)
        for result in report.results:
            for row in range(result.figures.queries):
                writer.writerow([guard(str(cell)) for cell in _rank_row(report.bench, result, row)])


def _rank_row(bench: Bench, result: Result, row: int) -> tuple[object, ...]:
    ranks = result.figures.ranks
    query = bench.recordings[result.queries[row]]
    scores = np.where(result.asked.ranked[row], result.scores[row], -np.inf)
    best = int(scores.argmax())
    nearest = bench.recordings[result.columns[best]]
    return (
        result.group, result.pool, result.system.name, result.system.ranking, clean_text(query.name, 2000),
        query.work_id, int(ranks.relevant[row]), int(ranks.first[row]), f"{ranks.average_precision[row]:.6f}",
        clean_text(nearest.name, 2000), nearest.work_id, f"{float(scores[best]):.6g}",
    )  # fmt: skip
