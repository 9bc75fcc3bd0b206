"""What a calibration is worth, in words and as a picture."""

from __future__ import annotations

from pathlib import Path

from models.calibration.fit import Reliability
from recognizer.calibration import EVIDENCE, LARGE, SMALL, Numbers
from recognizer.errors import UsageError


def table(reliability: Reliability) -> str:
    """The reliability diagram as text."""
    lines = [f"{'said':>6} {'true':>6} {'number':>7}"]
    for said, happened, count in zip(reliability.said, reliability.happened, reliability.count, strict=True):
        lines.append(f"{said:6.2f} {happened:6.2f} {count:7d}")
    return "\n".join([*lines, f"ECE {reliability.ece:.3f}"])


def curves(numbers: Numbers) -> str:
    """What each kind of evidence adds to the logit, in the smallest and the largest catalogue."""
    lines = [f"{'evidence':<13}{'logit':<7}at its value …"]
    for name in EVIDENCE:
        for label, part in (("", ""), ("small", SMALL), ("large", LARGE)):
            lines.append(f"{'' if part else name:<13}{label:<7}" + "".join(f"{v:8.2f}" for v in numbers[name + part]))
    small, large = numbers["bias"]
    return "\n".join([*lines, f"{'bias':<13}{'small':<7}{small:8.2f}", f"{'':<13}{'large':<7}{large:8.2f}"])


def picture(path: Path, reliability: Reliability, title: str) -> None:
    """Draw the reliability diagram.

    Raises
    ------
    UsageError
        When matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("a picture needs matplotlib; install the extra: pip install '.[evaluate]'") from error
    figure = Figure(figsize=(5, 6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    above.plot((0, 1), (0, 1), color="0.6", linewidth=1, linestyle="--")
    above.plot(reliability.said, reliability.happened, "o-", color="tab:blue")
    above.set(ylabel="share that was true", title=f"{title}\nECE {reliability.ece:.3f}", xlim=(0, 1), ylim=(0, 1))
    below.bar(reliability.said, reliability.count, width=0.06, color="tab:blue")
    below.set(xlabel="confidence", ylabel="decisions", yscale="log")
    figure.savefig(path, dpi=120)
