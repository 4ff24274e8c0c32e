"""Loads a build and serves it."""

from __future__ import annotations

import asyncio
import logging
import math
import socket

import torch
import uvicorn
from fastapi import FastAPI

from omni_audio.checks import NotAllowedError
from omni_audio.model.assistant import Assistant
from omni_audio.serving.app import create_app
from omni_audio.serving.http_protocol import ConnectionLimits, protocol_within
from omni_audio.serving.service import ChatService
from omni_audio.serving.settings import ServerConfig

logger = logging.getLogger(__name__)

ENGINE_FAILED_STATUS = 70
"""Exit status of a server whose engine has ended by itself (EX_SOFTWARE)."""

LAST_WORDS_S = 2
"""For what is sent of answers that were not over when the time to drain was."""


class DrainingServer(uvicorn.Server):
    """Lets answers go on for a while when it is told to stop; those that have not ended then end with an error.

    Args:
        config: of uvicorn.
        service: whose answers they are.
    """

    def __init__(self, config: uvicorn.Config, service: ChatService) -> None:
        super().__init__(config)
        self._service = service
        self._has_failed = False

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves until it is told to stop.

        Raises:
            SystemExit: the engine ended before that; what watches over the process should start it anew.
        """
        super().run(sockets)
        if self._has_failed:
            raise SystemExit(ENGINE_FAILED_STATUS)

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop: it was told to, or the engine has ended without having been told."""
        if not self._service.engine.is_ready:
            logger.critical("the engine has ended: the server ends with status %d", ENGINE_FAILED_STATUS)
            self._has_failed = True
            return True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes the port, waits for the answers, and ends the app."""
        drain_timeout_s = self._service.config.drain_timeout_s
        ending = asyncio.get_running_loop().call_later(drain_timeout_s, self._service.shut)
        try:
            await super().shutdown(sockets)
        finally:
            ending.cancel()


def require_free_port(host: str, port: int) -> None:
    """Raises ValueError where the server could not listen; ask before a build is loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        allowed = f"an address and port to listen on ({error.strerror or error})"
        raise NotAllowedError(
            "server", f"{host}:{port}", allowed, "Set server.port or server.host."
        ) from error


def build_app(
    config: ServerConfig, assistant: Assistant | None = None, device: torch.device | str = "cpu"
) -> FastAPI:
    """Builds the ASGI app, for uvicorn or any other server.

    Args:
        config: of the server.
        assistant: the build if it is in memory already; otherwise it is loaded from `config.build`.
        device: where it computes if it is loaded here.
    """
    if assistant is None:
        assistant = Assistant.load(config.build, config.weight_quant, device=device)
    return create_app(ChatService(assistant, config))


def make_server(
    config: ServerConfig, assistant: Assistant | None = None, device: torch.device | str = "cpu"
) -> uvicorn.Server:
    """Makes a uvicorn server that was not started yet."""
    app = build_app(config, assistant, device)
    limits = ConnectionLimits(
        head_limit_bytes=config.head_limit_bytes,
        head_timeout_s=config.head_timeout_s,
        send_timeout_s=config.send_timeout_s,
    )
    options = uvicorn.Config(
        app,
        host=config.host,
        port=config.port,
        lifespan="on",
        log_level="info",
        http=protocol_within(limits, app.state.service.metrics),
        ws="none",
        access_log=False,  # omni_audio.serving.access_log writes a line of its own
        timeout_keep_alive=math.ceil(config.keep_alive_s),
        timeout_graceful_shutdown=math.ceil(config.drain_timeout_s) + LAST_WORDS_S,
    )
    return DrainingServer(options, app.state.service)


def serve(config: ServerConfig, device: torch.device | str = "cpu") -> None:
    """Serves until a signal ends it."""
    make_server(config, device=device).run()
