"""The same app on Ray Serve: replicas that come and go with the load, each with a build of its own.

Needs the extra `ray`. A client that leaves is told to the replica, as uvicorn tells it, so that its place gets free.
Ray ends a replica once it has no requests any more, and tells it nothing before. So where the server is stopped each
replica ends its answers by itself when their time is over, and where the load falls Ray waits long enough for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from types import FrameType, ModuleType

from fastapi import FastAPI

from omni_audio.checks import import_optional
from omni_audio.serving.service import ChatService
from omni_audio.serving.settings import RayConfig, ServerConfig

APP_NAME = "omni-audio"
PROXY_CALLBACK = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
"""Variable by which Ray's HTTP proxies are told what to put around their answers."""

STATUS_PERIOD_S = 2.0
"""How often a replica asks whether the server is being stopped."""

logger = logging.getLogger(__name__)

_UNCOUNTED_REQUESTS = 16
"""Places of a replica for requests that take none of the engine's: models, health, metrics."""


def serve_on_ray(config: ServerConfig, ray: RayConfig, make_app: Callable[[], FastAPI]) -> None:
    """Serves until a signal ends it, on the cluster that RAY_ADDRESS names or on one of this machine alone.

    Args:
        config: of the server; its host and port are those of Ray's proxies.
        ray: of the replicas.
        make_app: loads the build and gives the app; called in each replica, so it must be one that can be sent there.

    Raises:
        ValueError: Ray is not installed.
    """
    # Before Ray is loaded: it reads this once. Proxies of a cluster that runs already need it in their own environment.
    os.environ.setdefault(PROXY_CALLBACK, "omni_audio.serving.ray_proxy:proxy_middlewares")
    serve = import_optional("ray.serve", "server.ray", "ray")
    ray_core = import_optional("ray", "server.ray", "ray")

    def make_replica() -> FastAPI:
        app = make_app()
        watch_for_the_end(app, is_being_deleted)
        return app

    deployment = serve.deployment(
        serve.ingress(make_replica)(),
        name=APP_NAME,
        max_ongoing_requests=config.num_slots + config.queue_limit + _UNCOUNTED_REQUESTS,
        max_queued_requests=ray.queue_limit,
        autoscaling_config={
            "min_replicas": ray.min_replicas,
            "max_replicas": ray.max_replicas,
            "target_ongoing_requests": ray.target_requests,
            "upscale_delay_s": ray.upscale_delay_s,
            "downscale_delay_s": ray.downscale_delay_s,
        },
        ray_actor_options={"num_cpus": ray.num_cpus, "num_gpus": ray.num_gpus},
        graceful_shutdown_timeout_s=max(ray.downscale_drain_s, config.drain_timeout_s),
    )
    ray_core.init(include_dashboard=False, log_to_driver=True)
    signal.signal(signal.SIGTERM, _interrupt)
    serve.start(http_options={"host": config.host, "port": config.port})
    try:
        serve.run(deployment.bind(), name=APP_NAME, route_prefix="/", blocking=True)
    except KeyboardInterrupt:
        logger.info("stopping; answers have %g s to end", config.drain_timeout_s)
    finally:
        _delete(serve, config.drain_timeout_s)


def watch_for_the_end(app: FastAPI, is_ending: Callable[[], bool]) -> None:
    """Lets the app of a replica end its answers by an error when the server is stopped and their time is over.

    Args:
        app: of a ChatService.
        is_ending: whether the server is being stopped; may take its time.
    """
    inside = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(asgi: FastAPI) -> AsyncIterator[None]:
        async with inside(asgi):
            watching = asyncio.create_task(_end_answers(app.state.service, is_ending))
            try:
                yield
            finally:
                watching.cancel()

    app.router.lifespan_context = lifespan


async def _end_answers(service: ChatService, is_ending: Callable[[], bool]) -> None:
    while not await asyncio.to_thread(is_ending):
        await asyncio.sleep(STATUS_PERIOD_S)
    await asyncio.sleep(service.config.drain_timeout_s)
    service.shut()


def is_being_deleted() -> bool:
    """Whether Ray Serve deletes the app, in whose replica this is asked; what cannot be known is no."""
    serve = import_optional("ray.serve", "server.ray", "ray")
    errors = import_optional("ray.exceptions", "server.ray", "ray")
    try:
        app = serve.status().applications.get(APP_NAME)
    except (errors.RayError, serve.exceptions.RayServeException) as error:
        logger.warning("Ray Serve does not tell its status: %s", error)
        return False
    return app is not None and app.status.value == "DELETING"


def _delete(serve: ModuleType, drain_timeout_s: float) -> None:
    """Waits until the replicas are gone, for which Ray has a time of its own."""
    deadline_s = time.monotonic() + drain_timeout_s
    while True:
        try:
            return serve.delete(APP_NAME)
        except TimeoutError:
            if time.monotonic() > deadline_s:
                raise


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
