"""Parses requests as if nobody offered another protocol: an offer may be passed over (RFC 9110, 7.8), and is here.

httptools takes what follows such an offer (`Upgrade: h2c`, as Java's HTTP client and `curl --http2` send with a first
request) for the other protocol: the body would be lost, and read as the next request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httptools


class RequestParser:
    """A parser of httptools that goes on behind an offer, with the same head but for the offer.

    Args:
        protocol: has the callbacks, and `head_again`: the bytes of the head that was just parsed, without its offer.
    """

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._parser = self._fresh()

    def feed_data(self, data: bytes) -> None:
        """Parses what came.

        Raises:
            HttpParserError: it is no HTTP, or a callback raised.
        """
        while True:
            try:
                return self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                rest = data[offer.args[0] :]
                self._parser = self._fresh()
                data = self._protocol.head_again + rest

    def get_http_version(self) -> str:
        """Of the request, such as "1.1"."""
        return self._parser.get_http_version()

    def get_method(self) -> bytes:
        """Of the request."""
        return self._parser.get_method()

    def should_keep_alive(self) -> bool:
        """Whether the connection may serve further requests."""
        return self._parser.should_keep_alive()

    def should_upgrade(self) -> bool:
        """Whether the head offers another protocol: it will come again without that."""
        return self._parser.should_upgrade()

    def _fresh(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self._protocol)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        return parser


def head_without_offer(
    method: bytes, target: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """The bytes of a head without `Upgrade`, which `Connection` does not name any more either.

    Args:
        method: of the request.
        target: as it came.
        version: such as "1.1".
        headers: their names in small letters.
    """
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"upgrade":
            continue
        if name == b"connection":
            options = [option.strip() for option in value.split(b",")]
            value = b", ".join(option for option in options if option.lower() != b"upgrade")
        lines.append(b"%s: %s" % (name, value))
    return b"\r\n".join([*lines, b"", b""])
