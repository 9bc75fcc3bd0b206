"""Tasks end when they are told to, also where a library loses the first telling."""

from __future__ import annotations

import asyncio
import random

from web import tasks
from web.hub import Hub
from web.settings import Settings
from web.store import Store


def test_a_cancellation_that_gets_lost_is_repeated():
    async def deaf_once() -> str:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            await asyncio.sleep(600)
        return "never"

    async def failing() -> None:
        raise ValueError("not for whoever ends it")

    async def scene() -> list[asyncio.Task[object]]:
        running: list[asyncio.Task[object]] = [asyncio.create_task(part()) for part in (deaf_once, failing, deaf_once)]
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await tasks.end(running)
        return running

    first, failed, last = asyncio.run(scene())
    assert first.cancelled() and last.cancelled()
    assert isinstance(failed.exception(), ValueError)


def test_a_hub_stops_at_any_moment(stage, shared_redis):
    """Often enough to meet the moment at which a command to Redis is just done."""
    for number in range(3):
        stage.feed(f"f{number}").beat()

    async def live(seconds: float) -> None:
        hub = Hub(Settings(shared_redis.url, prefix=stage.prefix), Store(shared_redis.url, stage.prefix))
        hub.start()
        await asyncio.sleep(seconds)
        await hub.stop()

    async def scene() -> None:
        dice = random.Random(3)
        async with asyncio.timeout(60):
            for _ in range(5):
                await asyncio.gather(*(live(dice.uniform(0, 0.3)) for _ in range(40)))

    asyncio.run(scene())
