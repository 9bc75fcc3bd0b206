"""Runs the application under uvicorn with bounded sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from web.app import create_app
from web.live import MAX_MESSAGE_BYTES
from web.settings import Settings
from web.sockets import ImpatientHttp, bounded_protocol

HTTP_CONNECTIONS_SPARE = 200


class WebServer(uvicorn.Server):
    """uvicorn that tells the address it really listens on (port 0 picks a free one)."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then say where."""
        await super().startup(sockets)
        if not self.started:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self._on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/")


def build_server(
    settings: Settings,
    on_ready: Callable[[str], None],
    *,
    log_level: str = "warning",
    trusted_proxies: str | None = None,
) -> WebServer:
    """A server ready to ``run()``.

    Raises
    ------
    recognizer.errors.UsageError
        When the settings are unsafe or cannot work.
    """
    app = create_app(settings)

    def count_cut() -> None:
        app.state.live.dropped["stalled"] += 1

    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=ImpatientHttp,
        ws=bounded_protocol(settings.write_stall_s, count_cut),
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        # Messages are small and many clients share them; compression would cost memory for each connection.
        ws_per_message_deflate=False,
        limit_concurrency=settings.max_clients + HTTP_CONNECTIONS_SPARE,
        timeout_graceful_shutdown=3,
        proxy_headers=trusted_proxies is not None,
        forwarded_allow_ips=trusted_proxies,
        server_header=False,
        access_log=False,
        log_level=log_level,
    )
    return WebServer(config, on_ready)
