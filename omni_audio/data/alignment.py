"""When each word of a spoken text is said, by the letters that the semantic level hears in its codes."""

from collections.abc import Iterable

import torch
from lhotse import MonoCut
from torch import Tensor
from tqdm import tqdm

from omni_audio.checks import require
from omni_audio.data.codes_cache import CodesCache
from omni_audio.data.corpora.manifests import words_of
from omni_audio.model.text import spoken_words
from omni_audio.tokenizer.semantic import least_steps, letter_log_probs, text_to_ctc
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.tokenizer.word_spans import HEARD_LATE_FRAMES, first_and_last_steps, joined_words


@torch.no_grad()
def word_ends(log_probs_TX: Tensor, words: list[str], steps_per_frame: int) -> list[int]:
    """The frame behind each word, from the best path through the CTC symbols.

    A word ends `HEARD_LATE_FRAMES` before the path comes to the next word's first letter.

    Args:
        log_probs_TX: (T, letters + blank) of one utterance.
        words: of the utterance, at least one, each with a letter (model.text.spoken_words).
        steps_per_frame: symbols for each frame.

    Returns:
        Strictly rising; the last is the number of frames.

    Raises:
        ValueError: no words, or more words or letters than fit into the sound.
    """
    require(len(words) > 0, "words", words, "at least one", "Give the transcript.")
    num_frames = log_probs_TX.shape[0] // steps_per_frame
    letters = [text_to_ctc(word) for word in words]
    joined, first_letters = joined_words(letters)
    num_steps = least_steps(joined)
    limits = f"at most {num_frames} words and {log_probs_TX.shape[0]} letters for {num_frames} frames"
    remedy = "Drop the item, or raise tokenizer.semantic.ctc_steps."
    length = f"{len(words)} words, {num_steps} letters (a space or a doubled letter counts as one more)"
    fits = num_steps <= log_probs_TX.shape[0] and len(words) <= num_frames
    require(fits, "text", length, limits, remedy)
    first_steps = first_and_last_steps(log_probs_TX, joined)[0][first_letters[1:]]
    starts = first_steps // steps_per_frame - HEARD_LATE_FRAMES
    ends = [*starts.tolist(), num_frames]
    for i in range(len(ends)):
        at_least = ends[i - 1] + 1 if i > 0 else 1
        ends[i] = min(max(ends[i], at_least), num_frames - (len(ends) - 1 - i))
    return ends


@torch.no_grad()
def align(tokenizer: AudioTokenizer, codes: CodesCache, cuts: Iterable[MonoCut]) -> dict[str, list[int]]:
    """word_ends() of the clean copy of every cut, by recording.

    Raises:
        ValueError: a transcript outlasts its sound; the item is named.
    """
    ends: dict[str, list[int]] = {}
    steps = tokenizer.config.semantic.ctc_steps
    for cut in tqdm(list(cuts), desc="align", unit="cut", mininterval=1.0):
        states_BFD = codes.codes(cut.recording_id, 0).states_BFD
        assert states_BFD is not None
        log_probs_TX = letter_log_probs(tokenizer.semantic.ctc_head, states_BFD)[0]
        try:
            ends[cut.recording_id] = word_ends(log_probs_TX, spoken_words(words_of(cut)), steps)
        except ValueError as error:
            raise ValueError(f"item {cut.id!r}, text {words_of(cut)!r}: {error}") from error
    return ends
