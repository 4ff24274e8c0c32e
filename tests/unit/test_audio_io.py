"""Sound files: every format in, every bad input refused with its name."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from sound_files import encoded, muxed, tone

from omni_audio.audio import block_reader
from omni_audio.audio.formats import AudioError
from omni_audio.audio.io import decode_audio, load_audio, save_wav, write_flac

TONE = tone()


def tone_by_ffmpeg(container: str, codec: str, rate_hz: int = 48_000) -> bytes:
    return muxed(container, codec, tone(rate_hz, rate_hz), rate_hz)


def peak_hz(pcm: torch.Tensor) -> float:
    return float(torch.fft.rfft(pcm).abs().argmax()) * 16_000 / len(pcm)


@pytest.mark.parametrize(
    ("declared", "data"),
    [
        ("wav", encoded("WAV")),
        ("wav", encoded("WAV", subtype="FLOAT")),
        ("wav", encoded("WAV", subtype="DOUBLE")),
        ("wav", encoded("WAV", subtype="PCM_24")),
        ("wav", encoded("WAV", subtype="PCM_U8")),
        ("wav", encoded("WAV", subtype="ULAW")),
        ("flac", encoded("FLAC")),
        ("ogg", encoded("OGG")),
        ("opus", encoded("OGG", subtype="OPUS")),
        ("mp3", encoded("MP3")),
        ("webm", tone_by_ffmpeg("webm", "libopus")),
    ],
)
@pytest.mark.parametrize("declare", [True, False])
def test_every_format_decodes(declared: str, data: bytes, declare: bool) -> None:
    pcm = decode_audio(data, declared if declare else None)
    assert pcm.dtype == torch.float32
    assert pcm.dim() == 1
    assert len(pcm) / 16_000 == pytest.approx(1.0, abs=0.15)
    assert peak_hz(pcm) == pytest.approx(440, abs=3)
    assert float(pcm[2000:12_000].abs().max()) == pytest.approx(0.5, abs=0.06)  # codecs overshoot at the end


@pytest.mark.parametrize(
    "data",
    [
        encoded("AIFF"),
        encoded("AU"),
        encoded("RF64"),
        tone_by_ffmpeg("mp4", "aac"),
        tone_by_ffmpeg("adts", "aac"),
        tone_by_ffmpeg("mp4", "alac"),
    ],
    ids=["aiff", "au", "rf64", "m4a", "aac", "alac"],
)
def test_formats_that_files_may_have_and_requests_may_not_declare(data: bytes) -> None:
    assert peak_hz(decode_audio(data)) == pytest.approx(440, abs=3)
    with pytest.raises(AudioError, match="format"):
        decode_audio(data, "m4a")


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        ("g722", tone_by_ffmpeg("g722", "g722", 16_000)),
        ("ulaw", tone_by_ffmpeg("mulaw", "pcm_mulaw", 8000)),
        ("AL", tone_by_ffmpeg("alaw", "pcm_alaw", 8000)),
    ],
)
def test_telephone_files_without_a_header_are_known_by_their_name(
    tmp_path: Path, suffix: str, data: bytes
) -> None:
    path = tmp_path / f"tone.{suffix}"
    path.write_bytes(data)
    pcm = load_audio(path)
    assert len(pcm) == pytest.approx(16_000, abs=2)
    assert peak_hz(pcm) == pytest.approx(440, abs=3)
    with pytest.raises(AudioError, match="first bytes of wav, flac"):
        load_audio(path.rename(tmp_path / "tone.wav"))


@pytest.mark.parametrize("name", ["list.m3u8", "list.ffconcat", "list.wav", "list.mp4"])
@pytest.mark.parametrize(
    "script",
    [
        "ffconcat version 1.0\nfile 'secret.wav'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n",
        "v=0\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    ],
    ids=["concat", "hls", "sdp"],
)
def test_scripts_that_name_other_files_are_never_opened(tmp_path: Path, name: str, script: str) -> None:
    save_wav(tmp_path / "secret.wav", torch.from_numpy(TONE))
    (tmp_path / name).write_text(script)
    with pytest.raises(AudioError, match="first bytes of wav, flac"):
        load_audio(tmp_path / name)


def test_a_codec_that_nobody_knows_is_named() -> None:
    data = bytearray(encoded("WAV"))
    data[20:22] = b"\x34\x12"
    with pytest.raises(AudioError, match="known codec"):
        decode_audio(bytes(data))


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_rates_are_resampled(rate_hz: int) -> None:
    pcm = decode_audio(encoded("WAV", rate_hz=rate_hz))
    assert len(pcm) == pytest.approx(16_000 * 16_000 / rate_hz, abs=2)
    assert peak_hz(pcm) == pytest.approx(440 * rate_hz / 16_000, abs=3 * rate_hz / 16_000)


def test_channels_are_averaged() -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([TONE, -TONE, TONE, TONE], 1), 16_000, format="WAV", subtype="FLOAT")
    np.testing.assert_allclose(decode_audio(buffer.getvalue()).numpy(), TONE / 2, atol=1e-6)
    assert len(decode_audio(encoded("WAV", channels=8))) == 16_000


@pytest.mark.parametrize("write", [save_wav, write_flac])
def test_written_files_come_back(tmp_path: Path, write) -> None:
    path = tmp_path / "tone"  # the content says what it is, not the name
    write(path, torch.from_numpy(TONE))
    np.testing.assert_allclose(load_audio(path).numpy(), TONE, atol=1.0 / 32_768)
    assert [file.name for file in tmp_path.iterdir()] == ["tone"]
    write(path, torch.tensor([3.0, -3.0, 0.0]))  # overwrites, saturates
    np.testing.assert_allclose(load_audio(path).numpy(), [1.0, -1.0, 0.0], atol=1.0 / 16_384)


def test_rate_of_written_file(tmp_path: Path) -> None:
    save_wav(tmp_path / "a.wav", torch.from_numpy(TONE), 24_000)
    assert soundfile.info(str(tmp_path / "a.wav")).samplerate == 24_000


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    save_wav(path, torch.from_numpy(TONE))
    before = path.read_bytes()

    def fail(*args) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(soundfile.SoundFile, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        save_wav(path, torch.zeros(10))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["missing.wav", "."])
def test_missing_file_and_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(AudioError, match="existing file") as caught:
        load_audio(tmp_path / name)
    assert caught.value.name == "path"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"R",
        b"hello, this is a text\n" * 50,
        b"#EXTM3U\nfile:///etc/passwd\n",
        b"\x00" * 5000,
        b"RIFF\0\0\0\0AVI ",
    ],
)
def test_what_is_not_sound(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "text.wav"
    path.write_bytes(data)
    with pytest.raises(AudioError) as caught:
        load_audio(path)
    assert caught.value.allowed
    assert caught.value.remedy


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_headers_without_sound(container: str) -> None:
    with pytest.raises(AudioError):
        decode_audio(encoded(container)[:20])


@pytest.mark.parametrize(
    "magic", [b"fLaC", b"OggS", b"ID3", b"\x1a\x45\xdf\xa3", b"RIFF0000WAVE", b"\xff\xfb"]
)
def test_magic_bytes_before_garbage(magic: bytes) -> None:
    garbage = np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8).tobytes()
    with pytest.raises(AudioError):
        decode_audio(magic + garbage)


def test_no_samples() -> None:
    with pytest.raises(AudioError):
        decode_audio(encoded("WAV", pcm=TONE[:0]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_samples_that_are_not_finite(value: float, subtype: str) -> None:
    pcm = TONE.copy()
    pcm[15_000] = value
    with pytest.raises(AudioError, match="finite") as caught:
        decode_audio(encoded("WAV", subtype=subtype, pcm=pcm))
    assert caught.value.name == "samples"


@pytest.mark.parametrize("rate_hz", [1, 4000, 7999, 192_001, 384_000])
def test_rate_out_of_range(rate_hz: int) -> None:
    with pytest.raises(AudioError) as caught:
        decode_audio(encoded("WAV", rate_hz=rate_hz))
    assert caught.value.name == "rate_hz"


def test_too_many_channels() -> None:
    with pytest.raises(AudioError) as caught:
        decode_audio(encoded("WAV", channels=9))
    assert caught.value.name == "channels"


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_duration_is_bounded_while_decoding(container: str) -> None:
    long = encoded(container, pcm=np.tile(TONE, 5))
    with pytest.raises(AudioError, match="at most 2 s") as caught:
        decode_audio(long, max_duration_s=2)
    assert caught.value.name == "duration"
    assert len(decode_audio(long, max_duration_s=6)) > 70_000


def test_a_flac_bomb_is_stopped_early(monkeypatch: pytest.MonkeyPatch) -> None:
    silence = np.zeros(600 * 16_000, np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, silence, 16_000, format="FLAC")
    num_frames = 0
    channels = block_reader._channels

    def counted(frame):
        nonlocal num_frames
        num_frames += 1
        return channels(frame)

    monkeypatch.setattr(block_reader, "_channels", counted)
    with pytest.raises(AudioError, match="at most 1 s"):
        decode_audio(buffer.getvalue(), max_duration_s=1)
    assert num_frames < 20


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_bad_limit(limit: float) -> None:
    with pytest.raises(AudioError, match="max_duration_s"):
        decode_audio(encoded("WAV"), max_duration_s=limit)


@pytest.mark.parametrize("declared", ["mp3", "flac", "hls", "", "text/plain"])
def test_declared_format_must_be_known_and_true(declared: str) -> None:
    with pytest.raises(AudioError) as caught:
        decode_audio(encoded("WAV"), declared)
    assert caught.value.name == "format"


@pytest.mark.parametrize(
    ("pcm", "name"),
    [
        (torch.zeros(2, 10), "shape"),
        (torch.zeros(0), "0 samples"),
        (torch.tensor([float("nan")]), "finite"),
        (torch.tensor([float("inf")]), "finite"),
        (torch.zeros(10, dtype=torch.int16), "dtype"),
    ],
)
def test_bad_samples_are_not_written(tmp_path: Path, pcm: torch.Tensor, name: str) -> None:
    with pytest.raises(AudioError, match=name):
        save_wav(tmp_path / "a.wav", pcm)
    assert not list(tmp_path.iterdir())


def test_bad_place_and_rate_of_written_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="existing folder"):
        save_wav(tmp_path / "no" / "a.wav", torch.zeros(10))
    with pytest.raises(AudioError, match="rate_hz"):
        save_wav(tmp_path / "a.wav", torch.zeros(10), 100)


def test_recorded_speech() -> None:
    clips = sorted((Path(__file__).parent.parent / "data").glob("*.flac"))
    assert clips
    for clip in clips:
        assert 16_000 <= len(load_audio(clip)) <= 6 * 16_000
