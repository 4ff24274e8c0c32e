"""Where each word of a spoken text ends, from the letters that are heard in it."""

import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lhotse import AudioSource, MonoCut, Recording
from tiny import tiny_tokenizer_config

from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.data.alignment import align, word_ends
from omni_audio.data.codes_cache import AcousticCache, CodesCache
from omni_audio.data.corpora.manifests import whole_cut
from omni_audio.data.corpora.voices import speak, voice_of
from omni_audio.model.build import load_tokenizer
from omni_audio.model.text import TextTokenizer, spoken_words
from omni_audio.tokenizer.semantic import CTC_ALPHABET, CTC_BLANK, letter_log_probs
from omni_audio.tokenizer.tokenizer import AudioTokenizer

STEPS = 4
SHIPPED = Path(__file__).parents[2] / "builds/omni-audio-tokenizer-nano4-2026-11-22"
SAYINGS = [
    "okay",
    "the kitchen light is off",
    "i stopped the timer",
    "thank you",
    "good morning",
    "two plus two is four",
]


def heard(symbols: str) -> torch.Tensor:
    """Log-probabilities (T, letters + blank) that say these symbols, one a step; `_` is the blank."""
    generator = torch.Generator().manual_seed(0)  # of equal paths forced_align does not take the best
    log_probs_TX = torch.rand(len(symbols), CTC_BLANK + 1, generator=generator) - 20.0
    for step, symbol in enumerate(symbols):
        log_probs_TX[step, CTC_BLANK if symbol == "_" else CTC_ALPHABET.index(symbol)] = -0.01
    return log_probs_TX


@pytest.mark.parametrize(
    ("symbols", "words", "ends"),
    [
        ("____ o_nn ____ ___. o_f_ ff__ ____", ["on", "off"], [2, 7]),
        ("____ o_nn ____ ____ ___. o_f_ f___", ["on", "off"], [3, 7]),
        ("_go_ ____ ____", ["go"], [3]),
        ("a_._ b_._ c___ ____", ["a", "b", "c"], [1, 2, 4]),
        ("____ ____ ____ a_._ b_._ c___", ["a", "b", "c"], [2, 3, 6]),
    ],
)
def test_a_word_ends_two_frames_before_the_next_is_heard(
    symbols: str, words: list[str], ends: list[int]
) -> None:
    log_probs_TX = heard(symbols.replace(" ", "").replace(".", " "))
    assert word_ends(log_probs_TX, words, STEPS) == ends


@given(st.lists(st.sampled_from(["a", "bb", "it's", "one two"]), min_size=1, max_size=6), st.integers(0, 9))
def test_every_word_has_sound_and_the_last_ends_with_it(words: list[str], seed: int) -> None:
    num_frames = 2 * sum(len(word) + 2 for word in words) // STEPS + len(words)
    generator = torch.Generator().manual_seed(seed)
    log_probs_TX = torch.randn(num_frames * STEPS, CTC_BLANK + 1, generator=generator).log_softmax(-1)
    ends = word_ends(log_probs_TX, words, STEPS)
    assert len(ends) == len(words)
    assert ends[-1] == num_frames
    assert all(start < stop for start, stop in zip([0, *ends], ends, strict=False))


def test_a_text_that_outlasts_its_sound_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"text = '2 words, 12 letters .*at most 2 words and 8 letters for 2 frames"
    ):
        word_ends(heard("_" * 8), ["many", "letter"], STEPS)
    with pytest.raises(ValueError, match=r"text = '1 words, 5 letters .*at most 1 words and 4 letters"):
        word_ends(heard("____"), ["aabc"], STEPS)
    with pytest.raises(ValueError, match="at most 1 words"):
        word_ends(heard("____"), ["a", "b"], STEPS)
    with pytest.raises(ValueError, match=r"words = .* at least one"):
        word_ends(heard("____"), [], STEPS)


def _loud_part(pcm_S: torch.Tensor) -> tuple[int, int]:
    loud = (pcm_S.abs() > 0.02 * pcm_S.abs().max()).nonzero()[:, 0]
    return int(loud[0]), int(loud[-1])


def test_words_of_real_sound_end_where_they_were_joined() -> None:
    """Two sayings of one voice, cut at their sound and joined: the boundary is known."""
    tokenizer = load_tokenizer(SHIPPED)
    errors = []
    for first, second in itertools.pairwise(SAYINGS):
        pieces = [torch.from_numpy(speak(voice_of("joe"), text).copy()) for text in (first, second)]
        trimmed = [pcm_S[slice(*_loud_part(pcm_S))] for pcm_S in pieces]
        states_BFD = tokenizer.encode(torch.cat(trimmed)[None]).states_BFD
        assert states_BFD is not None
        log_probs_TX = letter_log_probs(tokenizer.semantic.ctc_head, states_BFD)[0]
        ends = word_ends(log_probs_TX, spoken_words(f"{first} {second}"), tokenizer.config.semantic.ctc_steps)
        errors.append(ends[len(first.split()) - 1] - len(trimmed[0]) / FRAME_SAMPLES)
    assert abs(sum(errors) / len(errors)) < 0.6, errors
    assert max(map(abs, errors)) < 2.0, errors


def test_cuts_are_aligned_by_recording_and_the_one_that_fails_is_named() -> None:
    tokenizer = AudioTokenizer(tiny_tokenizer_config())
    width = tokenizer.config.semantic.width
    acoustic = AcousticCache(torch.zeros(10, 4).short(), {"spoken#0": (0, 10)}, 1)
    codes = CodesCache(acoustic, torch.zeros(10).short(), torch.randn(10, width).half())

    def cut(text: str) -> MonoCut:
        source = AudioSource(type="file", channels=[0], source="/nowhere/spoken.wav")
        return whole_cut("cut-1", Recording("spoken", [source], 16_000, 12_800, 0.8), text, "joe")

    aligned = align(tokenizer, codes, [cut("turn it off")])
    assert list(aligned) == ["spoken"]
    assert len(aligned["spoken"]) == 3
    assert aligned["spoken"][-1] == 10
    with pytest.raises(ValueError, match=r"item 'cut-1', text 'much too long.*for 10 frames"):
        align(tokenizer, codes, [cut("much too long " * 9)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("turn  it\noff", ["turn", "it", "off"]),
        ("Set it - OK, Joe ?", ["set", "it", "ok,", "joe?"]),
        ("it\u2019s \u00a0a\u2014dash!", ["it's", "a", "dash"]),
        ("... one two...", ["one", "two..."]),
    ],
)
def test_words_are_as_training_writes_them(text: str, words: list[str], tiny_text: TextTokenizer) -> None:
    assert spoken_words(text) == words
    spelled = tiny_text.spell_words(text)
    assert len(spelled) == len(words)
    assert tiny_text.decode(token for word in spelled for token in word) == " ".join(words)


@pytest.mark.parametrize("text", ["", "  ", "...", "'", "\u2014"])
def test_a_text_without_letters_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"text = .*at least one letter a-z.*spell numbers out"):
        spoken_words(text)


@pytest.mark.parametrize(
    ("text", "others"),
    [("at 10 or 7pm", "10 7pm"), ("a caf\u00e9", "caf\u00e9"), ("\u043f\u0440", "\u043f\u0440")],
)
def test_what_was_never_heard_is_refused(text: str, others: str) -> None:
    with pytest.raises(
        ValueError, match=rf"text = '{others}' is not allowed: expected words of letters a-z.*spell numbers"
    ):
        spoken_words(text)
