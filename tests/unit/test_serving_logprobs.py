import tracemalloc

import orjson
import pytest
from plans import plan_of

from omni_audio.model.logprobs import TokenLogprobs
from omni_audio.serving.errors import ApiError
from omni_audio.serving.logprobs import HeldLogprobs, WrittenLogprobs, logprobs_object
from omni_audio.serving.stop import StopFilter


def entry(token):
    return TokenLogprobs(token, -0.5, [])


def let_out(tokens, stop):
    """Texts and tokens that come out of tokens given as (bytes, the text that each completes)."""
    stop_filter, held, out = StopFilter(stop), HeldLogprobs(), []
    for token, text in tokens:
        held.add(text, entry(token))
        if text := stop_filter.feed(text):
            out.append((text, [each.token for each in held.release(len(text))]))
        if stop_filter.is_stopped:
            return out
    out.append((stop_filter.finish(), [each.token for each in held.rest()]))
    return out


def test_tokens_come_with_their_words_and_held_ones_wait():
    tokens = [(b"one", "one"), (b" E", " E"), (b"N", "N"), (b" x", " x")]
    assert let_out(tokens, ["END"]) == [
        ("one", [b"one"]),
        (" ", [b" E"]),
        ("EN x", [b"N", b" x"]),
        ("", []),
    ]


def test_tokens_of_what_a_stop_cuts_off_are_dropped():
    tokens = [(b"a b", "a b"), (b" ST", " ST"), (b"OP c", "OP c")]
    assert let_out(tokens, ["STOP"]) == [("a b", [b"a b"]), (" ", [b" ST"])]
    assert let_out(tokens, [" ST"]) == [("a b", [b"a b"])]


def test_tokens_of_an_incomplete_letter_come_with_it():
    tokens = [(b"x", "x"), (b"\xe9\x9f", ""), (b"\xb3", "\u97f3"), (b"\xe5", "")]
    assert let_out(tokens, []) == [("x", [b"x"]), ("\u97f3", [b"\xe9\x9f", b"\xb3"]), ("", [b"\xe5"])]


def test_bytes_that_are_no_letter_are_escaped():
    made = logprobs_object([TokenLogprobs(b"\xe9\x9f", -1.5, [(b" the", -0.25)])])
    assert made == {
        "content": [
            {
                "token": "\\xe9\\x9f",
                "logprob": -1.5,
                "bytes": [0xE9, 0x9F],
                "top_logprobs": [{"token": " the", "logprob": -0.25, "bytes": [32, 116, 104, 101]}],
            }
        ],
        "refusal": None,
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"logprobs": False, "top_logprobs": 0}, None),
        ({"logprobs": True}, 0),
        ({"logprobs": True, "top_logprobs": 20}, 20),
    ],
)
def test_what_is_asked_of_the_network(fields, expected):
    made = plan_of(**fields)
    assert made.generation.num_logprobs == expected
    assert made.has_logprobs == (expected is not None)


def test_top_logprobs_alone_are_refused():
    with pytest.raises(ApiError, match="logprobs = true") as caught:
        plan_of(top_logprobs=1)
    assert (caught.value.status, caught.value.param) == (400, "top_logprobs")


def test_what_is_written_token_by_token_is_the_object():
    tokens = [TokenLogprobs(b"\xe2", -0.5, [(b"a", -0.1), (b"\xff", -3.0)]), entry(b"b")]
    written = WrittenLogprobs()
    for token in tokens:
        written.add([token])
    assert orjson.loads(orjson.dumps(written.finish())) == logprobs_object(tokens)
    assert orjson.dumps(WrittenLogprobs().finish()) == orjson.dumps(logprobs_object([]))


def test_a_whole_answer_keeps_its_probabilities_small():
    num_tokens, num_top = 500, 20
    written = WrittenLogprobs()
    tracemalloc.start()
    try:
        for number in range(num_tokens):
            top = [(b"%d" % (100 * number + place), -number / 7) for place in range(num_top)]
            written.add([TokenLogprobs(b"%d" % number, -number / 7, top)])
        content = orjson.dumps(written.finish())
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(orjson.loads(content)["content"]) == num_tokens
    assert peak_bytes < 4 * len(content), "objects take ten times as much"


@pytest.mark.parametrize(
    ("fields", "is_served"),
    [
        ({"n": 128}, True),
        ({"n": 6, "top_logprobs": 20}, True),
        ({"n": 128, "top_logprobs": 20, "max_tokens": 390}, True),
        ({"n": 128, "top_logprobs": 20, "stream": True}, True),
        ({"n": 128, "top_logprobs": 1}, False),
        ({"n": 7, "top_logprobs": 20}, False),
    ],
)
def test_plain_answers_hold_so_many_probabilities(fields, is_served):
    if is_served:
        assert plan_of(logprobs=True, **fields).has_logprobs
        return
    with pytest.raises(ApiError) as caught:
        plan_of(logprobs=True, **fields)
    assert (caught.value.status, caught.value.param) == (400, "top_logprobs")
