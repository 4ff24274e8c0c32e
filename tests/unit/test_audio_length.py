"""A file that was cut short is an error that says how much was read; one that states no length is read as it is."""

import re
from pathlib import Path

import numpy as np
import pytest
from sound_files import encoded, muxed

from omni_audio.audio.formats import AudioError
from omni_audio.audio.io import load_audio

RATE_HZ = 16_000
DURATION_S = 6
CUT = 0.6


PCM = np.random.default_rng(0).uniform(-0.3, 0.3, DURATION_S * RATE_HZ).astype(np.float32)


def written(container: str, subtype: str | None = None) -> bytes:
    return encoded(container, RATE_HZ, subtype=subtype, pcm=PCM)


def by_ffmpeg(container: str, codec: str, **options: str) -> bytes:
    return muxed(container, codec, PCM, RATE_HZ, **options)


def of_unknown_length(data: bytes, stated: int) -> bytes:
    """The wav as a program writes it into a pipe."""
    place = data.index(b"data") + 4
    return data[:place] + stated.to_bytes(4, "little") + data[place + 4 :]


STATING = {
    "wav": written("WAV"),
    "wav of mu-law": written("WAV", "ULAW"),
    "wav of ADPCM": written("WAV", "IMA_ADPCM"),
    "wav of more than 4 GB": written("RF64"),
    "flac": written("FLAC"),
    "aiff": written("AIFF"),
    "au": written("AU"),
    "ogg": written("OGG"),
    "opus": written("OGG", "OPUS"),
    "mp3": written("MP3"),
    "mp3 after a tag": by_ffmpeg("mp3", "libmp3lame"),
    "webm": by_ffmpeg("webm", "libopus"),
    "flac in matroska": by_ffmpeg("matroska", "flac"),
    "m4a": by_ffmpeg("mp4", "aac"),
    "m4a in fragments": by_ffmpeg("mp4", "aac", movflags="frag_keyframe+empty_moov"),
    "aac": by_ffmpeg("adts", "aac"),
}
SILENT_ABOUT_IT = {
    "wav, 0 bytes": of_unknown_length(written("WAV"), 0),
    "wav, all ones": of_unknown_length(written("WAV"), 2**32 - 1),
    "wav, 2 GB less a page": of_unknown_length(written("WAV"), 0x7FFF_F000),
    "mp3 without a tag": by_ffmpeg("mp3", "libmp3lame", write_xing="0"),
    "live webm": by_ffmpeg("webm", "libopus", live="1"),
    "live matroska of mp3": by_ffmpeg("matroska", "libmp3lame", live="1"),
}


@pytest.mark.parametrize(
    "data", [*STATING.values(), *SILENT_ABOUT_IT.values()], ids=[*STATING, *SILENT_ABOUT_IT]
)
def test_a_whole_file_is_read_whole(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "sound").write_bytes(data)
    assert len(load_audio(tmp_path / "sound")) / RATE_HZ == pytest.approx(DURATION_S, abs=0.15)


@pytest.mark.parametrize("data", STATING.values(), ids=STATING)
def test_a_cut_file_is_an_error_that_says_how_much_was_read(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "sound").write_bytes(data[: int(CUT * len(data))])
    with pytest.raises(AudioError, match="cut short") as caught:
        load_audio(tmp_path / "sound")
    read = re.search(r"([\d.]+) s of sound", str(caught.value))
    assert read
    is_index_lost = data is STATING["m4a"]
    assert float(read[1]) == pytest.approx(0 if is_index_lost else CUT * DURATION_S, abs=1.0)


@pytest.mark.parametrize("data", SILENT_ABOUT_IT.values(), ids=SILENT_ABOUT_IT)
def test_what_states_no_length_is_read_to_its_end(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "sound").write_bytes(data[: int(CUT * len(data))])
    assert len(load_audio(tmp_path / "sound")) / RATE_HZ == pytest.approx(CUT * DURATION_S, abs=0.3)


def test_a_flac_cut_between_two_frames(tmp_path: Path) -> None:
    data = bytearray(STATING["flac"])
    data[22:26] = (DURATION_S * RATE_HZ + 4096).to_bytes(4, "big")  # as if one more frame had followed
    (tmp_path / "sound").write_bytes(data)
    with pytest.raises(AudioError, match=r"'6.00 s of sound' is not allowed: expected 6.26 s"):
        load_audio(tmp_path / "sound")
