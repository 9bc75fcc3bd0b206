"""Distractors that are a version of a query's work, and so none: found by package and title, and by `twins`."""

LEFT_OUT: frozenset[str] = frozenset()
