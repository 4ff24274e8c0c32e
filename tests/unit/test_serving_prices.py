"""Prices of the configuration, and what the tokens of an answer come to; no server."""

import pytest
from drawn_streams import document

from omni_audio.config.errors import ConfigError
from omni_audio.config.load import load_config
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.serving.prices import PriceTable, TokenUse, use_of
from omni_audio.serving.settings import PriceConfig
from omni_audio.serving.stream import Stream

PRICE = PriceConfig(text_in=2.5, audio_in=40.0, text_out=10.0, audio_out=80.0)
IDS = ["build", "alias"]
USE = TokenUse(text_in=1000, audio_in=200, text_out=30, audio_out=4)


def stream_of(prompt, request, admitted=True, **delivered):
    stream = Stream(prompt, request, max_total_tokens=None, limit_events=1, owner="", loop=None)
    stream.times.admitted_s = 1.0 if admitted else None
    for name, number in delivered.items():
        setattr(stream.delivered, name, number)
        setattr(stream.made, name, number + 5)  # what nobody got costs nothing
    return stream


def test_a_million_tokens_cost_the_price():
    costs = PriceTable({"build": PRICE}, "build", IDS).costs("build", USE)
    assert costs == pytest.approx(
        {"text_in": 0.0025, "audio_in": 0.008, "text_out": 0.0003, "audio_out": 0.00032}
    )


def test_an_alias_has_its_own_price_or_that_of_the_build():
    free = PriceConfig(text_in=0, audio_in=0, text_out=0, audio_out=0)
    assert sum(PriceTable({"build": PRICE, "alias": free}, "build", IDS).costs("alias", USE).values()) == 0
    of_build = PriceTable({"build": PRICE}, "build", IDS)
    assert of_build.costs("alias", USE) == of_build.costs("build", USE)
    assert PriceTable({"alias": PRICE}, "build", IDS).costs("build", USE) is None
    assert PriceTable({}, "build", IDS).costs("alias", USE) is None


def test_a_price_of_no_model_is_refused():
    with pytest.raises(ValueError, match=r"server\.prices = \['other'\].*build, alias.*Name one of them"):
        PriceTable({"other": PRICE, "alias": PRICE}, "build", IDS)


@pytest.mark.parametrize("price", [-1, float("nan"), float("inf")])
def test_a_price_is_a_number_of_at_least_0(price):
    with pytest.raises(ValueError, match=r"prices\.audio_in = .*at least 0"):
        PriceConfig(text_in=0, audio_in=price, text_out=0, audio_out=0)


def test_the_tokens_are_those_of_usage(tiny_model, tiny_text):
    prompt = document(tiny_model, tiny_text, 6, Mode.REPLY_AUDIO)
    request = GenerationRequest(mode=Mode.REPLY_AUDIO)
    one = stream_of(prompt, request, text_tokens=3, tool_tokens=2, audio_frames=7)
    other = stream_of(prompt, request, text_tokens=4)
    waiting = stream_of(prompt, request, admitted=False)
    assert use_of([one, other, waiting]) == TokenUse(
        text_in=len(prompt) - 6, audio_in=6, text_out=9, audio_out=7
    )
    assert use_of([waiting]) is None
    assert use_of([]) is None


def test_the_letters_of_a_given_text_are_read(tiny_model, tiny_text):
    prompt = document(tiny_model, tiny_text, 0, Mode.SAY)
    request = GenerationRequest(mode=Mode.SAY, script=[[20, 21], [22]])
    said = stream_of(prompt, request, text_tokens=3, audio_frames=9)
    assert use_of([said]) == TokenUse(text_in=len(prompt) + 3, audio_in=0, text_out=0, audio_out=9)


def test_prices_are_set_by_overrides():
    of_alias = "{text_in: 2.5, audio_in: 40, text_out: 10, audio_out: 80}"
    config = load_config([f"+server.prices={{omni-audio: {of_alias}}}", "server.currency=EUR"])
    assert config.server.prices == {"omni-audio": PRICE}
    assert config.server.currency == "EUR"
    assert load_config([]).server.prices == {}
    for override, said in (
        ("+server.prices={omni-audio: {text_in: 1}}", "audio_in"),
        ("+server.prices={omni-audio: {text_in: 1, audio_in: x, text_out: 1, audio_out: 1}}", "audio_in"),
        (f"+server.prices={{omni-audio: {of_alias[:-1]}, sound_in: 1}}}}", "sound_in"),
        ("+server.prices={omni-audio: {text_in: -1, audio_in: 0, text_out: 1, audio_out: 1}}", "text_in"),
    ):
        with pytest.raises(ConfigError, match=said):
            load_config([override])


def test_prices_may_stand_in_a_file(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "priced.yaml").write_text(
        "# @package _global_\nname: priced\nserver:\n  prices:\n"
        "    omni-audio: {text_in: 2.5, audio_in: 40, text_out: 10, audio_out: 80}\n"
    )
    config = load_config(["experiment=priced"], config_dirs=[tmp_path])
    assert config.server.prices == {"omni-audio": PRICE}
