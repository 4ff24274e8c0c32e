"""The listening test that is made of a build: what is in it, what the page tells, what its sounds are."""

import json
import re

import pytest
import soundfile
import torch
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
from listening_tests import SYSTEMS, made_test, small_test

from omni_audio.audio.io import load_audio, save_wav
from omni_audio.cli import main
from omni_audio.evaluation.human_ratings import read_key
from omni_audio.evaluation.listening import ListeningConfig, spoken_items, system_names
from omni_audio.evaluation.listening_files import Clip, write_test
from omni_audio.evaluation.listening_format import Role
from omni_audio.evaluation.listening_sounds import (
    BEEP_HZ,
    LEVEL_DBFS,
    at_level,
    headphone_trial,
    modulated_noise,
    trapping_clip,
)

ANSWERS = ("the light is on", "it is ten", "the timer is set", "good morning", "the light is on")


def speech(num_samples, seed=0):
    """Noise that swells and fades like syllables."""
    noise_S = torch.randn(num_samples, generator=torch.Generator().manual_seed(seed))
    return 0.1 * noise_S * torch.sin(torch.arange(num_samples) / 800).square()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Five items, two of them with the same answer."""
    folder = tmp_path_factory.mktemp("corpus")
    cuts = []
    for index, answer in enumerate(ANSWERS):
        path = folder / f"{index}.wav"
        save_wav(path, speech(24_000 + index, index))
        recording = Recording.from_file(path)
        said = SupervisionSegment(
            id=f"s{index}", recording_id=recording.id, start=0.0, duration=1.5, text="a request", speaker="v"
        )
        custom = {
            "item_id": f"i{index}",
            "template_id": "t",
            "domain": "d",
            "answer": answer,
            "plain_answer": answer,
            "tool_call": None,
            "answer_recording": recording,
        }
        cuts.append(
            MonoCut(
                id=f"c{index}",
                start=0.0,
                duration=1.5,
                channel=0,
                recording=recording,
                supervisions=[said],
                custom=custom,
            )
        )
    CutSet.from_cuts(cuts).to_file(folder / "cuts-test.jsonl.gz")
    return folder


def words_for(corpus, build, output, *more):
    return [
        "eval", "suite=listening", f"build={build}", f"eval.corpus={corpus}", f"eval.output={output}",
        "eval.num_takes=1", "listening.num_texts=2", "listening.num_headphone_trials=2", *more,
    ]  # fmt: skip


def test_the_command_writes_a_test_of_every_system(corpus, tiny_build, tmp_path, capsys):
    other = tmp_path / "omni-audio-other-2026-01-01"
    other.symlink_to(tiny_build)
    other = tmp_path / "copy" / "omni-audio-other-2026-01-01"
    other.mkdir(parents=True)
    for file in tiny_build.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    words = words_for(corpus, tiny_build, tmp_path, f"listening.systems=[{other}]")
    assert main.main(words) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["systems"] == ["source", "resynthesis", tiny_build.name, other.name, "degraded"]
    key = read_key(tmp_path / "listening" / "key.json")
    rated = key.of_role(Role.rated)
    assert len(rated) == line["clips"] == 5 * 2
    assert len({clip.text for clip in rated.values()}) == 2
    assert [len(key.of_role(role)) for role in (Role.gold, Role.trap, Role.volume)] == [2, 2, 1]
    assert len(key.headphones) == 2
    assert main.main(words) == 2
    assert "a folder without a test" in capsys.readouterr().err


def test_items_say_each_answer_once_and_too_few_are_refused(corpus, tiny_build, tmp_path, capsys):
    items = spoken_items(corpus, "test", 0)
    assert sorted(item.answer for item in items) == sorted(set(ANSWERS))
    assert [item.answer for item in items] == [item.answer for item in spoken_items(corpus, "test", 0)]
    assert main.main(words_for(corpus, tiny_build, tmp_path, "listening.num_texts=4")) == 2
    assert "fewer than the 4 different spoken answers" in capsys.readouterr().err


def test_systems_have_names_of_their_own(tmp_path):
    assert list(system_names([str(tmp_path / "a"), str(tmp_path / "b")])) == ["a", "b"]
    for names in (["a", "a"], ["source"]):
        with pytest.raises(ValueError, match=r"listening\.systems"):
            system_names([str(tmp_path / str(place) / name) for place, name in enumerate(names)])


def test_the_page_holds_every_clip_and_names_no_system(tmp_path):
    path, key = made_test(tmp_path, num_trials=3)
    page = (path.parent / "page" / "index.html").read_text()
    content = json.loads(re.search(r'id="content">(.*?)</script>', page)[1])
    asked = {name for name, clip in key.clips.items() if clip.role in (Role.rated, Role.gold, Role.trap)}
    assert set(content["clips"]) == asked
    assert content["clips"] == sorted(content["clips"]), "the order of the files would tell the systems"
    assert content["headphones"] == list(key.headphones)
    assert content["training"] == list(key.of_role(Role.training))
    sounds = {file.stem for file in (path.parent / "page" / "sounds").iterdir()}
    assert sounds == key.clips.keys() | key.headphones.keys()
    everything = page.lower() + " ".join(sounds)
    for secret in (*SYSTEMS, "fake", "text 0", '"accepted"', '"gold"', '"trap"', '"rated"'):
        assert secret not in everything, secret
    assert sorted(file.name for file in path.parent.iterdir()) == ["key.json", "page"]


def test_the_page_asks_nobody(tmp_path):
    path, _ = made_test(tmp_path)
    page = (path.parent / "page" / "index.html").read_text()
    for outside in (
        "http:",
        "https:",
        "//cdn",
        "@import",
        "<link",
        "fetch(",
        "XMLHttp",
        "Beacon",
        "innerHTML",
        "@script@",
    ):
        assert outside not in page, outside
    assert "default-src 'none'" in page
    assert not re.search(r"\son[a-z]+=|\sstyle=", page)


def test_a_test_is_the_same_for_the_same_seed_and_blind_for_another(tmp_path):
    first, again = (made_test(tmp_path / name)[1] for name in ("a", "b"))
    assert first == again
    other = read_key(write_test(small_test(), tmp_path / "c", seed=1))
    assert not first.clips.keys() & other.clips.keys()
    assert first.test_id != other.test_id


def test_clips_have_one_level_and_silence_is_not_hidden(tmp_path):
    test = small_test()
    silent = Clip(role=Role.rated, system="source", text="nothing", pcm_S=torch.zeros(0))
    test.clips = [
        *test.clips,
        silent,
        Clip(role=Role.rated, system="source", text="loud", pcm_S=0.9 * speech(8000)),
    ]
    path = write_test(test, tmp_path, seed=0)
    content = json.loads(path.read_text())
    levels = {}
    for name, clip in content["clips"].items():
        pcm_S = load_audio(tmp_path / "page" / "sounds" / f"{name}.wav")
        levels[clip["text"], clip["system"]] = float(pcm_S.square().mean().sqrt())
        assert clip["silent"] == (clip["text"] == "nothing")
        if clip["silent"]:
            assert len(pcm_S) == 16_000
            assert pcm_S.abs().max() == 0
    wanted = 10 ** (LEVEL_DBFS / 20)
    assert levels["loud", "source"] == pytest.approx(wanted, rel=0.01)
    assert levels["text 0", "degraded"] == pytest.approx(wanted, rel=0.01)


def test_modulated_noise_follows_the_speech_at_the_level_that_is_asked():
    pcm_S = speech(64_000)
    noise_S = modulated_noise(pcm_S, 5.0, seed=1) - pcm_S
    found_db = 10 * torch.log10(pcm_S.square().sum() / noise_S.square().sum())
    assert float(found_db) == pytest.approx(5.0, abs=0.3)
    assert (noise_S[pcm_S == 0] == 0).all()


@pytest.mark.parametrize("num_beeps", [1, 3, 5])
def test_a_trapping_clip_holds_its_beeps(num_beeps):
    pcm_S = trapping_clip(at_level(speech(40_000)), num_beeps)
    after_S = pcm_S[int(1.2 * 16_000) :]
    sounding = (after_S.unfold(0, 160, 160).abs().amax(dim=1) > 1e-3).int()
    assert int((sounding.diff() == 1).sum()) == num_beeps
    spectrum = torch.fft.rfft(after_S).abs()
    assert int(spectrum.argmax()) * 16_000 / len(after_S) == pytest.approx(BEEP_HZ, abs=10)
    assert pcm_S.abs().max() < 1


def test_only_headphones_leave_the_opposed_tone_loud(tmp_path):
    trial_SC = headphone_trial(quietest=0, opposed=2)
    tones = [trial_SC[start : start + 16_000] for start in (0, 24_000, 48_000)]
    on_headphones = [float(tone_SC.square().mean()) for tone_SC in tones]
    in_the_room = [float(tone_SC.sum(dim=1).square().mean()) for tone_SC in tones]
    assert min(range(3), key=on_headphones.__getitem__) == 0
    assert min(range(3), key=in_the_room.__getitem__) == 2
    path, key = made_test(tmp_path, num_trials=1)
    (trial,) = key.headphones
    assert soundfile.info(path.parent / "page" / "sounds" / f"{trial}.wav").channels == 2


@pytest.mark.parametrize("changes", [{"num_texts": 0}, {"num_headphone_trials": -1}, {"degraded_q_db": 40.0}])
def test_config_refuses(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        ListeningConfig(**changes)
