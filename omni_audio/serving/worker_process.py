"""A process that works on what clients send, apart from the server; it is started again where it ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import omni_audio
from omni_audio.serving.framing import receive_message, send_message

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
PASSED_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "PYTHONHOME", "PYTHONPATH")
"""Of the environment, the process gets these alone: no keys."""

_SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL})
"""Signals by which a process ends that runs into a fault of its own."""


class WorkerGoneError(RuntimeError):
    """The process ended while it worked, or did not start."""


class WorkerCrashedError(WorkerGoneError):
    """What it was given made it crash."""


class WorkerProcess:
    """The process and what it is asked; requests wait for each other.

    It starts with the first request, or with start(). Use it from any thread.

    Args:
        module: what it runs: `python -m MODULE SOCKET_FD ARGUMENTS`.
        arguments: further ones.
        greeting: header and bytes of the message that it gets before all others; None sends none.
        on_restart: called whenever it had to be started again.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        greeting: tuple[dict[str, Any], bytes] | None = None,
        on_restart: Callable[[], None] = lambda: None,
    ) -> None:
        self._module = module
        self._arguments = list(arguments)
        self._greeting = greeting
        self._on_restart = on_restart
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._is_ready = False

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Starts the process, if there is none, and does not wait for it."""
        with self._lock:
            self._running()

    def stop(self) -> None:
        """Ends the process; waits for a request that it works on."""
        with self._lock:
            self._end(waits=False)

    def ask(self, request: dict[str, Any], data: bytes, timeout_s: float) -> tuple[dict[str, Any], bytearray]:
        """Sends a request and waits for the answer: header and bytes.

        Args:
            request: what JSON can hold.
            data: below 4 GiB.
            timeout_s: the longest time, a start of the process not counted.

        Raises:
            TimeoutError: it took longer; the process was ended, and another one starts.
            WorkerCrashedError: the process ended by a fault of its own.
            WorkerGoneError: it was ended from outside, or did not start.
        """
        with self._lock:
            connection = self._ready()
            deadline_s = time.monotonic() + timeout_s
            try:
                send_message(connection, request, data, deadline_s)
                return receive_message(connection, deadline_s)
            except TimeoutError:
                self._replace(waits=False)
                raise
            except (EOFError, OSError) as error:
                status = self._replace()
                gone = WorkerCrashedError if -status in _CRASHES else WorkerGoneError
                raise gone(f"{self._module} ended with status {status}") from error

    def _running(self) -> socket.socket:
        """The connection to a process that runs, perhaps a new one."""
        if self._process is not None and self._process.poll() is not None:
            logger.warning("%s ended with status %d while it was idle", self._module, self._end())
            self._on_restart()
        if self._connection is None:
            self._process, self._connection = _started(self._module, self._arguments)
            self._is_ready = False
        return self._connection

    def _ready(self) -> socket.socket:
        """The connection to a process that takes requests."""
        connection = self._running()
        if not self._is_ready:
            deadline_s = time.monotonic() + START_TIMEOUT_S
            try:
                if self._greeting is not None:
                    send_message(connection, *self._greeting, deadline_s)
                receive_message(connection, deadline_s)
            except (EOFError, OSError) as error:
                status = self._replace(waits=not isinstance(error, TimeoutError))
                raise WorkerGoneError(f"{self._module} did not start; its status is {status}") from error
            self._is_ready = True
        return connection

    def _replace(self, *, waits: bool = True) -> int:
        """Ends the process, starts another without waiting for it, and returns the old one's status."""
        status = self._end(waits=waits)
        logger.warning("%s is started again; the last one ended with status %d", self._module, status)
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
                logger.warning("%s did not end by itself", self._module)
        process.kill()
        return process.wait()


def _started(module: str, arguments: Sequence[str]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    environment = {name: os.environ[name] for name in PASSED_VARIABLES if name in os.environ} | _SINGLE_THREAD
    package_root = str(Path(omni_audio.__file__).parent.parent)
    search = [package_root, environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, search))
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C is for the server, which ends this process itself
        )
    return process, ours
