"""A server that is a process of its own: what it takes of the machine, and what it answers."""

import contextlib
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from asking import MODEL, USER

from omni_audio.serving.settings import ServerConfig

START_TIMEOUT_S = 280.0
STOP_TIMEOUT_S = 20.0
KEYS = ("key-one", "key-two")
_SERVE = "import pickle, sys; from omni_audio.serving.server import serve; %s; serve(pickle.load(sys.stdin.buffer))"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class ServerProcess:
    """A server that runs; its first key opens `client`."""

    url: str
    process: subprocess.Popen[bytes]
    client: httpx.Client

    @property
    def pid(self) -> int:
        """The server's own process, not its decoder's."""
        return self.process.pid

    def chat(self, key: str = KEYS[0], **fields: object) -> httpx.Response:
        """Asks for a short answer; `fields` change or add to that."""
        body = {"model": MODEL, "messages": [USER], "max_tokens": 2, **fields}
        return self.client.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})

    def post(self, content: object, path: str = "/v1/chat/completions", **headers: str) -> httpx.Response:
        """Sends a body as it is, as JSON unless the headers say otherwise."""
        return self.client.post(
            path, content=content, headers={"content-type": "application/json", **headers}
        )

    def metrics(self) -> dict[str, float]:
        """Values of /metrics by name and labels, without the prefix."""
        text = self.client.get("/metrics").text
        found = re.findall(r"^omni_audio_(\w+)(?:\{(.*?)\})? ([0-9.e+-]+)$", text, re.MULTILINE)
        return {
            " ".join([name, *re.findall(r'"(.*?)"', labels)]): float(value) for name, labels, value in found
        }

    @property
    def pids(self) -> list[int]:
        """The server and its decoder."""
        children = [Path(task, "children").read_text() for task in Path(f"/proc/{self.pid}/task").iterdir()]
        return [self.pid, *map(int, " ".join(children).split())]

    @property
    def decoder_pid(self) -> int:
        """The process that decodes clips."""
        (pid,) = self.pids[1:]
        return pid

    def rss_mib(self) -> float:
        """Resident memory of all processes."""
        return sum(_status_kib(pid, "VmRSS") for pid in self.pids) / 1024

    def peak_mib(self) -> float:
        """The most that each process held since reset_peak(), added up."""
        return sum(_status_kib(pid, "VmHWM") for pid in self.pids) / 1024

    def reset_peak(self) -> None:
        """Lets peak_mib() begin again."""
        for pid in self.pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def cpu_s(self) -> float:
        """Processor time of all processes so far, which other work on the machine does not change."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids]
        return sum(int(each[11]) + int(each[12]) for each in fields) / _TICKS_PER_S


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running_server(
    build: Path, *, stops_itself: bool = False, broken_by: str = "pass", **options: object
) -> Iterator[ServerProcess]:
    """Runs a server with two keys on a free port of loopback until the end; it must live so long unless `stops_itself`.

    `broken_by` is Python that it runs first; further options are those of ServerConfig.
    """
    port = free_port()
    config = pickle.dumps(ServerConfig(build=build, port=port, **options))
    environment = {**os.environ, "OMNI_AUDIO_API_KEYS": ",".join(KEYS), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE % broken_by], stdin=subprocess.PIPE, env=environment
    )
    assert process.stdin is not None
    with process.stdin as stdin:
        stdin.write(config)
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, timeout=60, headers={"authorization": f"Bearer {KEYS[0]}"}) as client:
            deadline_s = time.monotonic() + START_TIMEOUT_S
            while not _is_ready(client):
                assert process.poll() is None, f"the server ended with status {process.returncode}"
                assert time.monotonic() < deadline_s, "the server did not start"
                time.sleep(0.1)
            yield ServerProcess(url, process, client)
            assert stops_itself or process.poll() is None, (
                f"the server ended with status {process.returncode}"
            )
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_ready(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/ready").status_code == 200
    return False


def _status_kib(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])
