"""What GET / and the page's files are served with, without a browser."""

import re

import pytest
from starlette.testclient import TestClient

from omni_audio.model.assistant import Assistant
from omni_audio.serving import playground_page
from omni_audio.serving.auth import API_KEYS_ENV
from omni_audio.serving.server import build_app
from omni_audio.serving.settings import RequestLimits, ServerConfig

FILES = sorted(path.name for path in playground_page.FOLDER.iterdir())


@pytest.fixture(scope="module")
def assistant(tiny_build):
    return Assistant.load(tiny_build)


@pytest.fixture(scope="module")
def client(assistant, tiny_build):
    return TestClient(build_app(ServerConfig(build=tiny_build), assistant), base_url="http://127.0.0.1")


def test_the_page_is_html_and_comes_with_a_strict_policy(client):
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    directives = dict(item.split(" ", 1) for item in page.headers["content-security-policy"].split("; "))
    assert directives.pop("require-trusted-types-for") == "'script'"
    assert directives["default-src"] == "'none'"
    assert set(directives.values()) == {"'none'", "'self'"}
    for name in ("base-uri", "form-action", "frame-ancestors"):
        assert directives[name] == "'none'", f"{name} does not fall back to default-src"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "microphone=(self)" in page.headers["permissions-policy"]
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["x-request-id"]


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_as_what_it_is_and_names_no_other_host(client, name):
    served = client.get(f"/playground/{name}")
    assert served.status_code == 200
    suffix = "." + name.rpartition(".")[2]
    assert served.headers["content-type"].split(";")[0] == playground_page.MEDIA_TYPES[suffix]
    assert served.headers["content-security-policy"] == playground_page.CONTENT_SECURITY_POLICY
    addresses = set(re.findall(r"(?:https?:)?//[a-z0-9.]+", served.text.replace("// ", "")))
    assert addresses <= {"http://www.w3.org"}, "the namespace of svg is a name, nothing is asked there"


def test_the_policy_has_nothing_to_refuse(client):
    page = client.get("/").text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! type=\"module\" src=)", page)
    assert re.findall(r'(?:src|href)="([^"#]+)"', page) == [
        "playground/icon.svg",
        "playground/style.css",
        "playground/main.js",
    ]
    for name in FILES:
        if name.endswith(".js"):
            source = client.get(f"/playground/{name}").text
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|\beval\b|new Function|Storage", source
            )


@pytest.mark.parametrize(
    "path", ["/playground/", "/playground/x.js", "/playground/..%2Fapp.py", "/playground"]
)
def test_nothing_else_is_there(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_options_are_those_of_the_server(assistant, tiny_build):
    limits = RequestLimits(voices=["default", "other"], max_input_audio_s=7.0)
    with_limits = TestClient(
        build_app(ServerConfig(build=tiny_build, limits=limits), assistant), base_url="http://127.0.0.1"
    )
    assert with_limits.get("/playground/options.json").json() == {
        "needs_key": False,
        "voices": ["default", "other"],
        "speed": [0.25, 4.0],
        "temperature": [0, 2],
        "max_input_audio_s": 7.0,
    }


def test_the_page_needs_no_key_where_the_api_does(assistant, tiny_build, monkeypatch):
    monkeypatch.setenv(API_KEYS_ENV, "secret")
    closed = TestClient(build_app(ServerConfig(build=tiny_build), assistant), base_url="http://127.0.0.1")
    assert closed.get("/").status_code == 200
    assert closed.get("/playground/main.js").status_code == 200
    assert closed.get("/playground/options.json").json()["needs_key"] is True
    assert closed.get("/v1/models").status_code == 401


def test_it_can_be_switched_off(assistant, tiny_build):
    without = TestClient(
        build_app(ServerConfig(build=tiny_build, playground=False), assistant), base_url="http://127.0.0.1"
    )
    for path in ("/", "/playground/main.js", "/playground/options.json"):
        assert without.get(path).status_code == 404
    assert without.get("/v1/models").status_code == 200
