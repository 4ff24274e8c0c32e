"""The same app on Ray Serve: replicas that come and go with the load, each with a build of its own.

Needs the extra `ray`. A client that leaves is told to the replica, as uvicorn tells it, so that its place gets free.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from fastapi import FastAPI

from omni_audio.checks import import_optional
from omni_audio.serving.settings import RayConfig, ServerConfig

APP_NAME = "omni-audio"
PROXY_CALLBACK = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
"""Variable by which Ray's HTTP proxies are told what to put around their answers."""

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
        return make_app()

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
        graceful_shutdown_timeout_s=config.drain_timeout_s,
    )
    ray_core.init(include_dashboard=False, log_to_driver=True)
    serve.start(http_options={"host": config.host, "port": config.port})
    serve.run(deployment.bind(), name=APP_NAME, route_prefix="/", blocking=True)
