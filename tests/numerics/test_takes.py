"""Takes: the one that is read best is kept, whatever the others are."""

import json
import math
from pathlib import Path

import pytest
import torch

from omni_audio.audio.io import load_audio
from omni_audio.cli.builds import newest_build
from omni_audio.model.answers import Answer
from omni_audio.model.assistant import Assistant
from omni_audio.model.build import load_tokenizer
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.model.takes import best_take, misreading, requests_for_takes
from omni_audio.tokenizer.tokenizer import AudioTokenizer

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "tests" / "data"


@pytest.fixture(scope="module")
def assistant(tiny_build: Path) -> Assistant:
    return Assistant.load(tiny_build)


@pytest.fixture(scope="module")
def hearing() -> AudioTokenizer:
    """The shipped tokenizer, which knows letters."""
    build = newest_build(ROOT, ("builds/*",), needs_model=False)
    assert build is not None
    return load_tokenizer(build)


def take_of(tokenizer: AudioTokenizer, pcm_S: torch.Tensor) -> Answer:
    return Answer(frames=list(tokenizer.acoustic_codes(pcm_S[None])[0]))


def test_the_take_that_says_the_words_is_kept(hearing: AudioTokenizer) -> None:
    """Recordings of people, each beside all others, itself backwards, silence and nothing."""
    lines = (CLIPS / "transcripts.jsonl").read_text().splitlines()
    spoken = [(load_audio(CLIPS / item["file"]), item["text"]) for item in map(json.loads, lines)]
    takes = [take_of(hearing, pcm_S) for pcm_S, _ in spoken]
    num_right = 0
    for take, (pcm_S, text) in zip(takes, spoken, strict=True):
        others = [other for other in takes if other is not take]
        others += [Answer(), take_of(hearing, pcm_S.flip(0)), take_of(hearing, torch.zeros(40_000))]
        num_right += best_take(hearing, [*others, take], text) is take
    assert num_right >= len(spoken) - 1


def test_what_is_too_short_for_its_letters_is_never_kept(hearing: AudioTokenizer) -> None:
    short, empty = take_of(hearing, torch.zeros(1280)), Answer()
    assert misreading(hearing, short, "far too many words for a frame") == math.inf
    assert misreading(hearing, empty, "a") == math.inf
    assert 0 < misreading(hearing, short, "a") < math.inf


def test_takes_differ_in_their_seed_alone_and_the_first_is_the_requests_own() -> None:
    request = GenerationRequest(mode=Mode.SAY, script=[[20], [21]], seed=5, speed=2.0)
    takes = requests_for_takes(request, 3)
    assert takes[0] == request
    assert [take.seed for take in takes] == [5, 6, 7]
    assert all(take.script == request.script and take.speed == 2.0 for take in takes)


def test_one_take_of_many_is_what_that_seed_says_alone(assistant: Assistant) -> None:
    kept = assistant.say("turn it off", takes=4, seed=3, max_frames=12)
    alone = [assistant.say("turn it off", takes=1, seed=3 + i, max_frames=12) for i in range(4)]
    assert kept.num_frames > 0
    assert any(
        len(one.pcm_S) == len(kept.pcm_S) and torch.allclose(one.pcm_S, kept.pcm_S, atol=1e-4)
        for one in alone
    )


@pytest.mark.parametrize("takes", [0, -1, 65])
def test_a_number_of_takes_out_of_range_is_refused(assistant: Assistant, takes: int) -> None:
    with pytest.raises(ValueError, match=r"takes = .* is not allowed: expected 1 to 64"):
        assistant.say("turn it off", takes=takes)
