"""omni-audio transcribe: text, and formats with times, of a tiny build."""

import json
import re

import pytest
import torch
from sound_files import encoded

from omni_audio.cli.main import main
from omni_audio.model.assistant import Assistant


@pytest.fixture
def clip(tmp_path):
    generator = torch.Generator().manual_seed(0)
    path = tmp_path / "noise.wav"
    path.write_bytes(
        encoded("WAV", pcm=(torch.randn(24_000, generator=generator) * 0.1).numpy(), subtype="FLOAT")
    )
    return path


def written(capsys, *words):
    assert main(["transcribe", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_every_format_has_the_words_of_the_network(tiny_build, clip, capsys, monkeypatch):
    said = "turn on the light"
    monkeypatch.setattr("omni_audio.model.assistant.Assistant.stream", _saying(said))
    build = ("--build", tiny_build)
    assert written(capsys, clip, *build) == said + "\n"
    assert written(capsys, clip, clip, *build) == f"{clip}\t{said}\n" * 2
    found = json.loads(written(capsys, clip, *build, "--format", "json"))
    assert (found["file"], found["text"], found["duration"]) == (str(clip), said, 1.5)
    assert found["finish_reason"] == "length"
    assert [word["word"] for word in found["words"]] == said.split()
    times = [time for word in found["words"] for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= 1.5
    srt = written(capsys, clip, *build, "--format", "srt")
    assert re.fullmatch(r"(\d+\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n[a-z ]+\n\n?)+", srt)
    vtt = written(capsys, clip, *build, "--format", "vtt")
    assert vtt.startswith("WEBVTT\n\n00:00:0")
    lines = written(capsys, clip, clip, *build, "--format", "json").splitlines()
    assert [json.loads(line)["text"] for line in lines] == [said, said]


def _saying(text):
    from omni_audio.model.events import FinishReason
    from omni_audio.model.piece_decoder import Piece

    def stream(_: Assistant, prompt, request):
        yield Piece(text=f" {text}")
        yield Piece(reason=FinishReason.LENGTH)

    return stream


def test_subtitles_are_of_one_file(tiny_build, clip, capsys):
    assert main(["transcribe", str(clip), str(clip), "--build", str(tiny_build), "--format", "srt"]) != 0
    assert (
        "--format = 'srt' is not allowed: expected text or json for several files" in capsys.readouterr().err
    )
