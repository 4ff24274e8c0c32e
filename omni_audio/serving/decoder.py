"""Decodes what clients send in a process of its own, which is started again where it ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

import omni_audio
from omni_audio.serving.framing import receive_message, send_message
from omni_audio.serving.settings import DecoderConfig

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
PASSED_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "PYTHONHOME", "PYTHONPATH")
"""Of the environment, the process gets these alone: no keys."""

_SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL})
"""Signals by which a process ends that runs into a fault of its own."""


class ClipRefusedError(ValueError):
    """The clip cannot be decoded; the text may be shown to the client."""


class DecoderGoneError(RuntimeError):
    """The process ended while it decoded, and not by what the clip did to it."""


class Decoder:
    """The process and what it is asked; clips wait for each other.

    It starts with the first clip, or with start(). Use it from any thread.

    Args:
        config: limits of the process.
        on_restart: called whenever it had to be started again.
    """

    def __init__(self, config: DecoderConfig, on_restart: Callable[[], None] = lambda: None) -> None:
        self._config = config
        self._on_restart = on_restart
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._is_ready = False

    def start(self) -> None:
        """Starts the process, if there is none, and does not wait for it."""
        with self._lock:
            self._running()

    def stop(self) -> None:
        """Ends the process; waits for a clip that is being decoded."""
        with self._lock:
            self._end(waits=False)

    def decode(
        self, data: bytes, declared_format: str | None, max_duration_s: float
    ) -> npt.NDArray[np.float32]:
        """Decodes the bytes of a clip as 16 kHz mono.

        Args:
            data: a whole sound.
            declared_format: as of `audio.clip.decode_clip`.
            max_duration_s: the longest clip that is taken, above 0.

        Returns:
            (S,) float32.

        Raises:
            ClipRefusedError: it is not sound, of another type than declared, too large, too long, takes too much time
                or memory, or breaks the decoder.
            DecoderGoneError: the process was ended from outside.
        """
        limit_bytes = self._config.clip_limit_bytes
        if len(data) > limit_bytes:
            raise ClipRefusedError(f"it has {len(data)} bytes; allowed: {limit_bytes}. Send less sound.")
        request = {"format": declared_format, "max_duration_s": max_duration_s}
        with self._lock:
            connection = self._ready()
            deadline_s = time.monotonic() + self._config.timeout_s
            try:
                send_message(connection, request, data, deadline_s)
                answer, samples = receive_message(connection, deadline_s)
            except TimeoutError:
                self._replace(waits=False)
                limit = f"{self._config.timeout_s:g} s"
                raise ClipRefusedError(f"decoding it takes longer than {limit}. Send less sound.") from None
            except (EOFError, OSError) as error:
                status = self._replace()
                if -status in _CRASHES:
                    raise ClipRefusedError("it breaks the decoder. Convert it, for example to wav.") from None
                raise DecoderGoneError(f"the decoder process ended with status {status}") from error
        if "refusal" in answer:
            raise ClipRefusedError(answer["refusal"])
        return np.frombuffer(samples, dtype=np.float32)

    def _running(self) -> socket.socket:
        """The connection to a process that runs, perhaps a new one."""
        if self._process is not None and self._process.poll() is not None:
            logger.warning("the decoder process ended with status %d while it was idle", self._end())
            self._on_restart()
        if self._connection is None:
            self._process, self._connection = _started(self._config)
            self._is_ready = False
        return self._connection

    def _ready(self) -> socket.socket:
        """The connection to a process that takes clips."""
        connection = self._running()
        if not self._is_ready:
            try:
                receive_message(connection, time.monotonic() + START_TIMEOUT_S)
            except (EOFError, OSError) as error:
                status = self._replace(waits=not isinstance(error, TimeoutError))
                raise DecoderGoneError(
                    f"the decoder process did not start; its status is {status}"
                ) from error
            self._is_ready = True
        return connection

    def _replace(self, *, waits: bool = True) -> int:
        """Ends the process, starts another without waiting for it, and returns the old one's status."""
        status = self._end(waits=waits)
        logger.warning("the decoder process is started again; the last one ended with status %d", status)
        self._on_restart()
        self._running()
        return status

    def _end(self, *, waits: bool = True) -> int:
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if process is None or connection is None:
            return 0
        connection.close()
        if waits:
            try:
                return process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                logger.warning("the decoder process did not end by itself")
        process.kill()
        return process.wait()


def _started(config: DecoderConfig) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    environment = {name: os.environ[name] for name in PASSED_VARIABLES if name in os.environ} | _SINGLE_THREAD
    package_root = str(Path(omni_audio.__file__).parent.parent)
    search = [package_root, environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, search))
    command = [sys.executable, "-m", "omni_audio.serving.decoder_worker"]
    with theirs:
        process = subprocess.Popen(
            [*command, str(theirs.fileno()), str(config.memory_limit_mib)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C is for the server, which ends this process itself
        )
    return process, ours
