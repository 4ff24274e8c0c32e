"""Voices by the names that the official client knows."""

import typing

import pytest

from omni_audio.serving.errors import ApiError
from omni_audio.serving.settings import DEFAULT_VOICE, SDK_VOICES, RequestLimits
from omni_audio.serving.spoken_options import check_voice

speech_create_params = pytest.importorskip("openai.types.audio.speech_create_params", reason="needs openai")
chat_params = pytest.importorskip("openai.types.chat.chat_completion_audio_param", reason="needs openai")


def names_in(kind):
    """The strings of all Literal in a union."""
    inner = typing.get_args(kind)
    return {each for each in inner if isinstance(each, str)}.union(*map(names_in, inner)) if inner else set()


def test_every_voice_of_the_client_is_served():
    names = names_in(speech_create_params.Voice) | names_in(chat_params.Voice)
    assert names >= {"alloy", "nova", "cedar"}
    assert names == set(SDK_VOICES)
    for name in (DEFAULT_VOICE, *sorted(names)):
        check_voice(name, RequestLimits(), "audio.voice")


def test_other_voices_are_refused_with_the_served_ones():
    with pytest.raises(ApiError, match=r"default.*alloy.*verse") as caught:
        check_voice("nobody", RequestLimits(), "audio.voice")
    assert (caught.value.status, caught.value.param, caught.value.code) == (
        400,
        "audio.voice",
        "unsupported_value",
    )
