"""Pages of other sites: what a browser sends for them without asking is refused."""

import httpx
import pytest
from asking import MODEL, USER
from refusals import refused

from omni_audio.serving.settings import ServerConfig

FRIEND = "https://friend.example:8443"
BODY = {"model": MODEL, "messages": [USER], "max_tokens": 2}
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type",
}


@pytest.fixture(scope="module")
def url(live_server):
    with live_server(allowed_origins=[FRIEND], allowed_hosts=["speech.example"]) as made:
        yield made


def own(url):
    return url.removeprefix("http://")


CROSS_SITE = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://["},
    {"origin": "http://127.0.0.1:1"},
    {"origin": FRIEND.removesuffix(":8443")},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
]


@pytest.mark.parametrize("headers", CROSS_SITE)
def test_requests_without_a_preflight_are_refused(url, headers):
    form = {"files": {"file": ("a.wav", b"RIFF")}, "data": {"model": MODEL}}
    simple = {
        "/v1/audio/transcriptions": form,
        "/v1/chat/completions": {"files": {"request": (None, '{"model": "m"}')}},
        "/v1/audio/speech": {"content": b"{}", "headers": {"content-type": "text/plain"}},
    }
    for path, body in simple.items():
        body = {**body, "headers": {**body.get("headers", {}), **headers}}
        response = httpx.post(f"{url}{path}", **body, timeout=20)
        refused(response, None, "cross_site_request", 403)
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("headers", CROSS_SITE[:5])
def test_preflights_of_other_sites_are_refused(url, headers):
    response = httpx.options(f"{url}/v1/chat/completions", headers={**PREFLIGHT, **headers}, timeout=20)
    refused(response, None, "cross_site_request", 403)


def test_large_bodies_of_other_sites_are_refused_unread(url):
    response = httpx.post(
        f"{url}/v1/chat/completions", content=bytes(40 * 2**20), headers={"origin": "null"}, timeout=20
    )
    refused(response, None, "cross_site_request", 403)


def test_the_servers_own_page_and_clients_that_are_no_browser_may_ask(url):
    for headers in (
        {},
        {"origin": url, "sec-fetch-site": "same-origin"},
        {"origin": f"https://{own(url)}"},
        {"sec-fetch-site": "none"},
    ):
        response = httpx.post(f"{url}/v1/chat/completions", json=BODY, headers=headers, timeout=20)
        assert response.status_code == 200, response.text
        assert "access-control-allow-origin" not in response.headers


def test_reading_needs_no_leave_and_gives_other_pages_nothing_to_read(url):
    response = httpx.get(f"{url}/v1/models", headers={"origin": "https://evil.example"}, timeout=20)
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


def test_an_allowed_site_may_ask_and_read_answers_and_refusals(url):
    headers = {"origin": FRIEND, "sec-fetch-site": "cross-site"}
    preflight = httpx.options(f"{url}/v1/chat/completions", headers={**PREFLIGHT, **headers}, timeout=20)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-headers"] == "authorization, content-type"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    answers = [
        httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=20)
        for body in (BODY, {**BODY, "stream": True}, {**BODY, "n": 0})
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    for answer in (preflight, *answers):
        assert answer.headers["access-control-allow-origin"] == FRIEND
        assert answer.headers["vary"] == "Origin"
        assert "x-request-id" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "localhost.evil", "[", ""])
def test_a_name_that_was_made_to_lead_here_is_refused(url, host):
    """A page of that name: for the browser it asks its own site."""
    headers = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    refused(
        httpx.post(f"{url}/v1/chat/completions", json=BODY, headers=headers, timeout=20),
        None,
        "unknown_host",
        421,
    )
    refused(httpx.get(f"{url}/v1/models", headers={"host": host}, timeout=20), None, "unknown_host", 421)


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:8000", "10.0.0.5:8000", "[::1]:8000", "speech.example:1"]
)
def test_addresses_and_known_names_are_served(url, host):
    headers = {"host": host, "origin": f"http://{host}"}
    response = httpx.post(f"{url}/v1/chat/completions", json=BODY, headers=headers, timeout=20)
    assert response.status_code == 200, response.text


def test_any_name_is_served_where_keys_are_asked_for(live_server, monkeypatch):
    monkeypatch.setenv("OMNI_AUDIO_API_KEYS", "secret")
    with live_server() as url:
        for key, status in (("secret", 200), ("wrong", 401)):
            headers = {"host": "evil.example", "authorization": f"Bearer {key}"}
            assert httpx.get(f"{url}/v1/models", headers=headers, timeout=20).status_code == status


def test_all_sites_may_be_allowed(live_server):
    with live_server(allowed_origins=["*"]) as url:
        response = httpx.post(
            f"{url}/v1/chat/completions", json=BODY, headers={"origin": "https://any.example"}, timeout=20
        )
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "https://any.example"


@pytest.mark.parametrize(
    "origin", ["example.com", "https://example.com/", "https://*.example.com", "", "ftp://a.b"]
)
def test_what_is_no_origin_is_refused_before_the_server_starts(tmp_path, origin):
    with pytest.raises(ValueError, match="allowed_origins"):
        ServerConfig(build=tmp_path, allowed_origins=[origin])


@pytest.mark.parametrize("host", ["https://a.b", "a.b:80", "A.b", "", "a b", "*.a.b"])
def test_what_is_no_host_is_refused_before_the_server_starts(tmp_path, host):
    with pytest.raises(ValueError, match="allowed_hosts"):
        ServerConfig(build=tmp_path, allowed_hosts=[host])
