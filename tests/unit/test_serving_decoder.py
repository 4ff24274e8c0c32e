"""The process that decodes clips: what it may do, and what becomes of a clip when it ends."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sound_files import encoded, muxed, tone

from omni_audio.serving import worker_process
from omni_audio.serving.decoder import ClipRefusedError, Decoder
from omni_audio.serving.settings import DecoderConfig
from omni_audio.serving.worker_process import WorkerGoneError

WAV = encoded("WAV")


@pytest.fixture(scope="module")
def decoder():
    made = Decoder(DecoderConfig())
    yield made
    made.stop()


def process_of(decoder):
    return decoder.pid


def test_every_format_comes_back_as_16_khz_mono(decoder):
    sounds = {
        "wav": WAV,
        "flac": encoded("FLAC"),
        "mp3": muxed("mp3", "libmp3lame", tone(24_000, 24_000), 24_000),
        "opus": muxed("ogg", "libopus", tone(48_000, 48_000), 48_000),
        "webm": muxed("webm", "libopus", tone(48_000, 48_000), 48_000),
        "pcmu": muxed("mulaw", "pcm_mulaw", tone(8_000, 8_000), 8_000),
        "pcm16": (tone(24_000, 24_000) * 32767).astype("<i2").tobytes(),
    }
    for name, data in sounds.items():
        pcm_S = decoder.decode(data, name, 2.0)
        assert pcm_S.dtype == np.float32
        assert len(pcm_S) == pytest.approx(16_000, abs=2000), name
        assert np.abs(pcm_S).max() == pytest.approx(0.5, abs=0.05), name


def test_what_is_refused_says_why_and_the_process_lives_on(decoder):
    pid = process_of(decoder)
    for data, declared, limit_s, said in (
        (b"words", None, 1.0, "first bytes"),
        (WAV, "flac", 1.0, "declare|Declare"),
        (WAV, "pcm16", 1.0, "'wav', which the content is"),
        (WAV, "wav", 0.5, "at most 0.5 s"),
        (b"RIFF" + b"x" * 99, None, 1.0, "first bytes"),
    ):
        with pytest.raises(ClipRefusedError, match=said):
            decoder.decode(data, declared, limit_s)
    assert process_of(decoder) == pid


def test_the_process_is_small_and_has_neither_pytorch_nor_files_nor_keys(decoder, monkeypatch):
    monkeypatch.setenv("OMNI_AUDIO_API_KEYS", "secret-key")
    other = Decoder(DecoderConfig())
    try:
        other.decode(WAV, "wav", 2.0)
        place = Path(f"/proc/{process_of(other)}")
        assert b"secret-key" not in (place / "environ").read_bytes()
        assert "torch" not in (place / "maps").read_text()
        limits = {
            line[:25].strip(): line[26:].split()[0] for line in (place / "limits").read_text().splitlines()
        }
        assert [limits[name] for name in ("Max open files", "Max file size", "Max core file size")] == [
            "0"
        ] * 3
        rss_kib = next(
            line for line in (place / "status").read_text().splitlines() if line.startswith("VmRSS")
        )
        assert int(rss_kib.split()[1]) < 120 * 1024
    finally:
        other.stop()
    assert not place.exists()


def killed_while_it_decodes(decoder, kill_with):
    """What decode() raises where the process is stopped first, so that the signal meets a clip that is on its way."""
    decoder.decode(WAV, "wav", 2.0)
    pid = process_of(decoder)
    os.kill(pid, signal.SIGSTOP)

    def end_it():
        time.sleep(0.2)
        os.kill(pid, kill_with)
        os.kill(pid, signal.SIGCONT)

    ending = threading.Thread(target=end_it)
    ending.start()
    try:
        decoder.decode(WAV, "wav", 2.0)
    except (ClipRefusedError, WorkerGoneError) as error:
        return error
    finally:
        ending.join()
    return None


def test_a_killed_process_fails_its_clip_and_the_next_one_is_decoded():
    restarts = []
    decoder = Decoder(DecoderConfig(), lambda: restarts.append(1))
    try:
        assert isinstance(killed_while_it_decodes(decoder, signal.SIGKILL), WorkerGoneError)
        assert len(decoder.decode(WAV, "wav", 2.0)) == 16_000
        assert isinstance(killed_while_it_decodes(decoder, signal.SIGSEGV), ClipRefusedError)
        assert len(decoder.decode(WAV, "wav", 2.0)) == 16_000
        os.kill(process_of(decoder), signal.SIGKILL)
        time.sleep(0.2)
        assert len(decoder.decode(WAV, "wav", 2.0)) == 16_000
        assert len(restarts) == 3
    finally:
        decoder.stop()


def test_a_clip_that_takes_too_long_is_refused_and_its_process_ended():
    decoder = Decoder(DecoderConfig(timeout_s=0.3))
    try:
        decoder.decode(WAV, "wav", 2.0)
        hung = process_of(decoder)
        os.kill(hung, signal.SIGSTOP)
        start_s = time.monotonic()
        with pytest.raises(ClipRefusedError, match=r"longer than 0\.3 s"):
            decoder.decode(WAV * 20, "wav", 2.0)
        assert time.monotonic() - start_s < 2
        assert not Path(f"/proc/{hung}").exists()
        decoder._config.timeout_s = 10
        assert len(decoder.decode(WAV, "wav", 2.0)) == 16_000
    finally:
        decoder.stop()


def test_size_and_memory_are_limited():
    decoder = Decoder(DecoderConfig(memory_limit_mib=256, clip_limit_bytes=8_000_000, timeout_s=60))
    try:
        with pytest.raises(ClipRefusedError, match="8000001 bytes; allowed: 8000000"):
            decoder.decode(bytes(8_000_001), "pcmu", 10_000.0)
        with pytest.raises(ClipRefusedError, match="more memory"):
            decoder.decode(bytes(8_000_000), "pcmu", 10_000.0)
        assert len(decoder.decode(WAV, "wav", 2.0)) == 16_000
    finally:
        decoder.stop()


def test_a_process_that_does_not_start_is_not_the_clips_fault(monkeypatch):
    monkeypatch.setattr(worker_process.sys, "executable", "/bin/false")
    decoder = Decoder(DecoderConfig())
    try:
        with pytest.raises(WorkerGoneError, match="did not start"):
            decoder.decode(WAV, "wav", 2.0)
    finally:
        decoder.stop()
