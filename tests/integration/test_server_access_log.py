"""The access log of real servers and the cost in the metrics: tokens and prices, and nothing of what was said."""

import json
import logging
import re

import httpx
import openai
import pytest
from asking import MODEL, SOUND, USER, ask, client_of, metrics_of, wait_until
from sound_files import encoded

from omni_audio.serving.settings import PriceConfig

CHAT = "/v1/chat/completions"
PRICE = PriceConfig(text_in=2.5, audio_in=40.0, text_out=10.0, audio_out=80.0)
SECRET = "the safe opens at nine"


@pytest.fixture
def lines(caplog):
    """Waits for so many lines of the access log, health and metrics left out, and reads them."""
    caplog.set_level(logging.INFO, logger="omni_audio.access")

    def read(num):
        def found():
            parsed = [
                json.loads(record.getMessage())
                for record in caplog.records
                if record.name == "omni_audio.access"
            ]
            return [line for line in parsed if line["route"] not in ("/metrics", "/health")]

        wait_until(lambda: len(found()) >= num, 5.0)
        return found()

    return read


def cost_of(line):
    return (
        sum(line[name] * getattr(PRICE, name) for name in ("text_in", "audio_in", "text_out", "audio_out"))
        / 1e6
    )


@pytest.mark.parametrize("is_stream", [False, True])
def test_the_cost_is_that_of_the_usage(live_server, lines, is_stream):
    options = {"stream_options": {"include_usage": True}} if is_stream else {}
    with live_server(prices={MODEL: PRICE}, currency="EUR") as url:
        answer = ask(url, max_completion_tokens=30, seed=3, stream=is_stream, **SOUND, **options)
        usage = (answer[-1] if is_stream else answer).usage
        (line,) = lines(1)
        assert (line["method"], line["route"], line["status"], line["model"]) == ("POST", CHAT, 200, MODEL)
        assert line["text_in"] == usage.prompt_tokens_details.text_tokens
        assert line["text_out"] == usage.completion_tokens_details.text_tokens
        assert line["audio_out"] == usage.completion_tokens_details.audio_tokens > 0
        assert (line["audio_in"], line["currency"]) == (0, "EUR")
        assert line["cost"] == pytest.approx(cost_of(line))
        assert line["cost"] > 0
        assert line["duration_ms"] > 0
        found = metrics_of(url)
        costs = [cost for name, cost in found.items() if re.fullmatch(f"cost_total EUR .* {MODEL}", name)]
        assert len(costs) == 4
        assert sum(costs) == pytest.approx(line["cost"])
        completion = line["audio_out"] * PRICE.audio_out / 1e6
        assert found[f"cost_total EUR completion audio {MODEL}"] == pytest.approx(completion)


def test_choices_pay_the_prompt_once(live_server, lines):
    with live_server(prices={MODEL: PRICE}) as url:
        usage = ask(url, n=3, max_completion_tokens=5, seed=1).usage
        (line,) = lines(1)
        assert (line["text_in"], line["text_out"]) == (usage.prompt_tokens, usage.completion_tokens)


def test_speech_and_transcriptions(live_server, lines):
    with live_server(prices={"omni-audio": PRICE}) as url, client_of(url) as client:
        heard = client.audio.transcriptions.create(model="omni-audio", file=("a.wav", encoded("WAV")))
        said = httpx.post(
            f"{url}/v1/audio/speech",
            json={"model": "omni-audio", "input": "ok", "voice": "default", "stream_format": "sse"},
            timeout=20,
        )
        done = json.loads(said.text.strip().split("data: ")[-1])
        first, second = lines(2)
        assert first["audio_in"] == heard.usage.input_token_details.audio_tokens
        assert first["text_out"] == heard.usage.output_tokens
        assert second["text_in"] == done["usage"]["input_tokens"]
        assert second["audio_out"] == done["usage"]["output_tokens"]
        assert second["text_out"] == second["audio_in"] == 0
        for line in (first, second):
            assert line["cost"] == pytest.approx(cost_of(line))


def test_what_is_refused_costs_nothing(live_server, lines):
    with live_server(prices={MODEL: PRICE}) as url:
        with pytest.raises(openai.BadRequestError):
            ask(url, n=129)
        with pytest.raises(openai.NotFoundError):
            ask(url, model="gpt-9")
        httpx.get(f"{url}/nowhere/{SECRET}")
        refused, unknown, nowhere = lines(3)
        assert (refused["status"], unknown["status"], nowhere["status"]) == (400, 404, 404)
        assert nowhere["route"] == "unknown"
        assert not any("cost" in line or "model" in line for line in (refused, unknown, nowhere))
        assert not any(name.startswith("cost_total") for name in metrics_of(url))


def test_without_prices_there_are_tokens_and_no_cost(live_server, lines):
    with live_server() as url:
        ask(url, max_completion_tokens=3)
        (line,) = lines(1)
        assert line["text_out"] == 3
        assert "cost" not in line
        assert not any(name.startswith("cost_total") for name in metrics_of(url))


def test_no_line_holds_what_was_said_or_who_said_it(scripted_server, lines, caplog, tmp_path):
    path = tmp_path / "keys"
    path.write_text("sesame\n")
    key = {"authorization": "Bearer sesame"}
    with scripted_server([("text", f"indeed {SECRET}"), ("end", "stop")], api_keys_file=path) as url:
        body = {"model": MODEL, "messages": [{"role": "user", "content": SECRET}], "user": SECRET}
        answer = httpx.post(
            f"{url}{CHAT}?note={SECRET}", json=body, headers={**key, "user-agent": SECRET}, timeout=20
        )
        assert SECRET in answer.text
        streamed = httpx.post(f"{url}{CHAT}", json={**body, "stream": True}, headers=key, timeout=20)
        assert streamed.text.endswith("data: [DONE]\n\n")
        httpx.post(f"{url}{CHAT}", json={**body, "model": SECRET}, headers=key, timeout=20)
        answered, *_ = lines(3)
        assert answered["request_id"] == answer.headers["x-request-id"]
        for hidden in (SECRET, "safe", "sesame", "indeed"):
            assert hidden not in caplog.text


def test_a_client_that_leaves_has_its_line(scripted_server, lines):
    with scripted_server([("sound", 10_000), ("end", "stop")], step_s=0.01, prices={MODEL: PRICE}) as url:
        body = {"model": MODEL, "messages": [USER], "stream": True, **SOUND}
        with httpx.stream("POST", f"{url}{CHAT}", json=body, timeout=10) as response:
            pieces = response.iter_raw()
            next(pieces)
        (line,) = lines(1)
        assert line["status"] == 200
        assert 0 < line["audio_out"] < 10_000
        assert line["cost"] == pytest.approx(cost_of(line))
