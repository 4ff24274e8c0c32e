"""Where each word of a spoken text ends, from the letters that are heard in it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lhotse import AudioSource, MonoCut, Recording
from tiny import tiny_tokenizer_config

from omni_audio.data.alignment import align, word_ends
from omni_audio.data.codes_cache import AcousticCache, CodesCache
from omni_audio.data.corpora.manifests import whole_cut
from omni_audio.model.text import TextTokenizer, spoken_words
from omni_audio.tokenizer.semantic import CTC_ALPHABET, CTC_BLANK
from omni_audio.tokenizer.tokenizer import AudioTokenizer

STEPS = 4


def heard(symbols: str) -> torch.Tensor:
    """Log-probabilities (T, letters + blank) that say these symbols, one a step; `_` is the blank."""
    log_probs_TX = torch.full((len(symbols), CTC_BLANK + 1), -20.0)
    for step, symbol in enumerate(symbols):
        log_probs_TX[step, CTC_BLANK if symbol == "_" else CTC_ALPHABET.index(symbol)] = -0.01
    return log_probs_TX


@pytest.mark.parametrize(
    ("symbols", "words", "ends"),
    [
        ("____ o_nn ____ ___o f_ff ____", ["on", "off"], [3, 6]),
        ("_go_ ____ ____", ["go"], [3]),
        ("hel_ lo._ _.a_ .b__", ["hello", "a", "b"], [1, 2, 4]),
        ("a.b. c.d. ____ ____", ["a", "b", "c", "d"], [1, 2, 3, 4]),
    ],
)
def test_a_word_ends_where_the_next_one_begins(symbols: str, words: list[str], ends: list[int]) -> None:
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
    with pytest.raises(ValueError, match="text of 11 letters outlasts its 2 frames"):
        word_ends(heard("_" * 8), ["many", "letter"], STEPS)
    with pytest.raises(ValueError, match="outlasts its 1 frames"):
        word_ends(heard("____"), ["a", "b"], STEPS)


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
    with pytest.raises(ValueError, match=r"item 'cut-1', text 'much too long.*outlasts"):
        align(tokenizer, codes, [cut("much too long " * 9)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("turn  it\noff", ["turn", "it", "off"]),
        ("it is 7 30 - ok, 5 apples!", ["it", "is 7 30 -", "ok, 5", "apples!"]),
        ("12 34 a", ["12 34 a"]),
        ("7", ["7"]),
    ],
)
def test_what_has_no_letters_stays_with_a_word(text: str, words: list[str], tiny_text: TextTokenizer) -> None:
    assert spoken_words(text) == words
    spelled = tiny_text.spell_words(text)
    assert len(spelled) == len(words)
    assert tiny_text.decode(token for word in spelled for token in word) == " ".join(words)
    with pytest.raises(ValueError, match="text = '  '"):
        spoken_words("  ")
