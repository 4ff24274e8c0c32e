"""Hostile sound against a real server process: classes 1 to 11 of docs/api-status.md, "Hostile input"."""

import base64
import contextlib
import os
import socket
import threading
import time

import numpy as np
import pytest
from hostile_sounds import flac_bomb, float_wav, opus_of_silence, wav
from refusals import CLIP, clip, refused
from sound_files import encoded, muxed, tone

DATA = f"{CLIP}.data"
TONE_S = 1.0
PCM16 = (tone() * 32767).astype("<i2").tobytes()
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 160_000).astype(np.float32)
SOUNDS = {
    "wav": encoded("WAV"),
    "flac": encoded("FLAC"),
    "mp3": muxed("mp3", "libmp3lame", tone(24_000, 24_000), 24_000),
    "opus": muxed("ogg", "libopus", tone(48_000, 48_000), 48_000),
    "webm": muxed("webm", "libopus", tone(48_000, 48_000), 48_000),
}


def heard_s(response):
    """Seconds of sound that an answered request held, counted in frames of 80 ms."""
    assert response.status_code == 200, response.text[:500]
    return response.json()["usage"]["prompt_tokens_details"]["audio_tokens"] * 0.08


@pytest.mark.parametrize("data", ["***", "AAA", "AA AA", "AAAA\n", "__--", "ÄÄÄÄ", "A===", "cmFuZG9t\0"])
def test_class_01_bad_base64(hostile_server, data):
    refused(hostile_server.chat(messages=clip(data)), DATA, "invalid_base64")
    uri = {"role": "user", "content": f"data:audio/wav;base64,{data}"}
    refused(hostile_server.chat(messages=[uri]), "messages[0].content", "invalid_base64")
    field = {"role": "user", "content": "audio", "audio": data}
    refused(hostile_server.chat(messages=[field]), "messages[0].audio", "invalid_base64")


EMPTY = {
    "0 bytes": ("wav", b""),
    "wav header": ("wav", wav(b"")),
    "half a wav header": ("wav", wav(b"")[:20]),
    "flac header": ("flac", SOUNDS["flac"][:42]),
    "mp3 tag": ("mp3", b"ID3\x04\0\0\0\0\0\0"),
    "ogg headers": ("opus", opus_of_silence(0)),
    "webm header": ("webm", SOUNDS["webm"][:60]),
    "half a sample": ("pcm16", b"\0"),
}


@pytest.mark.parametrize("name", EMPTY)
def test_class_02_empty_sound(hostile_server, name):
    sound_format, data = EMPTY[name]
    refused(
        hostile_server.chat(messages=clip(data, sound_format)),
        DATA,
        "invalid_audio" if data else "invalid_value",
    )
    form = {"files": {"file": ("a", data)}, "data": {"model": "omni-audio"}}
    refused(hostile_server.client.post("/v1/audio/transcriptions", **form), "file", "invalid_audio")


@pytest.mark.parametrize("encoder", ["opus", "vorbis"])
def test_class_03_truncated_ogg(hostile_server, encoder):
    if encoder == "opus":
        data = muxed("ogg", "libopus", NOISE[:96_000], 48_000, page_duration="20000")
    else:
        data = encoded("OGG", pcm=NOISE)
    for end in (20, 50, 100):
        refused(hostile_server.chat(messages=clip(data[:end], "opus")), DATA, "invalid_audio")
    whole_s = heard_s(hostile_server.chat(messages=clip(data, "opus")))
    half_s = heard_s(hostile_server.chat(messages=clip(data[: len(data) // 2], "opus")))
    assert 0.3 * whole_s < half_s < 0.7 * whole_s


def corrupted(data, start, num_bytes):
    broken = bytearray(data)
    broken[start : start + num_bytes] = np.random.default_rng(1).bytes(num_bytes)
    return bytes(broken)


CORRUPTED = {
    "a page of opus": ("opus", corrupted(SOUNDS["opus"], len(SOUNDS["opus"]) // 2, 100)),
    "one bit of opus": ("opus", SOUNDS["opus"][:-1] + bytes([SOUNDS["opus"][-1] ^ 1])),
    "all pages of opus": ("opus", corrupted(SOUNDS["opus"], 100, len(SOUNDS["opus"]) - 100)),
    "frames of mp3": ("mp3", corrupted(SOUNDS["mp3"], 2000, 3000)),
    "clusters of webm": ("webm", corrupted(SOUNDS["webm"], 600, len(SOUNDS["webm"]) - 600)),
    "half a flac": ("flac", corrupted(SOUNDS["flac"], 2000, len(SOUNDS["flac"]) - 2000)),
    "random bytes as wav": ("wav", np.random.default_rng(2).bytes(4000)),
    "random bytes behind RIFF": ("wav", b"RIFF\0\0\0\0WAVE" + np.random.default_rng(3).bytes(4000)),
    "text as mp3": ("mp3", b"These are words and no sound. " * 100),
    "text behind ID3": ("mp3", b"ID3\x04\0\0\0\0\0\0" + b"These are words. " * 100),
}


@pytest.mark.parametrize("name", CORRUPTED)
def test_class_04_corrupted_sound(hostile_server, name):
    sound_format, data = CORRUPTED[name]
    refused(hostile_server.chat(messages=clip(data, sound_format)), DATA, "invalid_audio")


@pytest.mark.parametrize(
    ("stated", "expected_s"),
    [
        ({"data_bytes": 0}, TONE_S),
        ({"data_bytes": 16_000}, TONE_S / 2),
        *[({"data_bytes": size}, TONE_S) for size in (2**20, 2**31 - 256, 2**31, 2**32 - 2, 2**32 - 1)],
        *[({"riff_bytes": size}, TONE_S) for size in (0, 10, 2**20, 2**32 - 1)],
    ],
)
def test_class_05_wav_that_lies_about_its_length(hostile_server, stated, expected_s):
    hostile_server.reset_peak()
    before_mib = hostile_server.rss_mib()
    response = hostile_server.chat(messages=clip(wav(PCM16, **stated)))
    assert heard_s(response) == pytest.approx(expected_s, abs=0.08)
    assert hostile_server.peak_mib() - before_mib < 100


@pytest.mark.parametrize("declared", SOUNDS)
def test_class_06_declared_type_and_bytes_disagree(hostile_server, declared):
    for name, data in SOUNDS.items():
        if name != declared:
            refused(hostile_server.chat(messages=clip(data, declared)), DATA, "invalid_audio")
    named = {"files": {"file": (f"a.{declared}", SOUNDS["flac" if declared == "wav" else "wav"])}}
    response = hostile_server.client.post("/v1/audio/transcriptions", data={"model": "omni-audio"}, **named)
    refused(response, "file", "invalid_audio")


@pytest.mark.parametrize("rate_hz", [0, 1, 7_999, 192_001, 2**31 - 1, 2**32 - 1])
def test_class_07_rates(hostile_server, rate_hz):
    refused(hostile_server.chat(messages=clip(wav(PCM16, rate_hz=rate_hz))), DATA, "invalid_audio")


@pytest.mark.parametrize(
    "form", [*[{"channels": number} for number in (0, 9, 64, 65_535)], {"bits": 0}, {"bits": 255}]
)
def test_class_08_channels_and_bits(hostile_server, form):
    refused(hostile_server.chat(messages=clip(wav(PCM16, **form))), DATA, "invalid_audio")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -1e38])
def test_class_09_samples_that_are_no_sound(hostile_server, value):
    refused(hostile_server.chat(messages=clip(float_wav(value))), DATA, "invalid_audio")


BOMBS = {
    "10 h of flac, stated": ("flac", flac_bomb(36_000, states_length=True)),
    "10 h of flac, unstated": ("flac", flac_bomb(36_000, states_length=False)),
    "10 h of flac at 192 kHz": ("flac", flac_bomb(36_000, states_length=False, rate_hz=192_000)),
    "2 h of opus": ("opus", opus_of_silence(7200)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_class_10_sound_that_swells(hostile_server, name):
    sound_format, data = BOMBS[name]
    messages = clip(data, sound_format)
    hostile_server.reset_peak()
    before_mib, before_s = hostile_server.rss_mib(), hostile_server.cpu_s()
    refused(hostile_server.chat(messages=messages), DATA, "invalid_audio")
    assert hostile_server.cpu_s() - before_s < 1.0
    assert hostile_server.peak_mib() - before_mib < 300


def test_class_10_many_clips_over_the_limit_together(hostile_server):
    (one,) = clip(flac_bomb(40, states_length=False), "flac")[0]["content"]
    hostile_server.reset_peak()
    before_mib, before_s = hostile_server.rss_mib(), hostile_server.cpu_s()
    response = hostile_server.chat(messages=[{"role": "user", "content": [one] * 500}])
    refused(response, "messages[0].content[9].input_audio.data", "invalid_audio")
    assert hostile_server.cpu_s() - before_s < 1.0
    assert hostile_server.peak_mib() - before_mib < 300


@contextlib.contextmanager
def watched(folder):
    """A port and a named pipe, and whether anybody came to either."""
    visits = []
    pipe = folder / "pipe.wav"
    os.mkfifo(pipe)
    is_over = threading.Event()

    def watch_pipe():
        while not is_over.wait(0.005):
            with contextlib.suppress(OSError):  # nobody reads
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
                visits.append("file")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.01)
        watching = threading.Thread(target=watch_pipe)
        watching.start()
        try:
            yield listener.getsockname()[1], pipe, visits
        finally:
            is_over.set()
            watching.join()
        with contextlib.suppress(TimeoutError):
            listener.accept()[0].close()
            visits.append("socket")


@pytest.mark.parametrize("kind", ["ffconcat", "hls", "sdp", "url"])
def test_class_11_sound_that_points_elsewhere(hostile_server, tmp_path, kind):
    with watched(tmp_path) as (port, pipe, visits):
        url = f"http://127.0.0.1:{port}/a.wav"
        scripts = {
            "ffconcat": [f"ffconcat version 1.0\nfile {place}\n" for place in (pipe, f"file:{pipe}", url)],
            "hls": [
                f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{place}\n#EXT-X-ENDLIST\n"
                for place in (pipe, url)
            ],
            "sdp": [
                f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"
            ],
            "url": [],
        }
        start_s = time.monotonic()
        for script in scripts[kind]:
            for sound_format in ("wav", "mp3", "opus"):
                refused(
                    hostile_server.chat(messages=clip(script.encode(), sound_format)), DATA, "invalid_audio"
                )
            form = {"files": {"file": ("a.m3u8", script.encode())}, "data": {"model": "omni-audio"}}
            refused(hostile_server.client.post("/v1/audio/transcriptions", **form), "file", "invalid_audio")
        for place in (url, f"file://{pipe}", str(pipe)) if kind == "url" else ():
            refused(hostile_server.chat(messages=clip(place)), DATA, "invalid_base64")
            field = {"role": "user", "content": "audio", "audio": place}
            refused(hostile_server.chat(messages=[field]), "messages[0].audio", "invalid_base64")
        assert time.monotonic() - start_s < 20
    assert visits == []


def test_class_11_is_watched_as_it_should_be(tmp_path):
    with watched(tmp_path) as (port, pipe, visits):
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        time.sleep(0.1)
        os.close(reader)
        socket.create_connection(("127.0.0.1", port)).close()
    assert {"file", "socket"} <= set(visits)


def test_base64_of_the_contract_is_still_taken(hostile_server):
    assert heard_s(hostile_server.chat(messages=clip(base64.b64encode(SOUNDS["wav"]).decode()))) > 0.9
