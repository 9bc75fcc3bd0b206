"""Whether the system does its work, with reasons."""

from __future__ import annotations

from collections import Counter
from typing import Any

from web import catalogue, parse
from web.picture import Picture
from web.streams import Json


def report(picture: Picture, now_ms: int) -> tuple[bool, Json]:
    """Healthy or not, and the checks behind it.

    Each check has ``status`` ``pass``, ``warn`` or ``fail`` and a ``reason`` when it is not ``pass``; one
    ``fail`` makes the whole unhealthy. Feeds are counted, not named: the report needs no token.
    """
    checks = {
        "redis": _redis(picture, now_ms),
        "workers": _workers(picture, now_ms),
        "catalogue": _catalogue(picture),
        "captures": _captures(picture),
    }
    statuses = {check["status"] for check in checks.values()}
    worst = next(status for status in ("fail", "warn", "pass") if status in statuses)
    return worst != "fail", {"status": worst, "checks": checks}


def _check(status: str, reason: str | None = None, **figures: Any) -> Json:
    return {"status": status, "reason": reason, **figures}


def _redis(picture: Picture, now_ms: int) -> Json:
    age = None if picture.refreshed_ms is None else now_ms - picture.refreshed_ms
    if picture.redis_error is not None:
        return _check("fail", "Redis does not answer", answered_ms_ago=age)
    return _check("pass", answered_ms_ago=age)


def _workers(picture: Picture, now_ms: int) -> Json:
    alive = picture.workers_alive(now_ms)
    ages = [now_ms - at for info in picture.workers.values() if (at := parse.integer(info.get("at_ms"))) is not None]
    figures: dict[str, Any] = {"alive": len(alive), "newest_heartbeat_ms_ago": min(ages, default=None)}
    if not alive and picture.shown:
        return _check("fail", "no worker has given a sign of life lately", **figures)
    if not alive:
        return _check("warn", "no worker runs, and there is no feed for one yet", **figures)
    return _check("pass", **figures)


def _catalogue(picture: Picture) -> Json:
    generation = catalogue.summary(picture.catalogue)["generation"]
    if generation is None:
        return _check("warn", "no catalogue is published yet", generation=None)
    return _check("pass", generation=generation)


def _captures(picture: Picture) -> Json:
    health = Counter(shown.view["health"] for shown in picture.shown.values())
    stale = sum(shown.view["stale"] in ("capture", "both", "never") for shown in picture.shown.values())
    figures: dict[str, Any] = {
        "feeds": len(picture.shown),
        "stale": stale,
        **{key: health[key] for key in sorted(health)},
    }
    if picture.shown and stale == len(picture.shown):
        return _check("fail", "no feed has a living capture", **figures)
    if stale or health["down"]:
        return _check("warn", f"{max(stale, health['down'])} of {len(picture.shown)} feeds are down", **figures)
    return _check("pass", **figures)
