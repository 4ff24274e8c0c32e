"""README examples of the server run as they stand against a real server; files go to a new folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sound_files import muxed, tone

from omni_audio.audio.io import load_audio

ROOT = Path(__file__).resolve().parents[2]
README_URL = "http://127.0.0.1:8000"
PLAYER = '#!/bin/sh\necho "$@" > played.args\ncat > played.pcm\n'


def examples(language):
    """The blocks of a language between the headings of the server and of the playground."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("### Server\n") : text.index("### Playground\n")]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    """A folder with the sound files of the examples, and a player that keeps what it is given."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (tmp_path / "caller.ulaw").write_bytes(muxed("mulaw", "pcm_mulaw", tone(8_000, 8_000), 8_000))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "aplay").write_text(PLAYER)
    (programs / "aplay").chmod(0o755)
    return tmp_path


def run(command, folder, **environment):
    path = f"{folder / 'programs'}:{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path, **environment},
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_python_examples_run(server_url, folder):
    blocks = examples("python")
    assert len(blocks) == 4
    (folder / "examples.py").write_text("\n".join(blocks).replace(README_URL, server_url))
    printed = run([sys.executable, "examples.py"], folder)
    assert "set_timer {" in printed
    assert re.search(r"^ +\d\.\d\d +\d\.\d\d  \S", printed, re.MULTILINE), "times of words"
    assert len(load_audio(folder / "reply.wav")) > 0
    assert (folder / "played.args").read_text().split() == [
        "-q",
        "-t",
        "raw",
        "-f",
        "S16_LE",
        "-r",
        "24000",
        "-c",
        "1",
    ]
    assert len((folder / "played.pcm").read_bytes()) > 1000
    assert len((folder / "callee.ulaw").read_bytes()) > 160


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_examples_run(server_url, folder):
    serving, asking = examples("sh")
    assert serving == "omni-audio serve server.port=8000\n"
    printed = run(["bash", "-e", "-c", asking.replace(README_URL, server_url)], folder)
    assert '"object":"chat.completion"' in printed
    assert " --> " in printed
    assert '"error"' not in printed
    assert len(load_audio(folder / "light.mp3")) > 0


def test_node_example_runs(openai_for_node, server_url, folder):
    node, package = openai_for_node
    (block,) = examples("js")
    (folder / "ask.mjs").write_text(block.replace(README_URL, server_url))
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "openai").symlink_to(package)
    run([node, "ask.mjs"], folder)
    assert len((folder / "reply.pcm").read_bytes()) > 1000
