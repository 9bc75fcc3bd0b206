"""Pictures of an evaluation: score histograms, DET curves, pool curves; they need the extra ``[evaluate]``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from indexer.evaluation.results import Result
from recognizer.errors import UsageError
from recognizer.evaluation.pairs import error_rates, thinned

_TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
_LEAST_RATE = 5e-4
_BINS = 60


def require() -> None:
    """Say how to install matplotlib when it is missing (`UsageError`)."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "plots need matplotlib, which is not installed; `pip install 'live-cover-recognizer[evaluate]'`, "
            "or leave --out away, or add --no-plots"
        ) from error


def draw(folder: Path, results: Sequence[Result]) -> list[Path]:
    """Three pictures for every set and pool (not for kinds of queries); returns the files written."""
    import matplotlib

    matplotlib.use("Agg", force=True)
    from matplotlib.figure import Figure

    written = []
    for key in dict.fromkeys((r.group, r.pool) for r in results if r.group == r.own_set):
        chosen = [r for r in results if (r.group, r.pool) == key]
        for name, plot in (("scores", _histograms), ("det", _det), ("pool", _pool)):
            figure = Figure(figsize=(7, 2.2 * len(chosen) if plot is _histograms else 5), layout="constrained")
            plot(figure, chosen)
            figure.suptitle(f"{key[0]}, {key[1]} references")
            path = folder / f"{name}-{re.sub(r'[^A-Za-z0-9.-]', '_', '-'.join(key))[:100]}.png"
            figure.savefig(path, dpi=110)
            written.append(path)
    return written


def _label(result: Result) -> str:
    name, ranking = result.system.name, result.system.ranking
    return ranking if ranking.startswith(name) else f"{name} {ranking}"


def _histograms(figure: Any, results: Sequence[Result]) -> None:
    for place, result in enumerate(results):
        axes = figure.add_subplot(len(results), 1, place + 1)
        positive, negative = _pairs(result)
        edges = np.histogram_bin_edges(np.concatenate([positive, negative]), _BINS)
        for values, name in ((negative, "other works"), (positive, "versions")):
            axes.hist(values, edges, density=True, alpha=0.6, label=f"{name} ({len(values)})")
        if result.figures.equal_error is not None:
            axes.axvline(result.figures.equal_error.threshold, color="black", linewidth=0.8)
        axes.set_title(_label(result), fontsize=9)
        axes.legend(fontsize=7, loc="upper right")


def _pairs(result: Result) -> tuple[Any, Any]:
    return result.scores[result.asked.relevant], result.scores[result.asked.ranked & ~result.asked.relevant]


def _det(figure: Any, results: Sequence[Result]) -> None:
    axes = figure.add_subplot()
    for result in results:
        positive, negative = _pairs(result)
        if len(positive) and len(negative):
            accepts, rejects = thinned(*error_rates(positive, negative))
            axes.plot(_normal(accepts), _normal(rejects), label=f"{_label(result)}, EER {100 * _eer(result):.1f} %")
    axes.set_xticks(_normal(_TICKS), [f"{100 * t:g}" for t in _TICKS])
    axes.set_yticks(_normal(_TICKS), [f"{100 * t:g}" for t in _TICKS])
    axes.set_xlabel("other works taken for versions, %")
    axes.set_ylabel("versions missed, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="upper right")


def _eer(result: Result) -> float:
    return result.figures.equal_error.rate if result.figures.equal_error else float("nan")


def _normal(rates: Any) -> list[float]:
    normal = NormalDist()
    return [normal.inv_cdf(min(1 - _LEAST_RATE, max(_LEAST_RATE, float(rate)))) for rate in rates]


def _pool(figure: Any, results: Sequence[Result]) -> None:
    axes = figure.add_subplot()
    for result in results:
        sizes = [point.references for point in result.figures.pool]
        values = [point.mean_average_precision for point in result.figures.pool]
        axes.plot(sizes, values, "o-", label=_label(result))
    axes.set_xscale("log")
    axes.set_ylim(0, 1)
    axes.set_xlabel("references")
    axes.set_ylabel("MAP")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="lower left")
