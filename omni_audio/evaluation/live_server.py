"""The real server in a process of its own, on this machine alone."""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from omni_audio.evaluation.resident import rss_mib_of

HOST = "127.0.0.1"
START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 20.0
LAST_CHARS = 2000


@dataclass(slots=True)
class LiveServer:
    """A server that answers."""

    url: str
    process: subprocess.Popen[bytes]

    def rss_mib(self) -> float | None:
        """MiB that the server and its workers hold now."""
        return rss_mib_of(self.process.pid)


@contextlib.contextmanager
def live_server(build: Path, overrides: Sequence[str]) -> Iterator[LiveServer]:
    """Starts `omni-audio serve` on a free port of 127.0.0.1, waits until it is ready, and ends it afterwards.

    Args:
        build: its folder.
        overrides: of the configuration, host and port excepted.

    Raises:
        RuntimeError: it ended or was not ready in time; with the end of what it wrote.
    """
    port = _free_port()
    command = [
        sys.executable, "-m", "omni_audio.cli.main", "serve", f"build={build.resolve()}",
        f"server.host={HOST}", f"server.port={port}", *overrides,
    ]  # fmt: skip
    with tempfile.TemporaryFile() as written:
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT)
        try:
            url = f"http://{HOST}:{port}"
            if not _is_ready(url, process):
                written.seek(0)
                said = written.read().decode("utf-8", "replace")[-LAST_CHARS:]
                raise RuntimeError(f"the server did not start: {said}")
            yield LiveServer(url, process)
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _is_ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline_s:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/ready", timeout=5).status_code == 200:
                return True
        time.sleep(0.2)
    return False
