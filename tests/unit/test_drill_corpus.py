"""The corpus of drills alone, Flite's voices in it, and what its command refuses."""

import ctypes
import dataclasses
import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchaudio.functional as AF

from omni_audio.cli.main import main
from omni_audio.data.corpora import drill_corpus
from omni_audio.data.corpora.commands import CommandItem, CorpusError, generate_items
from omni_audio.data.corpora.drill_corpus import DrillCorpusConfig, build_drill_corpus
from omni_audio.data.corpora.flite_engine import flite_engine
from omni_audio.data.corpora.manifests import each_cut, load_cuts, words_of
from omni_audio.data.corpora.voices import VOICES, Engine, flite_voices, speak


@pytest.fixture(autouse=True)
def _engines() -> None:
    for module in ("espeakng_loader", "py_nanotts"):
        pytest.importorskip(module, reason="needs the extra `corpus`")


@pytest.fixture
def flite() -> None:
    try:
        ctypes.CDLL("libflite.so.1")
    except OSError:
        pytest.skip("needs Flite's library: apt-get install libflite1")


def test_drills_are_new_texts_in_train_voices_and_made_once(tmp_path: Path) -> None:
    config = DrillCorpusConfig(num_drills=20, num_workers=0)
    paths = build_drill_corpus(config, tmp_path / "drills")
    cuts = list(each_cut(load_cuts(paths, "train")))
    assert len(cuts) == 20
    held_out = {item.request for split in ("dev", "test") for item in generate_items(300, split, 0)}
    for cut in cuts:
        assert words_of(cut) not in held_out
        assert VOICES[cut.supervisions[0].speaker].split == "train"
        assert cut.recording is not None
        assert Path(cut.recording.sources[0].source).is_file()
    written = paths.train.stat().st_mtime_ns
    assert build_drill_corpus(config, tmp_path / "drills") == paths
    assert paths.train.stat().st_mtime_ns == written
    sheet = json.loads(paths.datasheet.read_text())
    assert {source["package"] for source in sheet["sources"]} >= {"espeakng-loader", "py-nanotts"}
    assert sheet["hours"] == pytest.approx(sum(cut.duration for cut in cuts) / 3600, abs=1e-3)


def test_a_larger_corpus_keeps_the_smaller_ones_sound(tmp_path: Path) -> None:
    def lines(num_drills: int) -> list[str]:
        config = DrillCorpusConfig(num_drills=num_drills, num_workers=0)
        return gzip.decompress(build_drill_corpus(config, tmp_path).train.read_bytes()).decode().splitlines()

    small = lines(4)
    sounds = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.flac")}
    assert lines(7)[:4] == small
    assert all(path.stat().st_mtime_ns == time for path, time in sounds.items())


def test_a_drill_that_is_a_held_out_request_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    config = DrillCorpusConfig(num_drills=5)
    before = drill_corpus._texts(config)

    def with_one_more(num_items: int, split: str, seed: int) -> list[CommandItem]:
        items = generate_items(num_items, split, seed)
        return [*items, dataclasses.replace(items[0], request=before[2])] if split == "test" else items

    monkeypatch.setattr(drill_corpus, "generate_items", with_one_more)
    after = drill_corpus._texts(config)
    assert before[2] not in after
    assert after[:4] == [*before[:2], *before[3:]]


def test_the_folder_of_another_corpus_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus.json").write_text(json.dumps({"name": "people", "hash": "", "folder": str(tmp_path)}))
    with pytest.raises(CorpusError, match="It holds 'people'"):
        build_drill_corpus(DrillCorpusConfig(num_drills=1, num_workers=0), tmp_path)
    assert json.loads((tmp_path / "corpus.json").read_text())["name"] == "people"


def test_an_error_in_a_worker_arrives_as_it_is() -> None:
    error = pickle.loads(pickle.dumps(CorpusError("engine", "libflite.so.1", "a library", "Install it.")))
    assert isinstance(error, CorpusError)
    assert str(error) == "engine = 'libflite.so.1' is not allowed: expected a library. Install it."


@pytest.mark.usefixtures("flite")
def test_flite_changes_its_pitch() -> None:
    def pitch_hz(pitch: float) -> float:
        pcm = flite_engine().speak("turn on the light", speaker="slt", speed=1.0, pitch=pitch)
        return float(AF.detect_pitch_frequency(torch.from_numpy(pcm), 16_000, freq_low=70).median())

    assert pitch_hz(1.3) > 1.15 * pitch_hz(0.9)


@pytest.mark.usefixtures("flite")
def test_flite_speaks_its_share_with_other_speeds_and_pitches(tmp_path: Path) -> None:
    voices = flite_voices()
    assert {voice.engine for voice in voices} == {Engine.FLITE}
    assert len({voice.accent for voice in voices}) == 4
    sounds = [speak(voice, "turn on the kitchen light") for voice in voices[:6]]
    assert len({len(sound) for sound in sounds}) > 3
    assert all(np.isfinite(sound).all() and 0.8 < len(sound) / 16_000 < 4 for sound in sounds)
    paths = build_drill_corpus(DrillCorpusConfig(num_drills=6, flite_share=1.0, num_workers=0), tmp_path)
    (source,) = json.loads(paths.datasheet.read_text())["sources"]
    assert source["package"] == "libflite1"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_drills", 0),
        ("flite_share", 1.5),
        ("flite_share", -0.1),
        ("natural_share", 1.1),
        ("natural_share", -0.1),
        ("num_workers", -1),
    ],
)
def test_sizes_out_of_range_are_named(field: str, value: float) -> None:
    with pytest.raises(CorpusError, match=field):
        DrillCorpusConfig(**{field: value})


def test_two_shares_may_fill_the_whole_and_no_more() -> None:
    for tenths in range(11):
        DrillCorpusConfig(flite_share=tenths / 10, natural_share=(10 - tenths) / 10)
    with pytest.raises(CorpusError, match="natural_share"):
        DrillCorpusConfig(flite_share=0.9, natural_share=0.11)


def test_the_command_makes_it_and_refuses_the_other_recipes_options(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = str(tmp_path / "drills")
    assert main(["corpus", "drills", "--out", out, "--num", "2"]) == 0
    assert "2 drills in" in capsys.readouterr().out
    assert main(["corpus", "drills", "--out", out, "--add", "fillets-cs"]) != 0
    assert "--add is no option of drills" in capsys.readouterr().err
    assert main(["corpus", "human", "--out", out, "--num", "5"]) != 0
    assert "--num is no option of human" in capsys.readouterr().err
    assert main(["data", out, "--split", "train"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["data", out]) != 0
    assert "expected one of ['train']. Name it by --split" in capsys.readouterr().err
