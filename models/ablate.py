"""Compare losses at one budget: ``python -m models.ablate --data DATA --runs RUNS --out DIR``; killed, it goes on.

Every row of the table is one or two stages of `models.train` with the losses of ``configs/*.toml`` and all else
(network, works, views, steps, learning rate) from ``configs/ablation.toml``. All rows see the same views, those of one
seed in the same order (`models.data.bank`); only the loss on weakly labelled segments sees two windows of a
performance, in half as many steps, so that as many views pass through the network.

Writes ``ablations.csv`` (a line a run) and ``ablations.md`` (a line a row: the mean over seeds, lowest and highest).
"""

from __future__ import annotations

import argparse
import csv
import logging
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.data.bank import build_bank, labels_path
from models.data.feed import recipe_of
from models.data.manifest import Entry, read_manifest
from models.data.store import ScoreStore
from models.data.views import Corpus
from models.exam import Exam, make_exam, read_exam, write_exam
from models.losses.build import build_loss, reads_features
from models.nets.embedding import EmbeddingConfig, EmbeddingNet
from models.settings import Settings, read_settings
from models.stage_embedding import vectors_of
from models.train import train
from recognizer.evaluation.pairs import equal_error
from recognizer.evaluation.ranking import Scores, rank

log = logging.getLogger("models.ablate")
CONFIGS = Path(__file__).parent / "configs"
ROWS: dict[str, tuple[str, ...]] = {
    "triplet": ("triplet",),
    "softmax-triplet": ("softmax", "pretrained"),
    "softmax": ("softmax",),
    "angular": ("angular",),
    "contrastive": ("first",),
    "memory": ("memory",),
    "clews": ("clews",),
}
TITLES = {
    "triplet": "triplet (no pre-training)",
    "softmax-triplet": "softmax, then triplet (pre-training)",
    "softmax": "softmax only (features below the embedding)",
    "angular": "angular margin (CosFace)",
    "contrastive": "supervised contrastive",
    "memory": "supervised contrastive + memory",
    "clews": "CLEWS",
}
SETS = ("single", "human")
BANK_VIEWS = 16
_WORKS = 500
_OTHERS = 512


def stages_of(row: str, seed: int, base: Settings) -> list[Settings]:
    """The stages of a row at the common budget, in order; names, starts and banks are within the folder of runs."""
    stems = ROWS[row]
    stages: list[Settings] = []
    for number, stem in enumerate(stems):
        own = read_settings(CONFIGS / f"{stem}.toml")
        windows = own.data.windows
        schedule = replace(base.schedule, seed=seed, steps=base.schedule.steps // len(stems) // windows)
        stages.append(
            replace(
                base,
                name=f"{row}-{seed}" + (f"-{number}" if number < len(stems) - 1 else ""),
                data=replace(base.data, windows=windows, bank=bank_name(base.data.views, windows)),
                loss=own.loss,
                schedule=schedule,
                start=f"{stages[-1].name}/last.pt" if stages else "",
            )
        )
    return stages


def bank_name(views: int, windows: int) -> str:
    """File name of a bank."""
    return f"bank-{views}x{windows}.npy"


def prepare(base: Settings, works: int, runs: Path, rows: Iterable[str]) -> Exam:
    """Make the banks that the rows need, and the exam, where they are missing."""
    store = ScoreStore(Path(base.data.store))
    entries = [e for e in read_manifest(Path(base.data.manifest)) if e.path in store]
    kept = [e for e in entries if e.collection in base.data.collections and e.split == "train"]
    corpus = some_works(kept, store, base, works)
    for windows in sorted({s.data.windows for row in rows for s in stages_of(row, 0, base)}):
        path = runs / bank_name(base.data.views, windows)
        if not labels_path(path).exists():
            recipe = recipe_of(replace(base.data, windows=windows))
            build_bank(corpus, recipe, BANK_VIEWS // base.data.views // windows, 0, path, progress)
    exam = runs / "exam.npz"
    if not exam.exists():
        write_exam(make_exam([e for e in entries if e.split == "val"], store, _OTHERS), exam)
    return read_exam(exam)


def some_works(entries: list[Entry], store: ScoreStore, base: Settings, works: int) -> Corpus:
    """A corpus of so many works, drawn by the weights of their collections; all are then drawn alike."""
    whole = Corpus(entries, store, base.data.weights)
    count = min(works, len(whole.works))
    chosen = np.random.default_rng(0).choice(len(whole.works), count, replace=False, p=whole.share)
    files = {file for i in chosen for file in whole.works[int(i)]}
    return Corpus([e for e in entries if e.path in files], store)


def progress(done: int, of: int) -> None:
    """Say how far the making of a bank is."""
    if done % 100 == 0 or done == of:
        log.info("views: group %d of %d", done, of)


def examine(folder: Path, stage: Settings, exam: Exam) -> dict[str, dict[str, float]]:
    """Figures of a run's averaged weights; queries of both kinds are ranked among all references."""
    state = torch.load(folder / "last.pt", weights_only=True, map_location="cpu")
    net = EmbeddingNet(EmbeddingConfig(**state["config"]))
    net.load_state_dict(state["average"])
    net.eval()
    on_features = reads_features(build_loss(stage.loss, stage.data, stage.net, lambda: 1))
    references = vectors_of(net, torch.from_numpy(exam.references), on_features).numpy()
    queries = [vectors_of(net, torch.from_numpy(q), on_features).numpy() for q in exam.queries]
    right = np.eye(len(references), dtype=np.bool_)
    return {
        kind: figures_of(
            np.concatenate([q[mask] @ references.T for q in queries]), np.tile(right[mask], (len(queries), 1))
        )
        for kind, mask in (("single", ~exam.human), ("human", exam.human))
    }


def figures_of(scores: Scores, right: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Figures of scores (queries, references), of which those where ``right`` is true are of one work."""
    ranks = rank(scores, right, np.ones_like(right))
    pairs = equal_error(scores[right], scores[~right])
    if pairs is None:
        raise ValueError(
            f"an exam of {len(scores)} queries and {scores.shape[1]} references has not both kinds of pair"
        )
    top1 = float((ranks.first == 1).mean())
    return {"mrr": float(ranks.reciprocal.mean()), "top1": top1, "eer": pairs.rate, "acc_pair": pairs.accuracy}


def run_row(row: str, seed: int, base: Settings, runs: Path, exam: Exam) -> dict[str, str]:
    """Train and examine one row under one seed; a line of the table."""
    began = time.process_time()
    stages = [replace(s, data=replace(s.data, bank=str(runs / s.data.bank))) for s in stages_of(row, seed, base)]
    for stage in stages:
        folder = train(stage, runs)
    line = {"row": row, "seed": str(seed), "steps": "+".join(str(s.schedule.steps) for s in stages)}
    for kind, figures in examine(folder, stages[-1], exam).items():
        line |= {f"{kind}_{name}": f"{value:.4f}" for name, value in figures.items()}
    return line | {"cpu_s": f"{time.process_time() - began:.0f}"}


def read_lines(path: Path) -> list[dict[str, str]]:
    """Lines of an earlier run of this program."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_lines(lines: list[dict[str, str]], path: Path) -> None:
    """All lines so far, in the order of rows and seeds; a kill leaves the old file or the new one."""
    part = path.with_suffix(".part")
    ordered = sorted(lines, key=lambda line: (list(ROWS).index(line["row"]), int(line["seed"])))
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(ordered)
    part.replace(path)


def table(lines: list[dict[str, str]], exam: Exam) -> str:
    """The lines as Markdown: a row of means over seeds for each set, with the lowest and the highest."""
    counts = {"single": int((~exam.human).sum()), "human": int(exam.human.sum())}
    text = []
    for kind in SETS:
        text += [
            f"{2 * counts[kind]} queries of {counts[kind]} works ({kind}) among {len(exam.human)} references",
            "",
            "| loss | seeds | MRR | top-1 | EER | pair ACC at the EER threshold |",
            "|---|---|---|---|---|---|",
        ]
        for row in ROWS:
            mine = [line for line in lines if line["row"] == row]
            if mine:
                cells = [
                    _cell([float(m[f"{kind}_{name}"]) for m in mine]) for name in ("mrr", "top1", "eer", "acc_pair")
                ]
                text.append(f"| {TITLES[row]} | {len(mine)} | {' | '.join(cells)} |")
        text.append("")
    return "\n".join(text)


def _cell(values: list[float]) -> str:
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f}–{max(values):.3f})"


def main(arguments: list[str] | None = None) -> int:
    """Command line of the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(), help="folder that the configuration's paths start from")
    parser.add_argument("--runs", type=Path, required=True, help="folder for banks, checkpoints and logs")
    parser.add_argument("--out", type=Path, required=True, help="folder for ablations.csv and ablations.md")
    parser.add_argument("--config", type=Path, default=CONFIGS / "ablation.toml", help="what all rows share")
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated: %(default)s")
    parser.add_argument("--seeds", default="1,2", help="comma-separated: %(default)s")
    parser.add_argument("--works", type=int, default=_WORKS, help="training works: %(default)s")
    parser.add_argument("--rate", type=float, help="learning rate, in place of the configuration's")
    options = parser.parse_args(arguments)
    rows, seeds = options.rows.split(","), [int(seed) for seed in options.seeds.split(",")]
    if set(rows) - set(ROWS):
        parser.error(f"unknown rows {sorted(set(rows) - set(ROWS))}, expected some of {', '.join(ROWS)}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    torch.set_num_threads(1)
    for folder in (options.runs, options.out):
        folder.mkdir(parents=True, exist_ok=True)
    base = read_settings(options.config).within(options.data)
    if options.rate is not None:
        base = replace(base, schedule=replace(base.schedule, rate=options.rate))
    exam = prepare(base, options.works, options.runs, rows)
    lines = read_lines(options.out / "ablations.csv")
    for seed in seeds:
        for row in rows:
            if any(line["row"] == row and line["seed"] == str(seed) for line in lines):
                continue
            lines.append(run_row(row, seed, base, options.runs, exam))
            log.info("%s", lines[-1])
            write_lines(lines, options.out / "ablations.csv")
    (options.out / "ablations.md").write_text(table(lines, exam), encoding="utf-8")
    print(table(lines, exam))
    return 0


if __name__ == "__main__":
    sys.exit(main())
