"""Pages of ogg files, by files of other programs and by pages made byte by byte."""

import io

import pytest
from hostile_sounds import ogg_page, opus_of_silence
from sound_files import encoded, muxed, tone

from omni_audio.audio.ogg_pages import damaged_page

FILES = {
    "libopus": muxed("ogg", "libopus", tone(96_000, 48_000), 48_000),
    "libvorbis": encoded("OGG"),
    "by hand": opus_of_silence(60.0),
}


@pytest.mark.parametrize("name", FILES)
def test_whole_files_and_cut_ones_have_no_damaged_page(name):
    data = FILES[name]
    for end in (len(data), len(data) - 1, len(data) // 2, 30, 10, 0):
        file = io.BytesIO(data[:end])
        assert damaged_page(file) is None
        assert file.tell() == 0


@pytest.mark.parametrize("name", FILES)
def test_one_changed_bit_is_found_with_the_place_of_its_page(name):
    data = FILES[name]
    last = data.rfind(b"OggS")
    for place in (last + 6, last + 14, last + 24, len(data) - 1):
        changed = bytearray(data)
        changed[place] ^= 1
        assert damaged_page(io.BytesIO(changed)) == last


def test_what_stands_between_pages_is_damage_and_behind_the_last_one_is_not():
    first, last = ogg_page(0, 2, 0, [b"a" * 40]), ogg_page(1, 4, 0, [b"b" * 40])
    junk = b"some other bytes that are no page"
    assert damaged_page(io.BytesIO(first + junk + last)) == len(first)
    assert damaged_page(io.BytesIO(junk)) == 0
    assert damaged_page(io.BytesIO(first + last + junk)) is None
    assert damaged_page(io.BytesIO(first + last + first + last)) is None
