"""Stretches of time: how much two share, and how much several cover together."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[float, float]
"""Start and end in seconds; a span that ends before it starts is empty."""


def overlap_s(a: Span, b: Span) -> float:
    """Seconds that two spans share."""
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0]))


def union_s(spans: Iterable[Span]) -> float:
    """Seconds under at least one span."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        if end > max(start, reached):
            total += end - max(start, reached)
            reached = end
    return total
