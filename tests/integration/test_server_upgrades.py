"""Requests that offer another protocol, as Java's HTTP client and `curl --http2` do, against a real server."""

import socket

import httpx
import orjson
import pytest
from asking import MODEL, USER

OFFER = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
BODY = orjson.dumps({"model": MODEL, "messages": [USER], "max_tokens": 2})


def request(headers="", body=b"", line="POST /v1/chat/completions"):
    head = f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{OFFER}{headers}\r\n"
    return head.encode() + body


WHOLE = request(f"Content-Length: {len(BODY)}\r\n", BODY)
CHUNKED = request("Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
LAST = b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def answered(url, pieces):
    """All that comes until the server closes, which the last request asks for."""
    place = httpx.URL(url)
    received = bytearray()
    with socket.create_connection((place.host, place.port), timeout=20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
        while piece := client.recv(2**16):
            received += piece
    return bytes(received)


@pytest.mark.parametrize("sent", [WHOLE, CHUNKED], ids=["whole", "chunked"])
@pytest.mark.parametrize("piece_bytes", [1, 200, 10_000])
def test_the_body_behind_an_offer_is_read(server_url, sent, piece_bytes):
    data = sent + sent + LAST
    pieces = [data[start : start + piece_bytes] for start in range(0, len(data), piece_bytes)]
    received = answered(server_url, pieces)
    assert received.count(b"HTTP/1.1 200 OK") == 3, received[:2000]
    assert received.count(b'"object":"chat.completion"') == 2
    assert received.endswith(b'{"status":"ready"}')


def test_a_body_behind_an_offer_is_no_request(server_url):
    received = answered(server_url, [request(f"Content-Length: {len(LAST)}\r\n", LAST), LAST])
    assert received.count(b"HTTP/1.1 ") == 2
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"invalid_json"' in received


def test_an_offer_without_a_body_is_passed_over(server_url):
    received = answered(server_url, [request(line="GET /ready"), LAST])
    assert received.count(b'{"status":"ready"}') == 2


def test_connect_is_refused(server_url):
    received = answered(server_url, [b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"])
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"invalid_http"' in received
