"""Several answers to one request: what each is, what is counted, what the queue and a leaving client do to them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from asking import MODEL, USER, ask, asked, metrics_of, wait_until

from omni_audio.serving.settings import RequestLimits

FIELDS = {"seed": 7, "max_completion_tokens": 12}
FREE_TIMEOUT_S = 1.0


def words_by_choice(chunks):
    words, reasons, roles = {}, {}, []
    for chunk in chunks:
        for choice in chunk.choices:
            if choice.delta.role:
                roles.append(choice.index)
            words[choice.index] = words.get(choice.index, "") + (choice.delta.content or "")
            if choice.finish_reason:
                assert choice.index not in reasons
                reasons[choice.index] = choice.finish_reason
    assert sorted(roles) == sorted(set(roles))
    return words, reasons


@pytest.mark.parametrize("num_choices", [2, 8])
def test_choices_plain_and_streamed(server_url, num_choices):
    alone = ask(server_url, **FIELDS)
    plain = ask(server_url, n=num_choices, **FIELDS)
    assert [choice.index for choice in plain.choices] == list(range(num_choices))
    texts = [choice.message.content for choice in plain.choices]
    assert texts[0] == alone.choices[0].message.content
    assert len(set(texts)) == num_choices
    assert plain.usage.prompt_tokens == alone.usage.prompt_tokens
    assert plain.usage.completion_tokens > alone.usage.completion_tokens
    assert plain.usage.total_tokens == plain.usage.prompt_tokens + plain.usage.completion_tokens

    options = {"include_usage": True}
    *chunks, last = ask(server_url, n=num_choices, stream=True, stream_options=options, **FIELDS)
    words, reasons = words_by_choice(chunks)
    assert [words[index] for index in range(num_choices)] == texts
    assert [reasons[index] for index in range(num_choices)] == [
        choice.finish_reason for choice in plain.choices
    ]
    assert (last.choices, last.usage) == ([], plain.usage)
    assert len({chunk.id for chunk in chunks}) == 1


def test_as_many_choices_as_the_contract_has_wait_for_slots(live_server):
    with live_server(queue_limit=0, num_slots=2) as url:
        answer = ask(url, n=128, max_completion_tokens=1, seed=1)
        assert [choice.index for choice in answer.choices] == list(range(128))
        assert answer.usage.completion_tokens == 128
        with pytest.raises(openai.BadRequestError) as caught:
            ask(url, n=129)
        assert caught.value.param == "n"


def test_completion_tokens_are_those_of_all_choices(scripted_server, assistant):
    words = "a few words"
    with scripted_server([("text", words), ("end", "stop")]) as url:
        answer = ask(url, n=3)
        assert [choice.message.content for choice in answer.choices] == [words] * 3
        assert answer.usage.completion_tokens == 3 * len(assistant.text.encode(words))


def test_each_choice_stops_for_itself_and_frees_its_slot(scripted_server, engine_of):
    with scripted_server([("text", "one STOP two"), ("until", threading.Event())], num_slots=2) as url:
        answer = ask(url, n=4, stop="STOP")
        assert [choice.message.content for choice in answer.choices] == ["one "] * 4
        wait_until(lambda: engine_of(url)["completed"] == 4, FREE_TIMEOUT_S)
        assert engine_of(url)["active"] == engine_of(url)["pending"] == 0


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_client_that_leaves_ends_all_choices(scripted_server, engine_of, is_stream):
    body = {"model": MODEL, "messages": [USER], "stream": is_stream, "n": 4}
    with scripted_server([("until", threading.Event())], step_s=0.01, num_slots=2, queue_limit=8) as url:
        with asked(url, **body):
            wait_until(lambda: engine_of(url)["active"] == engine_of(url)["pending"] == 2, 20.0)
            assert engine_of(url)["cancelled"] == 0
        wait_until(lambda: engine_of(url)["cancelled"] == 4, FREE_TIMEOUT_S)
        assert engine_of(url)["active"] == engine_of(url)["pending"] == 0


def test_a_choice_that_fails_fails_the_answer_and_ends_the_others(scripted_server, engine_of):
    script = [("text", "some words"), ("break", "out of luck")]
    with scripted_server(script, num_slots=1, step_s=0.01) as url:
        with pytest.raises(openai.InternalServerError) as caught:
            ask(url, n=3)
        assert (caught.value.status_code, caught.value.code) == (500, "server_error")
        wait_until(lambda: engine_of(url)["active"] == engine_of(url)["pending"] == 0, FREE_TIMEOUT_S)
        assert engine_of(url)["failed"] >= 1
        assert engine_of(url)["completed"] == 0


def test_choices_take_one_place_of_the_queue(scripted_server, engine_of):
    go_on = threading.Event()
    limits = RequestLimits(max_choices=4)
    script = [("until", go_on), ("end", "stop")]
    with scripted_server(script, num_slots=1, queue_limit=1, limits=limits, step_s=0.01) as url:
        with pytest.raises(openai.BadRequestError) as caught:
            ask(url, n=5)
        assert (caught.value.param, caught.value.code) == ("n", "unsupported_value")
        with ThreadPoolExecutor(2) as pool:
            try:
                asking = [pool.submit(ask, url)]
                wait_until(lambda: engine_of(url)["active"] == 1, 5.0)
                asking.append(pool.submit(ask, url, n=4))
                wait_until(lambda: engine_of(url)["pending"] == 4, 5.0)
                with pytest.raises(openai.InternalServerError) as caught:
                    ask(url)
                assert (caught.value.status_code, caught.value.code) == (503, "overloaded")
                assert metrics_of(url)["streams_total rejected"] == 1
            finally:
                go_on.set()
            assert [len(answer.result(20).choices) for answer in asking] == [1, 4]
