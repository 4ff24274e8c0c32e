"""Connections to a real server process: heads without end, and readers who do not read."""

import contextlib
import http.client
import select
import socket
import time

import httpx
import orjson
import pytest
from asking import MODEL, USER, wait_until
from server_process import KEYS, running_server

HEAD_TIMEOUT_S = 2.0
SEND_TIMEOUT_S = 1.5
KEEP_ALIVE_S = 2
FLOOD_BYTES = 64 * 2**20
AUTHORIZATION = f"Host: x\r\nAuthorization: Bearer {KEYS[0]}\r\n".encode()
GET_MODELS = b"GET /v1/models HTTP/1.1\r\n" + AUTHORIZATION + b"\r\n"


@pytest.fixture(scope="module")
def server(tiny_build):
    """One whose list of models is larger than what the kernel keeps for a reader."""
    times = {"head_timeout_s": HEAD_TIMEOUT_S, "send_timeout_s": SEND_TIMEOUT_S, "body_timeout_s": 4.0}
    times |= {"keep_alive_s": KEEP_ALIVE_S}
    aliases = [MODEL, *(f"alias-{number:06d}" for number in range(120_000))]
    with running_server(tiny_build, num_slots=1, model_aliases=aliases, **times) as made:
        yield made


@contextlib.contextmanager
def connected(server, receive_bytes=None):
    url = httpx.URL(server.url)
    with socket.socket() as client:
        if receive_bytes is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        client.settimeout(20)
        client.connect((url.host, url.port))
        yield client


def rest_of(client):
    """What comes until the server closes."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(2**16):
            received += piece
    return bytes(received)


def error_of(answer):
    """Status and code of an answer's error object; the connection was closed behind it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert b"x-request-id: req_" in head
    error = orjson.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return int(head.split()[1]), error["code"]


def flooded(client, begin, piece):
    """Sends `begin` and `piece` again and again until the server has enough; how many bytes went, and its answer."""
    client.sendall(begin)
    num_sent = 0
    with contextlib.suppress(ConnectionError):
        while num_sent < FLOOD_BYTES and not select.select([client], [], [], 0)[0]:
            client.sendall(piece)
            num_sent += len(piece)
    return num_sent, rest_of(client)


POST = b"POST /v1/chat/completions HTTP/1.1\r\n" + AUTHORIZATION
CHUNKED = POST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
HEADS = {
    "a target": (b"GET /", b"a" * 2**16),
    "a header": (b"GET /health HTTP/1.1\r\nHost: x\r\nX: ", b"a" * 2**16),
    "a name": (b"GET /health HTTP/1.1\r\nHost: x\r\n", b"a" * 2**16),
    "small headers": (b"GET /health HTTP/1.1\r\nHost: x\r\n", b"a:\r\n" * 2**14),
    "blank lines": (b"\r\n", b"\r\n" * 2**15),
    "a chunk's extension": (CHUNKED + b"1;", b"a" * 2**16),
    "a trailer": (CHUNKED + b"1\r\n{\r\n0\r\nX: ", b"a" * 2**16),
    "trailers": (CHUNKED + b"1\r\n{\r\n0\r\n", b"a: b\r\n" * 2**13),
}


@pytest.mark.parametrize("name", HEADS)
def test_class_12_heads_without_end(server, name):
    server.reset_peak()
    before_mib = server.rss_mib()
    with connected(server) as client:
        num_sent, answer = flooded(client, *HEADS[name])
    assert num_sent < FLOOD_BYTES, "it was taken in"
    assert error_of(answer) == (431, "headers_too_large")
    assert server.peak_mib() - before_mib < 32
    assert server.client.get("/health").status_code == 200


def test_heads_of_usual_sizes_are_served(server):
    headers = {f"x-{number}": "a" * 1000 for number in range(50)}
    assert server.client.get("/health", headers=headers).status_code == 200
    assert server.client.get("/health", headers={"x": "a" * 70_000}).status_code == 431


@pytest.mark.parametrize("begin", [b"GET /", b"GET /health HTTP/1.1\r\nHost: x\r\n"])
def test_class_13_heads_in_drops(server, begin):
    start_s = time.monotonic()
    with connected(server) as client:
        client.sendall(begin)
        while not select.select([client], [], [], 0.2)[0]:
            assert time.monotonic() - start_s < HEAD_TIMEOUT_S + 10, "it is held open"
            client.sendall(b"a")
        assert time.monotonic() - start_s > HEAD_TIMEOUT_S - 0.5
        assert error_of(rest_of(client)) == (408, "timeout")


def test_class_13_connections_that_say_nothing_are_closed(server):
    with connected(server) as client:
        assert rest_of(client) == b""
    with connected(server) as client:
        client.sendall(GET_MODELS.replace(b"/v1/models", b"/ready") + b"\r\n")
        assert rest_of(client).startswith(b"HTTP/1.1 200")


def test_class_13_a_second_head_in_drops(server):
    with connected(server) as client:
        client.sendall(GET_MODELS.replace(b"/v1/models", b"/ready") + b"GET /")
        first, _, second = rest_of(client).partition(b'"ready"}')
    assert first.startswith(b"HTTP/1.1 200")
    assert error_of(second) == (408, "timeout")


def test_a_connection_that_is_used_again_is_timed_anew(server):
    with httpx.Client(base_url=server.url) as client:
        for _ in range(5):
            assert client.get("/ready").status_code == 200
            time.sleep(HEAD_TIMEOUT_S / 3)


def test_what_is_no_http_gets_an_error_object(server):
    with connected(server) as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no HTTP \r\n\r\n")
        assert error_of(rest_of(client)) == (400, "invalid_http")


def test_class_24_pipelined_requests_are_bounded(server):
    """Each waits as some kilobytes of objects, and came as some bytes."""
    server.reset_peak()
    before_mib = server.rss_mib()
    with connected(server) as client:
        client.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        time.sleep(0.3)
        client.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20_000)
        answer = rest_of(client)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b'{"status":"ready"}') == 3
    assert server.peak_mib() - before_mib < 16


def long_answer(*, stream):
    pattern = {
        "type": "object",
        "properties": {"a": {"type": "string", "minLength": 8000}},
        "required": ["a"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": pattern}}
    fields = {"logprobs": True, "top_logprobs": 20} if stream else {}
    body = orjson.dumps(
        {"model": MODEL, "messages": [USER], "max_tokens": 8000, "stream": stream, "response_format": wanted}
        | fields
    )
    return POST + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_class_23_disconnect_with_a_second_request_behind(server):
    with connected(server) as client:
        client.sendall(long_answer(stream=False) + b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: server.metrics()["slots_busy"] == 1, 20.0)
    wait_until(lambda: server.metrics()["slots_busy"] == 0, 5.0)


def is_reset(client, timeout_s):
    """Whether the server broke the connection off within the time."""
    watched = select.poll()
    watched.register(client, 0)
    return bool(watched.poll(timeout_s * 1000))


@pytest.mark.parametrize("kind", ["plain", "stream"])
def test_class_24_what_nobody_reads_is_dropped(server, kind):
    before = server.metrics()["slow_readers_total"] if kind == "stream" else None
    with connected(server, receive_bytes=4096) as client:
        client.sendall(GET_MODELS if kind == "plain" else long_answer(stream=True))
        assert client.recv(12) == b"HTTP/1.1 200"
        start_s = time.monotonic()
        assert is_reset(client, 20 if kind == "plain" else 120)
        assert time.monotonic() - start_s > SEND_TIMEOUT_S - 0.5
    if kind == "stream":
        assert server.metrics()["slow_readers_total"] == before + 1
        assert server.metrics()["slots_busy"] == 0


def test_class_24_unread_answers_are_given_back(server):
    """A dozen of ten megabytes each."""
    with contextlib.ExitStack() as open_ones:
        before = server.metrics()["slow_readers_total"]
        clients = [open_ones.enter_context(connected(server, receive_bytes=4096)) for _ in range(12)]
        for client in clients:
            client.sendall(GET_MODELS)
        assert all(is_reset(client, 30) for client in clients)
        assert server.metrics()["slow_readers_total"] == before + 12


def test_a_reader_that_is_slow_gets_everything(server):
    start_s = time.monotonic()
    with connected(server, receive_bytes=2**16) as client:
        client.sendall(GET_MODELS.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received, num_pauses = bytearray(), 0
        while piece := client.recv(2**18):
            received += piece
            if len(received) > (num_pauses + 1) * 2**20:
                num_pauses += 1
                time.sleep(SEND_TIMEOUT_S / 3)
    assert time.monotonic() - start_s > 2 * SEND_TIMEOUT_S
    assert len(orjson.loads(received.partition(b"\r\n\r\n")[2])["data"]) > 120_000


def test_a_connection_waits_for_its_next_request_and_is_closed_when_none_comes(server):
    url = httpx.URL(server.url)
    connection = http.client.HTTPConnection(url.host, url.port, timeout=20)
    connection.connect()
    client = connection.sock
    for _ in range(2):
        connection.request("GET", "/health")
        assert connection.getresponse().read().startswith(b'{"status":"ok"')
        time.sleep(KEEP_ALIVE_S / 2)
    assert connection.sock is client
    start_s = time.monotonic()
    assert rest_of(client) == b""
    assert time.monotonic() - start_s < KEEP_ALIVE_S + 5
    connection.close()
