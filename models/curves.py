"""Draw the log of a run: ``python -m models.curves RUN/log.csv --out curves.png``."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def read_log(path: Path) -> dict[str, list[float]]:
    """Columns of a log; a step that was repeated after a restart counts once, as it was last."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = {int(row["step"]): row for row in csv.DictReader(file)}
    names = next(iter(rows.values())).keys() if rows else ()
    return {name: [float(rows[step][name]) for step in sorted(rows)] for name in names}


def draw(columns: dict[str, list[float]], target: Path) -> None:
    """One panel for each column but the clock and the step."""
    shown = [name for name in columns if name not in ("unix_s", "step")]
    figure, axes = pyplot.subplots(1, len(shown), figsize=(5 * len(shown), 3.5), squeeze=False)
    for axis, name in zip(axes[0], shown, strict=True):
        axis.plot(columns["step"], columns[name])
        axis.set_xlabel("step")
        axis.set_title(name)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(target, dpi=110)
    pyplot.close(figure)


def main(arguments: list[str] | None = None) -> int:
    """Command line of the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    draw(read_log(options.log), options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
