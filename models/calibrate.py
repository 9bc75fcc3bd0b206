"""Make a model's confidence a probability.

``python -m models.calibrate MODEL.onnx --streams DIR/truth.csv --catalogue CAT --out CALIBRATED.onnx`` runs the line
over programmes whose truth is known, against catalogues of several sizes in which half of the works played are
missing, and fits curves from evidence to a logit of the truth. Their numbers are appended to the file. What the network
computes, and so the model's identity, stays the same: catalogues need not be built again.

The catalogue must have been built with MODEL. Programmes for ``--streams`` and for ``--check`` should share no work;
without ``--check`` the figures come from cross-validation over programmes. ``--evidence FILE.npz`` keeps what was
collected, and takes it from there when the file exists: then only the fit is done again.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.calibration import report
from models.calibration.collect import Catalogues, Samples, collect, joined
from models.calibration.fit import fit, held_out, probabilities, reliability, with_gate
from models.calibration.programmes import HeardStep, Programme, read_programmes, remembered
from recognizer.calibration import FEATURES, Numbers, appended, parsed
from recognizer.catalogue import Catalogue, CatalogueView
from recognizer.contract import ModelContract
from recognizer.embedder import Embedder
from recognizer.errors import RecognizerError, UsageError
from recognizer.profiles import profile

log = logging.getLogger("models.calibrate")
# A decision at every step, also while something is open: all that can be learnt from a programme.
EVERY_STEP = replace(profile("kiosk"), settled_every_steps=1)
_FOLDS = 5
_FEWEST_TRUE = 100


def gathered(
    heard: list[tuple[Programme, list[HeardStep]]],
    catalogues: Callable[[int, Programme], Iterable[CatalogueView]],
    contract: ModelContract,
    gated: Numbers | None = None,
) -> Samples:
    """Evidence of all programmes, each against the catalogues that are drawn for it and its number."""
    parts = []
    for number, (programme, steps) in enumerate(heard):
        mine = [
            collect(programme, steps, view, contract, EVERY_STEP, number, gated)
            for view in catalogues(number, programme)
        ]
        right = sum(int(part.true.sum()) for part in mine)
        log.info("%s: %d steps, %d catalogues, %d times right", programme.path.name, len(steps), len(mine), right)
        parts += mine
    return joined(parts)


def hear_all(table: Path, embedder: Embedder) -> list[tuple[Programme, list[HeardStep]]]:
    """Every programme of a table, heard once."""
    programmes = read_programmes(table)
    heard = []
    for number, programme in enumerate(programmes):
        heard.append((programme, remembered(programme, embedder)))
        log.info("heard %s, %d of %d", programme.path.name, number + 1, len(programmes))
    return heard


def kept(path: Path | None, collect_now: bool) -> tuple[Samples, dict[str, tuple[float, ...]]] | None:
    """Evidence collected before and the calibration whose gate it passed, if there is any."""
    if path is None or collect_now or not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        if "gate" not in stored or list(stored["features"]) != list(FEATURES):
            raise UsageError(f"{path} holds other evidence than this version uses; remove it and collect again")
        samples = Samples(stored["evidence"], stored["true"], stored["leads"], stored["group"])
        return samples, parsed(str(stored["gate"]))


def keep(path: Path, samples: Samples, gated: Numbers) -> None:
    """Write evidence for another fit."""
    with path.open("wb") as file:
        np.savez(
            file,
            evidence=samples.evidence,
            true=samples.true,
            leads=samples.leads,
            group=samples.group,
            features=np.array(FEATURES),
            gate=np.array(json.dumps(gated)),
        )


def main(arguments: list[str] | None = None) -> int:
    """Command line of the calibration."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        _run(options)
    except RecognizerError as error:
        print(f"models.calibrate: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    embedder = Embedder(options.model)
    view = Catalogue.open(options.catalogue).view()
    view.require_model(embedder.model_id, embedder.contract.name)
    sizes = sorted({min(size, view.works) for size in options.sizes})
    found = kept(options.evidence, options.again)
    if found is None:
        heard = hear_all(options.streams, embedder)
        catalogues = Catalogues(view, sizes, options.seed)
        # First everything on the shortlist is aligned, to learn what is worth it; then only that, as it will be. The
        # first takes ten times as long, and what plays nothing of the catalogue has little to say of what is worth it.
        playing = [(programme, steps) for programme, steps in heard if programme.truth]
        everything = gathered(playing, catalogues.in_turn, embedder.contract)
        enough(everything, options.streams)
        gated = with_gate(everything, fit(everything))
        samples = gathered(heard, catalogues.of_all_sizes, embedder.contract, gated)
        if options.evidence is not None:
            keep(options.evidence, samples, gated)
    else:
        samples, gated = found
    enough(samples, options.streams)
    numbers = fit(samples, gated)
    tested, said = samples, held_out(samples, _FOLDS, gated)
    if options.check is not None:
        asked = Catalogues(view, sizes[-1:], options.seed + 1).of_all_sizes
        tested = gathered(hear_all(options.check, embedder), asked, embedder.contract, gated)
        said = probabilities(tested.evidence, numbers)
    print(f"{len(samples.true)} candidates, {int(samples.true.sum())} right, catalogues of {sizes} works\n")
    print(report.curves(numbers))
    for name, mask in (("leading candidates", tested.leads), ("all candidates", np.ones(len(said), bool))):
        print(f"\n{name}, held out\n{report.table(reliability(said[mask], tested.true[mask]))}")
    if options.picture is not None:
        leading = reliability(said[tested.leads], tested.true[tested.leads])
        report.picture(options.picture, leading, f"{embedder.contract.name}, held-out programmes")
    temporary = options.out.with_suffix(".part")
    temporary.write_bytes(appended(options.model.read_bytes(), numbers))
    Embedder(temporary)  # refused here rather than by its users
    os.replace(temporary, options.out)


def enough(samples: Samples, table: Path) -> None:
    """Refuse to learn from too little.

    Raises
    ------
    UsageError
        When there are too few right candidates, or no wrong ones.
    """
    right = int(samples.true.sum())
    if right < _FEWEST_TRUE or samples.true.all():
        raise UsageError(
            f"{table} gave {right} right candidates of {len(samples.true)}, expected at least {_FEWEST_TRUE} and some "
            "wrong ones; give longer programmes with works of the catalogue"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="ONNX file; a calibration that it has is replaced")
    parser.add_argument("--streams", type=Path, required=True, help="CSV: path, start_s, end_s, work_id, …")
    parser.add_argument("--catalogue", type=Path, required=True, help="holds the works played and many others")
    parser.add_argument("--out", type=Path, required=True, help="the calibrated model; may be MODEL itself")
    parser.add_argument("--check", type=Path, help="CSV of programmes with other works, for the figures only")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 500, 2000], help="works in the catalogues drawn")
    parser.add_argument("--evidence", type=Path, help="keep what was collected, or fit again from it")
    parser.add_argument("--again", action="store_true", help="collect even if the --evidence file exists")
    parser.add_argument("--picture", type=Path, help="write the reliability diagram as PNG")
    parser.add_argument("--seed", type=int, default=1, help="of the catalogues drawn")
    return parser


if __name__ == "__main__":
    sys.exit(main())
