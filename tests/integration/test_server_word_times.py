"""Times of words over HTTP: what the network wrote is scripted, its sound has words at known places."""

import re

import httpx
import numpy as np
import openai
import pytest
import torch
from sound_files import encoded
from spoken_words import SAID, spoken

MODEL = "omni-audio"
VOICE = "espeak-en-us-f5"
TEXT = "kitchen off tomorrow. please timer"


@pytest.fixture(scope="module")
def clip():
    """A sound file of words with pauses between them, and where each of them lies."""
    pcm_S, places = spoken(VOICE, SAID, 0.4)
    return ("words.wav", encoded("WAV", pcm=pcm_S.numpy(), subtype="FLOAT")), places, len(pcm_S) / 16_000


def heard(url, file, **fields):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60) as client:
        answer = client.audio.transcriptions.create(model=MODEL, file=file, **fields)
        return list(answer) if fields.get("stream") else answer


def test_the_official_client_reads_words_and_segments(scripted_server, hearing_assistant, clip):
    file, places, duration_s = clip
    script = [("text", f" {TEXT} "), ("end", "stop")]
    with scripted_server(script, assistant=hearing_assistant) as url:
        answer = heard(url, file, response_format="verbose_json", timestamp_granularities=["word", "segment"])
        assert (answer.text, answer.language) == (TEXT, "english")
        assert answer.duration == answer.usage.seconds == pytest.approx(duration_s)
        assert answer.usage.type == "duration"
        assert answer.to_dict()["x_finish_reason"] == "stop"
        assert [word.word for word in answer.words] == TEXT.split()
        for word, (start_s, end_s) in zip(answer.words, places, strict=True):
            assert (word.start, word.end) == pytest.approx((start_s, end_s), abs=0.08)
        assert [segment.text for segment in answer.segments] == ["kitchen off tomorrow.", "please timer"]
        for number, segment in enumerate(answer.segments):
            assert (segment.id, segment.seek, segment.temperature) == (number, 0, 0)
            assert segment.avg_logprob == pytest.approx(-0.25)
            assert 0 < segment.no_speech_prob < 0.6
            assert 0.5 < segment.compression_ratio < 2.4
            assert hearing_assistant.text.decode(segment.tokens) == segment.text
        assert (answer.segments[0].start, answer.segments[0].end) == (
            answer.words[0].start,
            answer.words[2].end,
        )

        only = heard(url, file, response_format="verbose_json", timestamp_granularities=["word"])
        assert (only.segments, only.words) == (None, answer.words)
        default = heard(url, file, response_format="verbose_json")
        assert (default.segments, default.words) == (answer.segments, None)


def test_subtitles_have_the_same_times(scripted_server, hearing_assistant, clip):
    file, places, _ = clip
    with scripted_server([("text", TEXT), ("end", "stop")], assistant=hearing_assistant) as url:
        srt, vtt = (heard(url, file, response_format=name) for name in ("srt", "vtt"))
    assert vtt.startswith("WEBVTT\n\n00:00:")
    assert re.sub(r"(\d\d),(\d\d\d)", r"\1.\2", srt).split("\n")[1] == vtt.split("\n")[2]
    found = re.findall(r"00:00:(\d\d),(\d\d\d) --> 00:00:(\d\d),(\d\d\d)\n(.*)\n", srt)
    assert [text for *_, text in found] == ["kitchen off tomorrow.", "please timer"]
    for (*digits, _), start_s, end_s in zip(
        found, (places[0][0], places[3][0]), (places[2][1], places[4][1]), strict=True
    ):
        seconds = [int(digits[0]) + int(digits[1]) / 1000, int(digits[2]) + int(digits[3]) / 1000]
        assert seconds == pytest.approx([start_s, end_s], abs=0.08)


def test_silence_and_what_cannot_be_said_in_the_sound(scripted_server, hearing_assistant):
    quiet = ("a.wav", encoded("WAV", pcm=np.zeros(16_000, np.float32)))
    both = {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]}
    with scripted_server([("end", "stop")], assistant=hearing_assistant) as url:
        empty = heard(url, quiet, **both)
        assert (empty.text, empty.words, empty.segments) == ("", [], [])
        assert heard(url, quiet, response_format="srt") == ""
        assert heard(url, quiet, response_format="vtt") == "WEBVTT\n"
    too_long = "many words " * 20
    with scripted_server([("text", too_long), ("end", "stop")], assistant=hearing_assistant) as url:
        answer = heard(url, quiet, **both)
        assert answer.words == []
        (segment,) = answer.segments
        assert (segment.text, segment.start, segment.end) == (too_long.strip(), 0.0, 1.0)
        assert segment.compression_ratio > 2.4
        assert 0.8 < segment.no_speech_prob <= 1


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_a_transcript_says_whether_it_was_cut_off(scripted_server, hearing_assistant, clip, reason):
    file, _, _ = clip
    with scripted_server([("text", "kitchen off"), ("end", reason)], assistant=hearing_assistant) as url:
        for response_format in ("json", "text", "verbose_json", "srt", "vtt"):
            response = httpx.post(
                f"{url}/v1/audio/transcriptions",
                files={"file": file},
                data={"model": MODEL, "response_format": response_format},
                timeout=60,
            )
            assert response.status_code == 200
            assert response.headers["x-finish-reason"] == reason
            if "json" in response_format:
                assert response.json()["x_finish_reason"] == reason
        *_, done = heard(url, file, stream=True)
        assert done.to_dict()["x_finish_reason"] == reason


def test_the_real_network_gives_times_too(server_url):
    """Untrained: only the form of the answer is known, and that times are inside the sound and in order."""
    noise = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    answer = heard(
        server_url,
        ("a.wav", encoded("WAV", pcm=noise, subtype="FLOAT")),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert answer.duration == 1.5
    assert " ".join(segment.text for segment in answer.segments).split() == answer.text.split()
    for one in (*answer.words, *answer.segments):
        assert 0 <= one.start <= one.end <= 1.51
    assert all(segment.avg_logprob < 0 and segment.tokens for segment in answer.segments)
    assert torch.tensor([segment.start for segment in answer.segments]).diff().ge(0).all()
