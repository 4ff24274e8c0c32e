"""HTTP connections within bounds: what comes before a body, the time until it is there, and who does not read.

uvicorn's protocol on httptools bounds none of them: it takes headers for ever, and keeps what a reader does not take.
"""

from __future__ import annotations

import asyncio
import http
import socket
import struct
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from omni_audio.serving.errors import ApiError, head_too_large, invalid_http, late_head
from omni_audio.serving.metrics import ServerMetrics
from omni_audio.serving.middleware import new_request_id
from omni_audio.serving.request_count import UNKNOWN_ROUTE
from omni_audio.serving.request_parser import RequestParser, head_without_offer

HEADER_BYTES = 32
"""Counted for each header beside its name and value, as HTTP/2 counts them: it takes so much memory."""

MAX_PIPELINED = 8
"""Requests of one connection that may wait for the answer to the one before them, or be answered."""

SEND_BUFFER_BYTES = 2**17
"""What the kernel may hold for a reader: the rest stays here, so that it shows whether the reader takes any of it."""

LINGER_S = 2.0
"""For how long the rest of a refused request is read and dropped: closing at once could take the refusal away."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionLimits:
    """What one connection may take.

    Args:
        head_limit_bytes: of request line, headers and trailers of a request, HEADER_BYTES for each header included.
        head_timeout_s: the longest time from the connection, or a later request's first byte, to the headers' end.
        send_timeout_s: the longest time in which a reader may take nothing of what waits for it.
    """

    head_limit_bytes: int
    head_timeout_s: float
    send_timeout_s: float


class _RefusedError(Exception):
    """Stops the parser; the refusal stands in the protocol."""


class BoundedProtocol(HttpToolsProtocol):
    """A connection that is refused, closed or dropped where it goes beyond its limits; make it by protocol_within()."""

    limits: ClassVar[ConnectionLimits]
    metrics: ClassVar[ServerMetrics]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = RequestParser(self)
        self.head_again = b""
        """Of a request that offers another protocol, what is parsed in its place."""
        self._cycles: list[RequestResponseCycle] = []
        """Those that are answered, or wait for that."""
        self._refusal: ApiError | None = None
        self._is_refused = False
        self._is_head_open, self._has_head_begun = True, False
        self._head_timer: asyncio.TimerHandle | None = None
        self._num_head_bytes = 0
        self._num_steps, self._num_held_bytes = 0, 0
        """How far the parser got, and what came since its last step: it holds these."""
        self._send_timer: asyncio.TimerHandle | None = None
        self._num_unsent_bytes, self._num_idle_looks = 0, 0

    # ---- the connection ----

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Sets its buffers; lets the time for the first request run."""
        super().connection_made(transport)
        # Whatever the kernel does not take at once is told by pause_writing().
        transport.set_write_buffer_limits(high=0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells every request that waits or is answered; uvicorn tells the last one alone."""
        self._stop_head_timer()
        self._stop_send_timer()
        self._leave_cycles()
        super().connection_lost(exc)

    def _open_cycles(self) -> list[RequestResponseCycle]:
        return [cycle for cycle in self._cycles if not cycle.response_complete]

    def _leave_cycles(self) -> None:
        for cycle in self._open_cycles():
            cycle.disconnected = True
            cycle.message_event.set()

    # ---- what comes in ----

    def data_received(self, data: bytes) -> None:
        """Parses what came, unless the connection is refused."""
        if self._is_refused:
            return
        num_steps = self._num_steps
        super().data_received(data)
        if num_steps != self._num_steps:
            self._num_held_bytes = 0
            return
        self._num_held_bytes += len(data)
        if self._num_held_bytes > self.limits.head_limit_bytes:
            self._refuse(head_too_large(self.limits.head_limit_bytes))
        elif self._is_head_open:
            self._start_head_timer()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._num_steps += 1
        self._num_head_bytes, self._has_head_begun = 0, True
        self._start_head_timer()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the request line."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or trailer."""
        self._count_head(len(name) + len(value) + HEADER_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A body may follow, and has its own limits; a head that offers another protocol comes again without that."""
        self._num_steps += 1
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._refusal = invalid_http("CONNECT is for proxies")
                raise _RefusedError
            self.head_again = head_without_offer(
                self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers
            )
            return
        self._is_head_open = False
        self._stop_head_timer()
        super().on_headers_complete()
        self._cycles = [*self._open_cycles(), self.cycle]
        if len(self._cycles) > MAX_PIPELINED:
            self._refusal = invalid_http("too many requests came before the answer to the first")
            raise _RefusedError

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._num_steps += 1
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """A chunk of the body begins."""
        self._num_steps += 1

    def on_message_complete(self) -> None:
        """The request is whole; the next one may begin."""
        self._num_steps += 1
        if self.parser.should_upgrade():
            return
        self._is_head_open, self._has_head_begun = True, False
        super().on_message_complete()

    def _count_head(self, num_bytes: int) -> None:
        self._num_head_bytes += num_bytes
        if self._num_head_bytes > self.limits.head_limit_bytes:
            self._refusal = head_too_large(self.limits.head_limit_bytes)
            raise _RefusedError

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.head_timeout_s, self._end_late_head)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_late_head(self) -> None:
        self._head_timer = None
        if self._open_cycles():  # meanwhile the next request may not even be read
            self._start_head_timer()
        elif self._has_head_begun:
            self._refuse(late_head(self.limits.head_timeout_s))
        else:
            self.transport.close()

    # ---- refusals ----

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls where the parser fails."""
        self._refuse(self._refusal or invalid_http("it cannot be parsed"))

    def _refuse(self, error: ApiError) -> None:
        """Answers with an error object unless an answer is on its way, and closes."""
        self._is_refused = True
        self._stop_head_timer()
        self._unset_keepalive_if_required()
        has_begun = any(cycle.response_started for cycle in self._open_cycles())
        self._leave_cycles()
        self.pipeline.clear()
        if has_begun or self.transport.is_closing():
            self.transport.close()
            return
        self.transport.write(self._as_answer(error))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.metrics.request_answered(UNKNOWN_ROUTE, error.status)
        self.loop.call_later(LINGER_S, self.transport.close)

    def _as_answer(self, error: ApiError) -> bytes:
        body = orjson.dumps(error.body())
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            (b"x-request-id", new_request_id().encode()),
        ]
        lines = [f"HTTP/1.1 {error.status} {http.HTTPStatus(error.status).phrase}".encode()]
        lines += [b"%s: %s" % header for header in headers]
        return b"\r\n".join([*lines, b"", body])

    # ---- what goes out ----

    def pause_writing(self) -> None:
        """More was written than the kernel takes now."""
        super().pause_writing()
        self._num_unsent_bytes, self._num_idle_looks = self.transport.get_write_buffer_size(), 0
        self._look_later()

    def resume_writing(self) -> None:
        """The kernel has taken everything."""
        self._stop_send_timer()
        super().resume_writing()

    def _look_later(self) -> None:
        self._send_timer = self.loop.call_later(self.limits.send_timeout_s, self._look_at_reader)

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _look_at_reader(self) -> None:
        """Drops a reader that took nothing since the last look.

        A stream that waits for it is ended by its response, which counts that; its rest ends at the next look.
        """
        num_unsent_bytes = self.transport.get_write_buffer_size()
        self._num_idle_looks = 0 if num_unsent_bytes < self._num_unsent_bytes else self._num_idle_looks + 1
        self._num_unsent_bytes = num_unsent_bytes
        is_answering = bool(self._open_cycles())
        if self._num_idle_looks <= (1 if is_answering else 0):
            self._look_later()
            return
        if not is_answering:
            self.metrics.reader_dropped()
        # Else the kernel would go on offering what it holds.
        linger = self.transport.get_extra_info("socket")
        linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()


def protocol_within(limits: ConnectionLimits, metrics: ServerMetrics) -> type[BoundedProtocol]:
    """The protocol for uvicorn.

    Args:
        limits: of each connection.
        metrics: where refusals and dropped readers are counted.
    """

    class ServerProtocol(BoundedProtocol):
        pass

    ServerProtocol.limits, ServerProtocol.metrics = limits, metrics
    return ServerProtocol
