"""Loads a build and serves it."""

from __future__ import annotations

import socket

import torch
import uvicorn
from fastapi import FastAPI

from omni_audio.checks import NotAllowedError
from omni_audio.model.assistant import Assistant
from omni_audio.serving.app import create_app
from omni_audio.serving.service import ChatService
from omni_audio.serving.settings import ServerConfig

SHUTDOWN_TIMEOUT_S = 5


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
    options = uvicorn.Config(
        build_app(config, assistant, device),
        host=config.host,
        port=config.port,
        lifespan="on",
        log_level="info",
        access_log=False,  # omni_audio.serving.access_log writes a line of its own
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
    return uvicorn.Server(options)


def serve(config: ServerConfig, device: torch.device | str = "cpu") -> None:
    """Serves until a signal ends it."""
    make_server(config, device=device).run()
