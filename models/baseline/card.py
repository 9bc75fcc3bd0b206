"""The card beside the released file: what the model is, what it costs, what it achieves and where it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.baseline.cost import gflop_per_second
from models.baseline.embedding import TIME_FREQUENCIES
from recognizer.contract import ModelContract

FIGURES = Path(__file__).with_name("figures.json")

_CARD = """# {name}

An untrained baseline. It has learned nothing and does not pretend to: it is the number a trained network has to beat.

| | |
|---|---|
| file | `{file}` ({megabytes:.1f} MB, one file, no external data) |
| SHA-256 | `{sha256}` |
| licence | Apache-2.0 |
| training data | none; a handful of constants were chosen on the recordings of the table below |
| cost | {gflop:.3f} GFLOP per second of audio (counted by `models.baseline.cost`) |
| exported by | `python -m models.baseline.export --out models/released --golden tests/golden` |

## Method

Waveform in, embedding out, in one graph. Octave by octave (C2 to B7) the signal is low-passed, halved in rate and
convolved with Hann-windowed complex kernels, three per semitone (constant-Q); magnitudes are averaged over 1/4 s,
compressed logarithmically relative to the frame's peak, freed of their moving mean over frequency, and folded to twelve
pitch classes tuned to A = 440 Hz. That chroma is both the cached `features` and the `pitch` sequence.

The embedding is the magnitude of the two-dimensional Fourier transform of 20 s of chroma (with tapered ends), up to
{time_frequencies} cycles per window, without the constant, at unit norm. Transposing rotates the chroma and shifting
delays it; both change the transform's phase only. A silent window gives the zero vector, which is like nothing.

The idea is that of T. Bertin-Mahieux and D. P. W. Ellis, "Large-scale cover song recognition using the 2D Fourier
transform magnitude", ISMIR 2012; here frames follow the clock rather than the beat, and there is no PCA.

## Retrieval by the embedding alone

{figures}

## Where it fails

- Another tempo: frames follow the clock, so a version 10 % faster has another transform.
- Free timing, another harmony, a bare melody: only the harmony's rhythm over 20 s is compared.
- Percussion, speech, noise: they have a chroma too, and an embedding; the music gate has to keep them out.
- Tuning more than about 40 cents from A = 440 Hz moves energy to the neighbouring semitone.
- Its cosines are all high (many magnitudes, none negative): they order candidates but are no probability, and
  `calibration` is empty.

## Contract

```json
{contract}
```
"""

_COMMAND = "python -m models.baseline.check --data DIR"


def read_figures() -> dict[str, Any] | None:
    """Stored output of ``check --json``, if there is one."""
    if not FIGURES.exists():
        return None
    figures: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return figures


def write_card(file: str, sha256: str, size_bytes: int, contract: ModelContract, figures: dict[str, Any] | None) -> str:
    """The card's Markdown; figures measured with another file are not shown as this one's."""
    measured = figures is not None and figures["model_id"] == f"sha256:{sha256}"
    return _CARD.format(
        name=contract.name,
        file=file,
        sha256=sha256,
        megabytes=size_bytes / 1e6,
        gflop=gflop_per_second(),
        time_frequencies=TIME_FREQUENCIES,
        figures=_table(figures) if figures is not None and measured else "Not measured for this file.",
        contract=json.dumps(json.loads(contract.to_json()), indent=2, sort_keys=True),
    )


def _table(figures: dict[str, Any]) -> str:
    lines = [
        f"`{_COMMAND}`, on {figures['references']} real recordings of {figures['works']} works; each query is ranked "
        "against all of them (itself excepted), in brackets the 95 % bootstrap interval over works.",
        "",
        "| queries | number | top-1 | MRR | random top-1 / MRR |",
        "|---|---|---|---|---|",
    ]
    for group, found in figures["groups"].items():
        top1, mrr = ("{:.3f} [{:.3f}, {:.3f}]".format(*found[key]) for key in ("top1", "mrr"))
        chance = f"{found['random_top1']:.3f} / {found['random_mrr']:.3f}"
        lines.append(f"| {group} | {found['queries']} | {top1} | {mrr} | {chance} |")
    return "\n".join(lines)
