"""Messages between the server and its worker processes: a header as JSON, then bytes, over a socket."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

READY = {"is_ready": True}
"""Header of the first message that a worker process sends."""

_SIZES = struct.Struct("<II")
_SLICE_BYTES = 2**20


def send_message(
    connection: socket.socket,
    header: dict[str, Any],
    data: bytes | memoryview,
    deadline_s: float | None = None,
) -> None:
    """Sends a message.

    Args:
        connection: a stream socket.
        header: what JSON can hold.
        data: below 4 GiB.
        deadline_s: monotonic time at which to give up; None never does.

    Raises:
        TimeoutError: the deadline is over; the connection is of no use any more.
        OSError: the other side is gone.
    """
    head = json.dumps(header).encode()
    rest = memoryview(data).cast("B")
    _until(connection, deadline_s)
    connection.sendall(_SIZES.pack(len(head), len(rest)) + head)
    while rest:
        _until(connection, deadline_s)
        rest = rest[connection.send(rest[:_SLICE_BYTES]) :]


def receive_message(
    connection: socket.socket, deadline_s: float | None = None
) -> tuple[dict[str, Any], bytearray]:
    """Waits for a message: its header and its bytes.

    Args:
        connection: a stream socket.
        deadline_s: monotonic time at which to give up; None never does.

    Raises:
        TimeoutError: the deadline is over; the connection is of no use any more.
        EOFError: the other side is gone.
    """
    num_head_bytes, num_data_bytes = _SIZES.unpack(_receive(connection, _SIZES.size, deadline_s))
    header = json.loads(_receive(connection, num_head_bytes, deadline_s))
    return header, _receive(connection, num_data_bytes, deadline_s)


def _receive(connection: socket.socket, num_bytes: int, deadline_s: float | None) -> bytearray:
    data = bytearray(num_bytes)
    rest = memoryview(data)
    while rest:
        _until(connection, deadline_s)
        num_received = connection.recv_into(rest)
        if num_received == 0:
            raise EOFError("the other side closed the connection")
        rest = rest[num_received:]
    return data


def _until(connection: socket.socket, deadline_s: float | None) -> None:
    if deadline_s is None:
        return
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("the deadline is over")
    connection.settimeout(left_s)
