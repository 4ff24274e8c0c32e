"""`runtime.device` reaches whatever loads a build."""

import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from omni_audio.cli import main
from omni_audio.cli.assistants import load_assistant
from omni_audio.evaluation import harness
from omni_audio.evaluation.assistant_subject import AssistantSubject
from omni_audio.model.assistant import Assistant
from omni_audio.serving import server
from omni_audio.serving.settings import ServerConfig
from omni_audio.tokenizer.tokenizer import AudioCodes
from omni_audio.training import runtime

CHOSEN = torch.device("meta")


class LoadedError(Exception):
    """The build was asked for; there is no need to load it."""


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The devices that builds were asked for on; the runtime always chooses one that no default is."""
    asked: list[Any] = []

    def load(build: Path, *_: Any, device: Any = "cpu", lora: Path | None = None) -> Assistant:
        asked.append(device)
        raise LoadedError

    monkeypatch.setattr(Assistant, "load", load)
    monkeypatch.setattr(runtime, "apply_runtime", lambda config: CHOSEN)
    return asked


def test_serve_loads_on_the_device_of_the_runtime(tiny_build: Path, devices: list[Any]) -> None:
    assert main.main(["serve", f"build={tiny_build}", "server.port=0"]) == main.EXIT_FAILED
    assert devices == [CHOSEN]


def test_a_port_that_is_taken_is_named_before_the_build_is_loaded(
    tiny_build: Path, devices: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main.main(["serve", f"build={tiny_build}", f"server.port={port}"]) == main.EXIT_USER_ERROR
    said = capsys.readouterr().err
    assert f"server = '127.0.0.1:{port}' is not allowed: expected an address and port to listen on" in said
    assert devices == []
    assert (
        main.main(["serve", f"build={tiny_build}", "server.host=no.such.host.invalid"])
        == main.EXIT_USER_ERROR
    )
    assert "server = 'no.such.host.invalid:8000' is not allowed" in capsys.readouterr().err


def test_eval_loads_on_the_device_of_the_runtime(
    tiny_build: Path, devices: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate(config: harness.EvalConfig, load: Any = harness.load_subject) -> None:
        load(Path(config.build), "nf4")

    monkeypatch.setattr(harness, "evaluate", evaluate)
    assert main.main(["eval", "experiment=tiny", f"build={tiny_build}"]) == main.EXIT_FAILED
    assert devices == [CHOSEN]


def test_servers_and_commands_hand_the_device_on(tiny_build: Path, devices: list[Any]) -> None:
    for load in (
        lambda: server.make_server(ServerConfig(build=tiny_build), device=CHOSEN),
        lambda: server.serve(ServerConfig(build=tiny_build), CHOSEN),
        lambda: load_assistant(tiny_build, device=CHOSEN),
    ):
        with pytest.raises(LoadedError):
            load()
    assert devices == [CHOSEN] * 3


def test_a_subject_moves_sound_to_its_model(tiny_build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = AssistantSubject.load(tiny_build, "none")
    subject.assistant.model.to("meta")
    given: list[torch.device] = []

    def encode(pcm_BS: torch.Tensor) -> AudioCodes:
        given.append(pcm_BS.device)
        return AudioCodes(torch.zeros(1, 2), torch.zeros(1, 2, 4))

    monkeypatch.setattr(subject.assistant.tokenizer, "encode", encode)
    assert subject.encode(torch.zeros(2560)).num_frames == 2
    assert given == [CHOSEN]
