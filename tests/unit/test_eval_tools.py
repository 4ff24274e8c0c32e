import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_audio.evaluation.tools import (
    Call,
    derangement,
    key_of,
    parse_call,
    same_call,
    same_tree,
    score_calls,
    score_shuffled,
)

KEY = Call("set_light", {"room": "kitchen", "brightness": 40})


def raw(name, **arguments):
    return json.dumps({"name": name, "arguments": arguments})


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (5, 5.0, True),
        (5, "5", False),
        (True, 1, False),
        (False, 0.0, False),
        (None, None, True),
        (None, 0, False),
        (None, False, False),
        ("On", "on", False),
        ([1, 2], [1.0, 2.0], True),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ({"a": 1, "b": [{"c": 2}]}, {"b": [{"c": 2.0}], "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({}, [], False),
        (2**53, float(2**53), True),
        (2**53 + 1, float(2**53), False),
    ],
)
def test_typed_tree_equality(left, right, same):
    assert same_tree(left, right) is same
    assert same_tree(right, left) is same


@pytest.mark.parametrize(
    "text",
    [
        "",
        "set_light",
        '{"name": "f"}',
        '{"name": "f", "arguments": {}, "id": 1}',
        '{"name": "f", "arguments": "{}"}',
        '{"name": 3, "arguments": {}}',
        '{"name": "f", "arguments": {}} and more',
        '{"name": "f", "arguments": {}}{"name": "f", "arguments": {}}',
        '{"name": "f", "name": "g", "arguments": {}}',
        '{"name": "f", "arguments": {"a": 1, "a": 1}}',
        '{"name": "f", "arguments": {"a": {"b": 1, "b": 2}}}',
        '{"name": "f", "arguments": {"a": NaN}}',
        '{"name": "f", "arguments": {"a": -Infinity}}',
        "{'name': 'f', 'arguments': {}}",
        '{"name": "f", "arguments": {},}',
        "[" * 100_000,
        '[{"name": "f", "arguments": {}}]',
    ],
)
def test_what_is_not_strict_json_of_the_form_does_not_parse(text):
    with pytest.raises(ValueError):  # noqa: PT011 the JSON decoder has its own messages
        parse_call(text)
    score = score_calls([text], KEY)
    assert (score.exact, score.name, score.parsed) == (False, False, False)


def test_exact_and_name_only():
    assert score_calls([raw("set_light", brightness=40.0, room="kitchen")], KEY).exact
    wrong_value = score_calls([raw("set_light", brightness="40", room="kitchen")], KEY)
    assert wrong_value.name
    assert not wrong_value.exact
    other = score_calls([raw("set_volume", brightness=40, room="kitchen")], KEY)
    assert other.parsed
    assert not other.name


def test_no_call_two_calls_and_no_key():
    call = raw("set_light", room="kitchen", brightness=40)
    assert not score_calls([], KEY).exact
    assert not score_calls([call, call], KEY).exact
    assert score_calls([], None).exact
    assert not score_calls([call], None).exact


def test_key_of_corpus_field():
    assert key_of(None) is None
    key = key_of({"name": "set_light", "arguments": {"room": "kitchen", "brightness": 40}})
    assert key is not None
    assert same_call(key, KEY)
    with pytest.raises(ValueError, match="name"):
        key_of({"function": "set_light"})


@given(st.lists(st.integers(0, 12), min_size=2, max_size=60), st.integers(0, 2**31))
def test_derangement_gives_every_request_another_item(numbers, seed):
    item_ids = [str(number) for number in numbers]
    if 2 * max(item_ids.count(item_id) for item_id in item_ids) > len(item_ids):
        with pytest.raises(ValueError, match="at most half"):
            derangement(item_ids, seed)
        return
    other = derangement(item_ids, seed)
    assert sorted(other) == list(range(len(item_ids)))
    assert all(item_ids[own] != item_ids[index] for own, index in enumerate(other))
    assert other == derangement(item_ids, seed)


def test_derangement_follows_the_seed():
    item_ids = [str(index) for index in range(30)]
    assert derangement(item_ids, 0) != derangement(item_ids, 1)


def test_shuffled_control_falls_to_zero_for_a_model_that_hears():
    keys = [Call("set_volume", {"level": level}) for level in range(40)]
    replies = [[raw("set_volume", level=level)] for level in range(40)]
    scores, coinciding = score_shuffled(replies, keys, [str(i) for i in range(40)], seed=0)
    assert sum(score.exact for score in scores) == 0
    assert all(score.name for score in scores)
    assert coinciding == 0


def test_shuffled_control_stays_high_for_a_model_that_never_listens():
    keys = [Call("set_volume", {"level": 5 if index % 2 else 3}) for index in range(40)]
    replies = [[raw("set_volume", level=5)] for _ in range(40)]
    scores, coinciding = score_shuffled(replies, keys, [str(i) for i in range(40)], seed=0)
    assert sum(score.exact for score in scores) == 20  # as many as unshuffled
    assert coinciding > 0
