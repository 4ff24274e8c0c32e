"""Loads a build and serves it."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

from omni_audio.model.assistant import Assistant
from omni_audio.serving.app import create_app
from omni_audio.serving.service import ChatService
from omni_audio.serving.settings import ServerConfig

SHUTDOWN_TIMEOUT_S = 5


def build_app(config: ServerConfig, assistant: Assistant | None = None) -> FastAPI:
    """Builds the ASGI app, for uvicorn or any other server.

    Args:
        config: of the server.
        assistant: the build if it is in memory already; otherwise it is loaded from `config.build`.
    """
    return create_app(ChatService(assistant or Assistant.load(config.build, config.weight_quant), config))


def make_server(config: ServerConfig, assistant: Assistant | None = None) -> uvicorn.Server:
    """Makes a uvicorn server that was not started yet."""
    options = uvicorn.Config(
        build_app(config, assistant),
        host=config.host,
        port=config.port,
        lifespan="on",
        log_level="info",
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
    return uvicorn.Server(options)


def serve(config: ServerConfig) -> None:
    """Serves until a signal ends it."""
    make_server(config).run()
