"""Events for a person: one line each."""

from __future__ import annotations

from typing import Any

from recognizer.events import CATALOGUE_CHANGED, CLOSED, GAP, OPENED, RETRACTED, STATE_CHANGED, UPDATED, Event

_WORDS = {OPENED: "heard", UPDATED: "still", CLOSED: "ended", RETRACTED: "taken back"}


def clock(ms: int | None) -> str:
    """Milliseconds as ``1:02:03``, ``2:03``."""
    if ms is None:
        return "…"
    seconds = ms // 1000
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def name(data: dict[str, Any]) -> str:
    """Title and artist, or the work id when there is no title."""
    title = data["title"] or data["work_id"]
    return f"{title} — {data['artist']}" if data["artist"] else str(title)


def measured(data: dict[str, Any]) -> str:
    """Transposition, tempo and place in the reference in words, where known."""
    parts = []
    if data["transpose_semitones"] is not None:
        semitones = data["transpose_semitones"]
        parts.append("same key" if semitones == 0 else f"{semitones:+d} semitones")
    if data["tempo_ratio"] is not None:
        parts.append(f"tempo ×{data['tempo_ratio']:.2f}")
    if data["ref_start_ms"] is not None:
        parts.append(f"from {clock(data['ref_start_ms'])} of the reference")
    return ", ".join(parts)


def sureness(data: dict[str, Any]) -> str:
    """How sure it is; says so when nobody has checked that the number is a probability."""
    kind = "" if data["confidence_kind"] == "calibrated" else f" {data['confidence_kind']}"
    return f"confidence {data['confidence']:.2f}{kind}"


def others(data: dict[str, Any]) -> str:
    """What else it might have been."""
    named = [f"{other.get('title') or other['work_id']} {other['confidence']:.2f}" for other in data["alternatives"]]
    return f"  or: {', '.join(named)}" if named else ""


def heard(data: dict[str, Any], word: str = "") -> str:
    """One detection: when, what (``word`` says in which sense), and how it differs from the reference."""
    span = f"{clock(data['start_ms'])}–{clock(data['end_ms'])}"
    facts = ", ".join(part for part in (measured(data), sureness(data)) if part)
    return f"{span:>14}  {word}{name(data)}  [{facts}]{others(data)}"


def line(event: Event) -> str:
    """One event as one line."""
    kind, data = event["type"], event["data"]
    if kind in _WORDS:
        reason = f"  ({data['close_reason']})" if data["close_reason"] else ""
        return heard(data, f"{_WORDS[kind]:<10} ") + reason
    if kind == STATE_CHANGED:
        detail = f": {data['detail']}" if data["detail"] else ""
        return f"{clock(data['at_ms']):>14}  {'feed':<10} {data['state'].replace('_', ' ')}{detail}"
    if kind == GAP:
        return f"{clock(data['start_ms'])}–{clock(data['end_ms'])}".rjust(14) + f"  {'gap':<10} {data['reason']}"
    if kind == CATALOGUE_CHANGED:
        return f"{'':>14}  {'catalogue':<10} version {data.get('index_version', data.get('generation', '?'))}"
    return f"{'':>14}  {kind}"
