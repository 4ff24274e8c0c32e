"""When each word is said: symbols and tones that are placed by hand, and real words with known pauses between."""

import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sound_files import tone
from spoken_words import SAID, SHIPPED, spoken

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.model.build import load_tokenizer
from omni_audio.tokenizer.semantic import CTC_ALPHABET, CTC_BLANK
from omni_audio.tokenizer.word_spans import WordSpan, word_spans

STEPS = 4


def heard(symbols: str) -> torch.Tensor:
    """Log-probabilities (T, letters + blank) that say these symbols, one a step; `_` is the blank, `.` a space."""
    generator = torch.Generator().manual_seed(0)  # of equal paths forced_align does not take the best
    symbols = symbols.replace(" ", "").replace(".", " ")
    log_probs_TX = torch.rand(len(symbols), CTC_BLANK + 1, generator=generator) - 20.0
    for step, symbol in enumerate(symbols):
        log_probs_TX[step, CTC_BLANK if symbol == "_" else CTC_ALPHABET.index(symbol)] = -0.01
    return log_probs_TX


def sound(*parts: tuple[str, float]) -> torch.Tensor:
    """Tones and pauses of so many seconds."""
    pieces = [tone(round(seconds * SAMPLE_RATE_HZ)) * (kind == "tone") for kind, seconds in parts]
    return torch.cat([torch.from_numpy(piece) for piece in pieces])


def test_edges_are_those_of_the_pauses() -> None:
    pcm_S = sound(("pause", 0.11), ("tone", 0.2), ("pause", 0.25), ("tone", 0.3), ("pause", 0.1))
    spans = word_spans(
        pcm_S, heard("____ ____ __g_ _oo_ ____ ____ ____ ___. n_o_ ____ ____ ____"), ["Go", "no!"], STEPS
    )
    assert spans == [WordSpan(0.11, 0.31), WordSpan(0.56, 0.86)]


def test_without_a_pause_a_word_begins_two_frames_before_it_is_heard() -> None:
    symbols = heard("____ __g_ _oo_ ____ ___. n_o_ ____")
    assert word_spans(sound(("tone", 0.56)), symbols, ["go", "no"], STEPS) == [
        WordSpan(0, 0.24),
        WordSpan(0.24, 0.56),
    ]


def test_a_short_silence_before_a_stop_consonant_is_no_pause() -> None:
    pcm_S = sound(("tone", 0.16), ("pause", 0.05), ("tone", 0.35))
    spans = word_spans(pcm_S, heard("____ __g_ _oo_ ____ ___. n_o_ ____"), ["go", "no"], STEPS)
    assert spans == [WordSpan(0, 0.24), WordSpan(0.24, 0.56)]


def test_words_without_letters_stand_between_their_neighbours() -> None:
    pcm_S = sound(("pause", 0.11), ("tone", 0.2), ("pause", 0.25), ("tone", 0.3), ("pause", 0.1))
    symbols = heard("____ ____ __g_ _oo_ ____ ____ ____ ___. n_o_ ____ ____ ____")
    spans = word_spans(pcm_S, symbols, ["-", "go", "10", "'", "no", "音声"], STEPS)
    assert spans is not None
    assert [(span.start_s, span.end_s) for span in spans] == [
        (0, 0.11), (0.11, 0.31), (0.31, 0.56), (0.31, 0.56), (0.56, 0.86), (0.86, 0.96),
    ]  # fmt: skip


@pytest.mark.parametrize("words", [["10", "20"], [], ["too", "many", "letters"], ["aaaaa"]])
def test_what_cannot_be_laid_on_the_sound_has_no_times(words: list[str]) -> None:
    assert word_spans(sound(("tone", 0.16)), heard("____ ____"), words, STEPS) is None


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["a", "bb", "it's", "7", "naïve"]), min_size=1, max_size=6),
    st.integers(0, 9),
    st.floats(0, 1),
)
def test_spans_are_in_order_and_inside_the_sound(words: list[str], seed: int, share_silent: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    num_frames = 2 + 2 * sum(map(len, words))
    log_probs_TX = torch.randn(num_frames * STEPS, CTC_BLANK + 1, generator=generator).log_softmax(-1)
    pcm_S = torch.randn(num_frames * 1280 - 700, generator=generator)
    pcm_S *= (torch.rand(len(pcm_S) // 160 + 1, generator=generator) >= share_silent).repeat_interleave(160)[
        : len(pcm_S)
    ]
    spans = word_spans(pcm_S, log_probs_TX, words, STEPS)
    if all(word == "7" for word in words):
        assert spans is None
        return
    assert spans is not None
    assert len(spans) == len(words)
    assert all(0 <= span.start_s <= span.end_s <= len(pcm_S) / SAMPLE_RATE_HZ + 0.01 for span in spans)
    for word, span, later in zip(words, spans, spans[1:], strict=False):
        assert span.start_s <= later.start_s
        assert span.end_s <= later.start_s or word == "7"


def errors_of(voice: str, words: list[str], pause_s: float, said: list[str] | None = None) -> list[float]:
    """Seconds by which starts and ends miss the true ones, of the words as they were said or of others."""
    tokenizer = load_tokenizer(SHIPPED)
    pcm_S, places = spoken(voice, words, pause_s)
    codes = tokenizer.encode(pcm_S[None])
    log_probs_TX = tokenizer.semantic.ctc_logits(tokenizer.semantic.fsq.values(codes.semantic_BF))[0]
    spans = word_spans(pcm_S, log_probs_TX, said or words, tokenizer.config.semantic.ctc_steps)
    assert spans is not None
    found = [edge for span in spans for edge in (span.start_s, span.end_s)]
    return [
        abs(one - other)
        for one, other in zip(found, (edge for place in places for edge in place), strict=True)
    ]


@pytest.mark.parametrize("voice", ["espeak-en-us-f5", "espeak-en-us-m8"])
def test_words_between_pauses_are_found_to_20_ms(voice: str) -> None:
    assert max(errors_of(voice, SAID, 0.4)) <= 0.02
    assert max(errors_of(voice, SAID, 0.15)) <= 0.02


def test_words_without_pauses_are_found_to_two_frames() -> None:
    errors = errors_of("espeak-en-us-f5", SAID, 0.0)
    assert statistics.median(errors) <= 0.08
    assert max(errors) <= 0.16


def test_other_words_are_not_found_there() -> None:
    """Control: it is the letters that tell, not the number of words or the pauses."""
    other = ["off", "tomorrow", "kitchen", "timer", "please"]
    assert max(errors_of("espeak-en-us-f5", SAID, 0.4, other)) > 0.1
