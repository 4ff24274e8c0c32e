"""How a server on Ray Serve ends: its replicas end their answers in time; needs no Ray."""

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI

from omni_audio.serving import ray_serve
from omni_audio.serving.settings import RayConfig, ServerConfig


@dataclass
class Service:
    """Notes when its answers are ended."""

    config: ServerConfig
    told: list[str] = field(default_factory=list)

    def shut(self):
        self.told.append("shut")


def app_of(service):
    @contextlib.asynccontextmanager
    async def lifespan(_):
        service.told.append("start")
        yield
        service.told.append("stop")

    app = FastAPI(lifespan=lifespan)
    app.state.service = service
    return app


@pytest.mark.parametrize("ends", [True, False])
def test_a_replica_ends_its_answers_when_the_server_stops_and_their_time_is_over(monkeypatch, ends):
    monkeypatch.setattr(ray_serve, "STATUS_PERIOD_S", 0.01)
    service = Service(ServerConfig(build=Path("x"), drain_timeout_s=0.2))
    app = app_of(service)
    statuses = iter([False, False])
    asked_s = []

    def is_ending():
        asked_s.append(time.monotonic())
        return next(statuses, ends)

    async def live():
        ray_serve.watch_for_the_end(app, is_ending)
        async with app.router.lifespan_context(app):
            for _ in range(100):
                if "shut" in service.told:
                    return time.monotonic()
                await asyncio.sleep(0.01)
        return None

    ended_s = asyncio.run(live())
    assert len(asked_s) >= 3
    assert service.told == (["start", "shut", "stop"] if ends else ["start", "stop"])
    if ended_s is not None:
        assert ended_s - asked_s[2] >= 0.2


class RayServe:
    """Ray Serve, as far as serve_on_ray() calls it: it runs until a signal comes, and deletes at the second asking."""

    def __init__(self):
        self.told, self.options = [], {}

    def ingress(self, make):
        return lambda: make

    def deployment(self, make, **options):
        self.options = options
        return SimpleNamespace(bind=lambda: make)

    def start(self, **_):
        """Nothing to start."""

    def run(self, *_, **__):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        self.told.append("ran on")

    def delete(self, name):
        self.told.append(name)
        if len(self.told) == 1:
            raise TimeoutError


def test_sigterm_deletes_the_app_and_waits_for_it(monkeypatch):
    serve, ray_core = RayServe(), SimpleNamespace(init=lambda **_: None)
    monkeypatch.setattr(
        ray_serve, "import_optional", lambda name, *_: serve if name == "ray.serve" else ray_core
    )
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray_serve.serve_on_ray(ServerConfig(build=Path("x")), RayConfig(downscale_drain_s=50), FastAPI)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert serve.told == [ray_serve.APP_NAME] * 2
    assert serve.options["graceful_shutdown_timeout_s"] == 50
