"""Prometheus text from the picture at hand; a scrape never waits for Redis."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from recognizer.timeline import StreamState
from web import catalogue, parse
from web.hub import Hub, wall_ms
from web.live_route import LiveRoute


class WebCollector(Collector):
    """Turns the hub's picture and the live route's counts into metric families."""

    def __init__(self, hub: Hub, live: LiveRoute) -> None:
        self.hub = hub
        self.live = live

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from self._server()
        yield from self._streams()
        yield from self._workers()

    def _server(self) -> Iterator[Metric]:
        picture, hub = self.hub.picture, self.hub
        events = CounterMetricFamily(
            "recognizer_events", "Events followed since this web process started.", labels=["type"]
        )
        for kind, count in sorted(hub.events_by_type.items()):
            events.add_metric([kind], count)
        yield events
        yield _counter("recognizer_web_malformed_events", "Stream entries that are no event.", hub.malformed_events)
        dropped = CounterMetricFamily(
            "recognizer_web_clients_dropped",
            "Live connections this server ended, by reason.",
            labels=["reason"],
        )
        for reason, count in sorted(self.live.dropped.items()):
            dropped.add_metric([reason], count)
        yield dropped
        yield _gauge("recognizer_web_clients", "Live connections now.", self.live.connected)
        yield _gauge("recognizer_redis_up", "1 when Redis answered the last question.", picture.redis_error is None)
        yield _gauge("recognizer_events_seq", "Last sequence number in Redis.", picture.seq)
        behind = max(0, picture.seq - hub.ring.last_seq)
        yield _gauge("recognizer_web_events_behind", "Events in Redis this process has not read.", behind)
        yield _gauge("recognizer_web_era", "Times the event history was replaced.", hub.era)
        found = catalogue.summary(picture.catalogue)
        for name in ("generation", "tracks", "works"):
            if found[name] is not None:
                yield _gauge(f"recognizer_catalogue_{name}", f"Published catalogue: {name}.", found[name])

    def _streams(self) -> Iterator[Metric]:
        now_ms = wall_ms()
        state = GaugeMetricFamily("recognizer_stream_state", "1 for the state a feed is in.", labels=["feed", "state"])
        stale = GaugeMetricFamily("recognizer_stream_stale", "1 when a heartbeat is missing.", labels=["feed"])
        age = GaugeMetricFamily("recognizer_stream_last_audio_age_seconds", "Age of the newest audio.", labels=["feed"])
        lag = GaugeMetricFamily("recognizer_stream_lag_seconds", "Worker behind capture.", labels=["feed"])
        level = GaugeMetricFamily("recognizer_stream_level_dbfs", "Level of the newest audio.", labels=["feed"])
        index = GaugeMetricFamily("recognizer_stream_index_version", "Catalogue generation in use.", labels=["feed"])
        for feed, shown in sorted(self.hub.picture.shown.items()):
            view = shown.view
            for name in StreamState:
                state.add_metric([feed, name.value], float(view["state"] == name.value))
            stale.add_metric([feed], float(view["stale"] is not None))
            if view["last_audio_ms"] is not None:
                age.add_metric([feed], max(0, now_ms - view["last_audio_ms"]) / 1000)
            if view["lag_ms"] is not None:
                lag.add_metric([feed], view["lag_ms"] / 1000)
            if view["level_dbfs"] is not None:
                level.add_metric([feed], view["level_dbfs"])
            if view["index_version"] is not None:
                index.add_metric([feed], view["index_version"])
        yield from (state, stale, age, lag, level, index)

    def _workers(self) -> Iterator[Metric]:
        alive = self.hub.picture.workers_alive(wall_ms())
        yield _gauge("recognizer_workers", "Workers with a fresh heartbeat.", len(alive))
        feeds = GaugeMetricFamily("recognizer_worker_feeds", "Feeds a worker serves.", labels=["worker"])
        embed = GaugeMetricFamily("recognizer_worker_embed_seconds", "Time of its last batch.", labels=["worker"])
        generation = GaugeMetricFamily("recognizer_worker_generation", "Its catalogue generation.", labels=["worker"])
        for worker, info in sorted(alive.items()):
            served = info.get("feeds")
            count = len(served) if isinstance(served, list) else parse.number(served)
            milliseconds = parse.number(info.get("embed_ms"))
            known = parse.number(info.get("generation"))
            if count is not None:
                feeds.add_metric([worker], count)
            if milliseconds is not None:
                embed.add_metric([worker], milliseconds / 1000)
            if known is not None:
                generation.add_metric([worker], known)
        yield from (feeds, embed, generation)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value=value)


def render(hub: Hub, live: LiveRoute) -> bytes:
    """The text of ``/metrics``."""
    registry = CollectorRegistry()
    registry.register(WebCollector(hub, live))
    return generate_latest(registry)
