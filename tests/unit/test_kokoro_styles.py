import re
from pathlib import Path

import numpy as np
import pytest

from omni_audio.data.corpora.commands_slots import CorpusError
from omni_audio.data.corpora.kokoro_engine import STYLES_VARIABLE, KokoroEngine, read_styles
from omni_audio.data.corpora.voices import Engine, natural_voices, voices_of

HELD_OUT = {"af_heart", "af_nova", "am_fenrir", "am_liam", "am_michael", "bf_emma", "bf_lily", "bm_george"}


def styles_of(variant: str) -> list[str]:
    return re.findall(r"\w+(?=:)", variant)


def test_natural_voices_are_of_one_sex_and_leave_held_out_styles_alone() -> None:
    voices = natural_voices()
    dev = {style for voice in voices_of("dev", natural=True) for style in styles_of(voice.variant)}
    assert dev
    assert len({voice.name for voice in voices}) == len(voices) == 200
    for voice in voices:
        timbre, prosody = styles_of(voice.variant)
        assert (voice.engine, voice.split, timbre[1]) == (Engine.KOKORO, "train", prosody[1])
        assert not {timbre, prosody} & (HELD_OUT | dev)
    assert any(len(set(styles_of(voice.variant))) == 2 for voice in voices)


def test_styles_are_read_from_files(tmp_path: Path) -> None:
    style = np.random.default_rng(0).standard_normal((5, 256)).astype(np.float32)
    style.tofile(tmp_path / "af_one.bin")
    (tmp_path / "README.md").write_text("no style")
    found = read_styles(tmp_path)
    assert list(found) == ["af_one"]
    np.testing.assert_array_equal(found["af_one"], style)


@pytest.mark.parametrize("num_numbers", [0, 255, 257])
def test_a_file_that_is_no_style_is_refused(tmp_path: Path, num_numbers: int) -> None:
    np.zeros(num_numbers, np.float32).tofile(tmp_path / "af_one.bin")
    with pytest.raises(CorpusError, match=r"af_one.bin = \d+ is not allowed: expected rows of 256"):
        read_styles(tmp_path)


def test_a_folder_without_styles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=STYLES_VARIABLE):
        read_styles(tmp_path)


def test_a_style_that_is_not_there_names_the_folder_of_more() -> None:
    engine = KokoroEngine.__new__(KokoroEngine)
    engine._styles = {"jf_alpha": np.zeros((5, 256), np.float32)}
    with pytest.raises(CorpusError, match=f"style = 'af_sky' .*'jf_alpha'.*{STYLES_VARIABLE}"):
        engine._style("jf_alpha:1|af_sky:1", 3)
