"""Set (a): versions of a work made by different people, rendered in soundfonts that no training heard."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data.manifest import Entry
from models.data.mixing import TUNE_DB
from models.data.store import ScoreStore
from models.validation.bulk import Take, mixed, render_all, write_wav
from models.validation.manifest import ValidationError, draw_of, halves, write_rows
from models.validation.pairs import Pair, choose, lone_part
from models.validation.perform import Part, draw_player, notes_of

COLUMNS = (
    "path", "work_id", "role", "set", "kind", "split", "half", "soundfont", "collection", "score", "seconds",
    "semitones", "tempo_ratio", "agreement", "tune_db",
)  # fmt: skip
_BATCH = 80
_QUERY, _REFERENCE, _LONE = 10, 11, 12


@dataclass(frozen=True, slots=True)
class Item:
    """One file of the set: where it goes, what is played and in which soundfont."""

    path: str
    role: str
    entry: Entry
    part: Part
    soundfont: Path
    seed: tuple[int, ...]
    tempo_ratio: float | None = None
    agreement: float | None = None


def plan(pairs: Sequence[Pair], others: Sequence[Entry], store: ScoreStore, fonts: list[Path], seed: int) -> list[Item]:
    """All files of the set; the two files of a pair are in different soundfonts where there are several."""
    items: list[Item] = []
    for pair in pairs:
        draw = draw_of(seed, pair.query.work_id)
        rng = np.random.default_rng((seed, 3, draw))
        at, step = int(rng.integers(len(fonts))), 1 + int(rng.integers(max(1, len(fonts) - 1)))
        asked, kept = (seed, _QUERY, draw), (seed, _REFERENCE, draw)
        ask = f"query/{_name(pair.query, draw)}", "query", pair.query, pair.asked, fonts[at], asked
        keep = f"reference/{_name(pair.query, draw)}", "reference", pair.reference, pair.kept
        items.append(Item(*ask, pair.tempo_ratio, pair.agreement))
        items.append(Item(*keep, fonts[(at + step) % len(fonts)], kept))
    for entry in others:
        draw = draw_of(seed, entry.work_id)
        rng = np.random.default_rng((seed, _LONE, draw))
        font = fonts[int(rng.integers(len(fonts)))]
        part = lone_part(store[entry.path], rng)
        items.append(Item(f"other/{_name(entry, draw)}", "reference", entry, part, font, (seed, _LONE, draw, 1)))
    return items


def _name(entry: Entry, draw: int) -> str:
    """A file name of a work; the number keeps apart works whose ids differ in odd characters only."""
    return f"{re.sub('[^A-Za-z0-9]+', '-', entry.work_id)[:40]}-{draw:08x}.wav"


def perform(item: Item) -> tuple[Take, Take | None]:
    """The item's tune and what accompanies it (None for a bare tune), in one style; drums where the style has them."""
    rng = np.random.default_rng(item.seed)
    style = draw_player(rng)
    notes = notes_of(item.part, style, rng)
    tune, rest = notes.pick(notes.melody > 0), notes.pick(notes.melody == 0)
    if not len(tune):
        raise ValidationError(f"{item.entry.path} has no tune to play from beat {item.part.start:.0f} on")
    beat_s = item.part.beat_s if style.drums else None
    accompanied = bool(np.any((rest.onset < item.part.seconds - 1) & (rest.onset + rest.duration > 0)))
    return (
        Take(tune, item.part.seconds, None, item.seed),
        Take(rest, item.part.seconds, beat_s, (*item.seed, 2)) if accompanied or beat_s else None,
    )


def tune_db(item: Item) -> float:
    """How far the tune is above its accompaniment, in decibels of their sounding stretches: -3 to 6."""
    return float(np.random.default_rng((*item.seed, 3)).uniform(*TUNE_DB))


def render_missing(items: Iterable[Item], out: Path, say: Callable[[str], None]) -> int:
    """Render the items whose files are not there yet, a soundfont at a time; the number rendered."""
    missing = [i for i in items if not (out / i.path).exists()]
    done = 0
    for batch in _batches(missing):
        played = [perform(i) for i in batch]
        takes = [take for pair in played for take in pair if take is not None]
        rendered = iter(render_all(takes, batch[0].soundfont))
        for item, (_, rest) in zip(batch, played, strict=True):
            pcm = next(rendered)
            write_wav(out / item.path, pcm if rest is None else mixed(pcm, next(rendered), tune_db(item)))
        done += len(batch)
        say(f"{done} of {len(missing)} files")
    return done


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Neighbours in the plan that share a soundfont; pairs come first, so that an early look is possible."""
    by_font: dict[Path, list[Item]] = {}
    for item in items:
        waiting = by_font.setdefault(item.soundfont, [])
        waiting.append(item)
        if len(waiting) == _BATCH:
            yield by_font.pop(item.soundfont)
    yield from by_font.values()


def rows(items: Sequence[Item], split_of: dict[str, str], seed: int) -> Iterator[dict[str, object]]:
    """Manifest rows; references that nobody asks for have role ``reference`` and no half."""
    half_of = halves((i.entry.work_id for i in items if i.role == "query"), seed)
    for item in items:
        yield {
            "path": item.path,
            "work_id": item.entry.work_id,
            "role": item.role,
            "set": "human",
            "kind": item.entry.collection if item.role == "query" else "",
            "split": split_of[item.entry.path],
            "half": half_of.get(item.entry.work_id, ""),
            "soundfont": item.soundfont.name,
            "collection": item.entry.collection,
            "score": item.entry.path,
            "seconds": round(item.part.seconds, 2),
            "semitones": item.part.semitones,
            "tempo_ratio": "" if item.tempo_ratio is None else round(item.tempo_ratio, 3),
            "tune_db": round(tune_db(item), 1),
            "agreement": "" if item.agreement is None else round(item.agreement, 3),
        }


def _same_recipe(out: Path, recipe: dict[str, object]) -> None:
    """Refuse to go on with a folder that another recipe began: its files would be taken for this one's."""
    out.mkdir(parents=True, exist_ok=True)
    kept = out / "recipe.json"
    if kept.exists() and json.loads(kept.read_text(encoding="utf-8")) != recipe:
        raise ValidationError(f"{out} was begun with {kept.read_text(encoding='utf-8').strip()}; choose another --out")
    kept.write_text(json.dumps(recipe) + "\n", encoding="utf-8")


def make(
    entries: list[Entry],
    split_of: dict[str, str],
    store: ScoreStore,
    fonts: list[Path],
    out: Path,
    references: int,
    seed: int,
    say: Callable[[str], None],
    spare: frozenset[str],
    first: int | None = None,
) -> None:
    """Plan the set, write its manifest, render what is missing.

    Parameters
    ----------
    entries
        Held-out files (`models.validation.pairs.held_out`).
    split_of
        Split of every path as the original manifest has it.
    first
        Render the first so many files only (the manifest lists those).
    """
    pairs, others, unmatched = choose(entries, store, references, seed, spare)
    say(f"{len(pairs)} pairs, {len(others)} other references, {len(unmatched)} works whose versions share no passage")
    _same_recipe(out, {"seed": seed, "soundfonts": [f.name for f in fonts]})
    (out / "unmatched.txt").write_text("".join(f"{w}\n" for w in unmatched), encoding="utf-8")
    items = plan(pairs, others, store, fonts, seed)[:first]
    render_missing(items, out, say)
    written = write_rows(out / "manifest.csv", COLUMNS, rows(items, split_of, seed))
    say(f"{out / 'manifest.csv'}: {written} rows")
