"""GET /metrics of real servers: what was done is what is counted."""

import threading
import time

import httpx
import openai
import pytest
from asking import MODEL, SOUND, USER, ask, leave_early, metrics_of, wait_until

CHAT = "/v1/chat/completions"


def test_tokens_and_times_are_those_of_the_answers(live_server):
    with live_server(num_slots=3) as url:
        plain = ask(url, max_completion_tokens=9, seed=1).usage
        spoken = ask(url, max_completion_tokens=30, seed=3, **SOUND).usage
        found = metrics_of(url)
        usages = [plain, spoken]
        for kind, field in (("text", "text_tokens"), ("audio", "audio_tokens")):
            made = sum(getattr(usage.completion_tokens_details, field) for usage in usages)
            assert found[f"tokens_total completion {kind}"] == made
        assert found["tokens_total completion audio"] > 0
        assert found["tokens_total prompt text"] == plain.prompt_tokens + spoken.prompt_tokens
        assert found["tokens_total prompt audio"] == 0
        assert found["streams_total completed"] == 2
        assert found["prompt_seconds_count"] == found["first_token_seconds_count"] == 2
        assert found["first_audio_seconds_count"] == found["real_time_factor_count"] == 1
        assert 0 < found["first_token_seconds_sum"] < 20
        assert found["real_time_factor_sum"] > 0
        assert found["step_seconds_count"] >= plain.completion_tokens
        assert (found["slots"], found["slots_busy"], found["queue_length"]) == (3, 0, 0)


def test_requests_by_route_and_status_outside_the_key_check(live_server, tmp_path):
    path = tmp_path / "keys"
    path.write_text("mine\n")
    with live_server(api_keys_file=path) as url:
        mine = {"authorization": "Bearer mine"}
        for _ in range(2):
            assert httpx.get(f"{url}/v1/models/{MODEL}", headers=mine).status_code == 200
        httpx.get(f"{url}/v1/models/gpt-9", headers=mine)
        httpx.post(f"{url}{CHAT}", json={})
        httpx.get(f"{url}{CHAT}")
        for number in range(3):
            httpx.get(f"{url}/nowhere/{number}")
        found = metrics_of(url)
        counted = {name: value for name, value in found.items() if name.startswith("requests_total")}
        assert counted == {
            "requests_total /v1/models/{model_id:path} 200": 2,
            "requests_total /v1/models/{model_id:path} 404": 1,
            f"requests_total {CHAT} 401": 1,
            f"requests_total {CHAT} 405": 1,
            "requests_total unknown 404": 3,
        }
        assert metrics_of(url)["requests_total /metrics 200"] == 1


def test_two_servers_count_for_themselves(live_server):
    with live_server() as one, live_server() as other:
        ask(one, max_completion_tokens=2)
        assert metrics_of(one)["streams_total completed"] == 1
        found = metrics_of(other)
        assert found["streams_total completed"] == 0
        assert f"requests_total {CHAT} 200" not in found


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_client_that_leaves_is_counted(scripted_server, is_stream):
    body = {"model": MODEL, "messages": [USER], "stream": is_stream}
    with scripted_server([("until", threading.Event())], step_s=0.01, num_slots=1) as url:
        leave_early(url, CHAT, is_stream, json=body)
        found = metrics_of(url)
        assert found["streams_total completed"] == found["slow_readers_total"] == found["slots_busy"] == 0
        assert found[f"requests_total {CHAT} {200 if is_stream else 499}"] == 1
        assert found["tokens_total completion text"] > 0


def test_waiting_and_refused_requests_are_counted(scripted_server):
    go_on = threading.Event()
    with scripted_server([("until", go_on), ("end", "stop")], step_s=0.01, num_slots=1, queue_limit=1) as url:
        asking = [threading.Thread(target=ask, args=(url,)) for _ in range(2)]
        try:
            for thread in asking:
                thread.start()
            wait_until(lambda: metrics_of(url)["queue_length"] == 1, 5.0)
            assert metrics_of(url)["slots_busy"] == 1
            with pytest.raises(openai.InternalServerError):
                ask(url)
        finally:
            go_on.set()
            for thread in asking:
                thread.join()
        found = metrics_of(url)
        assert (found["streams_total rejected"], found["streams_total completed"]) == (1, 2)
        assert found[f"requests_total {CHAT} 503"] == 1
        assert found["queue_length"] == 0


def test_a_reader_that_stops_reading_is_counted_once(scripted_server):
    body = {"model": MODEL, "messages": [USER], "stream": True}
    options = {"num_slots": 1, "outbox_limit_events": 50, "send_timeout_s": 1.0}
    with (
        scripted_server([("until", threading.Event())], **options) as url,
        httpx.stream("POST", f"{url}{CHAT}", json=body, timeout=10) as response,
    ):
        pieces = response.iter_raw()  # kept: a dropped iterator closes the connection
        next(pieces)
        wait_until(lambda: metrics_of(url)["slow_readers_total"] == 1, 20.0)
        time.sleep(1.5)
        found = metrics_of(url)
        assert found["slow_readers_total"] == found["streams_total stalled"] == 1
        assert found["streams_total completed"] == found["streams_total cancelled"] == 0
