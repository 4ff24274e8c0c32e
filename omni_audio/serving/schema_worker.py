"""The process that tries to compile JSON schemas: `python -m omni_audio.serving.schema_worker SOCKET_FD`.

Each check is made by a copy of the process that has only so much processor time and memory, so that one which runs out
of them costs no new start, and what a compiled schema takes can be measured. It holds no key, no weights and no file,
can open neither files nor sockets, and loads no PyTorch.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from omni_audio.model.form_compiler import FormCompiler
from omni_audio.serving.framing import READY, receive_message, send_message

_NUM_STANDARD_FILES = 3
"""All are open, so that no other can be opened; one of them is replaced."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Answers requests until the other side closes the socket."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    statm, nowhere = os.open("/proc/self/statm", os.O_RDONLY), os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(EOFError, OSError):
        compiler = _compiler(*receive_message(connection))
        for limited, most in (
            (resource.RLIMIT_NOFILE, _NUM_STANDARD_FILES),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(limited, (most, most))
        send_message(connection, READY, b"")
        while True:
            request, data = receive_message(connection)
            size_bytes = int(os.pread(statm, 200, 0).split()[0]) * _PAGE_BYTES
            pid = os.fork()
            if pid == 0:
                _answer(connection, compiler, request, data, size_bytes, nowhere)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if status != 0:
                what = "time" if -status == signal.SIGPROF else "memory"
                send_message(connection, {"ran_out": what}, b"")


def _compiler(header: dict[str, Any], data: bytearray) -> FormCompiler:
    """A compiler that works: nothing is left to be loaded later."""
    tokens = _cut(data, header["sizes"])
    single = {token[0]: index for index, token in enumerate(tokens) if len(token) == 1}
    compiler = FormCompiler(tokens, lambda text: [single.get(byte, 0) for byte in text.encode()])
    compiler.compile('{"type": "object"}')
    return compiler


def _cut(data: bytearray, sizes: Sequence[int]) -> list[bytes]:
    return [bytes(data[end - size : end]) for size, end in zip(sizes, accumulate(sizes), strict=True)]


def _answer(
    connection: socket.socket,
    compiler: FormCompiler,
    request: dict[str, Any],
    data: bytearray,
    size_bytes: int,
    nowhere: int,
) -> None:
    """What the copy does before it ends.

    Args:
        connection: where the answer goes.
        compiler: works.
        request: `sizes` of the schemas, `timeout_s`, `memory_limit_bytes`.
        data: the schemas, one behind the other.
        size_bytes: address space of the process as it is.
        nowhere: takes what is said of failed allocations.
    """
    status = 1
    try:
        os.dup2(nowhere, 2)
        schemas = _cut(data, request["sizes"])
        signal.setitimer(signal.ITIMER_PROF, request["timeout_s"])
        before_bytes = _peak_bytes()
        limit_bytes = size_bytes + request["memory_limit_bytes"]
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
        reason = compiler.compile(schemas[0].decode())[1]
        answer = {"num_bytes": _peak_bytes() - before_bytes, "index": 0, "reason": reason}
        for index, schema in enumerate(schemas[1:], start=1):
            reason = compiler.compile(schema.decode())[1]
            if reason:
                answer |= {"index": index, "reason": reason}
                break
        signal.setitimer(signal.ITIMER_PROF, 0)
        send_message(connection, answer, b"")
        status = 0
    finally:
        os._exit(status)


def _peak_bytes() -> int:
    """The most memory that this process held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
