"""A server with compiled decode steps: made and warm before the first request, refused where nothing can compile."""

from functools import partial
from pathlib import Path

import pytest
import torch._inductor.config

from omni_audio.cli import main
from omni_audio.model.assistant import Assistant
from omni_audio.model.compiled import CompiledSteps
from omni_audio.serving import service
from omni_audio.serving.settings import ServerConfig


def test_steps_are_warm_before_the_engine_starts(tiny_build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warmed: list[tuple[object, ...]] = []
    warm_up = CompiledSteps.warm_up

    def seen(steps: CompiledSteps, *given: object) -> float:
        warmed.append(given)
        return warm_up(steps, 1)

    monkeypatch.setattr(CompiledSteps, "warm_up", seen)
    monkeypatch.setattr(service, "CompiledSteps", partial(CompiledSteps, backend="eager"))
    assistant = Assistant.load(tiny_build)
    config = ServerConfig(build=tiny_build, num_slots=3, compile=True)
    steps = service.ChatService(assistant, config).engine._generator.steps
    assert isinstance(steps, CompiledSteps)
    assert steps.model is assistant.model
    assert warmed == [(3, config.kv_format)]
    torch._dynamo.reset()
    assert service.ChatService(assistant, ServerConfig(build=tiny_build)).engine._generator.steps is None


def test_a_missing_compiler_is_one_line(tiny_build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["serve", f"build={tiny_build}", "server.port=0", "runtime.device=cpu", "runtime.compile=true"]
    with torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler")}):
        assert main.main(words) == main.EXIT_USER_ERROR
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "runtime.compile = True is not allowed" in said
    assert "apt-get install g++" in said
