"""When each word of a transcript is said: letters laid on the CTC symbols of the same sound, edges put into its pauses.

The letters tell which word is where, in frames of 80 ms, and come late, as the semantic level is causal; the sound's
level tells where a pause begins and ends.
Source: CTC segmentation (Kürzinger et al. 2020), by torchaudio's forced_align.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchaudio.functional import forced_align

from omni_audio.audio.units import FRAME_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ
from omni_audio.tokenizer.semantic import CTC_ALPHABET, CTC_BLANK, least_steps, text_to_ctc

HEARD_LATE_FRAMES = 2
"""The first letter of a word is heard so long after the word began: the semantic level is causal."""

SPACE = CTC_ALPHABET.index(" ")
SILENCE_BELOW_SPEECH_DB = 35.0
"""A hop of 10 ms is silent where its level lies so far below the loud ones (the 95th percentile)."""

LEAST_PAUSE_HOPS = 8
"""A shorter silence between two words may be a part of one of them, as that before a stop consonant."""

HOPS_PER_FRAME = FRAME_SAMPLES // HOP_SAMPLES
HOP_S = HOP_SAMPLES / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class WordSpan:
    """Where a word begins and ends, seconds from the beginning of the sound; neither is negative, end >= start."""

    start_s: float
    end_s: float


def first_and_last_steps(log_probs_TX: Tensor, letters_L: Tensor) -> tuple[Tensor, Tensor]:
    """The steps (L,) at which the best CTC path says each of the letters first and last.

    Of equal paths, none is preferred.
    """
    path_T = forced_align(log_probs_TX[None].float(), letters_L[None].int(), blank=CTC_BLANK)[0][0]
    blank = path_T.new_tensor([CTC_BLANK])
    is_letter_T = path_T != CTC_BLANK
    first_L = (is_letter_T & (path_T != torch.cat([blank, path_T[:-1]]))).nonzero()[:, 0]
    last_L = (is_letter_T & (path_T != torch.cat([path_T[1:], blank]))).nonzero()[:, 0]
    return first_L, last_L


def joined_words(letters: list[Tensor]) -> tuple[Tensor, Tensor]:
    """CTC targets of words, a space between two, and the place of each word's first letter in them."""
    lengths = torch.tensor([len(letters_L) + 1 for letters_L in letters])
    joined_L = torch.cat([piece for letters_L in letters for piece in (torch.tensor([SPACE]), letters_L)][1:])
    return joined_L, lengths.cumsum(0) - lengths


def word_spans(
    pcm_S: Tensor, log_probs_TX: Tensor, words: list[str], steps_per_frame: int
) -> list[WordSpan] | None:
    """Lays the words of a transcript on its sound.

    A word without a letter a-z is not looked for: it stands between its neighbours.

    Args:
        pcm_S: (S,) 16 kHz, S > 0.
        log_probs_TX: (T, letters + blank) of its CTC symbols (SemanticEncoder.ctc_logits).
        words: of the transcript, in their order.
        steps_per_frame: symbols for each frame.

    Returns:
        A span for each word, in order and without overlap; None where no word has letters, or they are more than this
        sound can hold.
    """
    spelled = [_letters(word) for word in words]
    places = [place for place, letters_L in enumerate(spelled) if len(letters_L) > 0]
    if not places:
        return None
    letters = [spelled[place] for place in places]
    joined_L, starts = joined_words(letters)
    if least_steps(joined_L) > len(log_probs_TX):
        return None
    first_L, last_L = first_and_last_steps(log_probs_TX, joined_L)
    ends = starts + torch.tensor([len(letters_L) for letters_L in letters]) - 1
    first_frames, last_frames = first_L[starts] // steps_per_frame, last_L[ends] // steps_per_frame
    heard = _edges(_is_silent(pcm_S), first_frames.tolist(), last_frames.tolist())
    return _with_neighbours(dict(zip(places, heard, strict=True)), len(words), len(pcm_S) / SAMPLE_RATE_HZ)


def _letters(word: str) -> Tensor:
    """CTC targets of a word, none where it has no letter a-z."""
    has_letter = any(sign in CTC_ALPHABET and sign not in " '" for sign in word.lower())
    return text_to_ctc(word) if has_letter else torch.zeros(0, dtype=torch.long)


def _is_silent(pcm_S: Tensor) -> list[bool]:
    """For each hop of 10 ms, the last one filled with zeros, whether it is silent."""
    padded_S = torch.nn.functional.pad(pcm_S.float(), (0, -len(pcm_S) % HOP_SAMPLES))
    power_H = padded_S.view(-1, HOP_SAMPLES).square().mean(-1)
    loud = torch.quantile(power_H, 0.95)
    return (power_H <= loud * 10 ** (-SILENCE_BELOW_SPEECH_DB / 10)).tolist()


def _edges(is_silent: list[bool], first_frames: list[int], last_frames: list[int]) -> list[WordSpan]:
    """Spans of words whose first and last letters are heard in these frames."""
    num_hops = len(is_silent)
    begin, spans = 0, []
    for index, last in enumerate(last_frames):
        if index + 1 < len(first_frames):
            end, next_begin = _boundary(is_silent, last, first_frames[index + 1])
        else:
            end, next_begin = num_hops, num_hops
        start, stop = _trimmed(is_silent, begin, max(end, begin))
        spans.append(WordSpan(round(start * HOP_S, 3), round(stop * HOP_S, 3)))
        begin = max(next_begin, begin)
    return spans


def _boundary(is_silent: list[bool], last_frame: int, next_first_frame: int) -> tuple[int, int]:
    """Hops at which a word ends and the next begins: around the longest pause between their letters, if any."""
    start = min(max(last_frame - 1, 0) * HOPS_PER_FRAME, len(is_silent))
    stop = min((next_first_frame + 1) * HOPS_PER_FRAME, len(is_silent))
    longest = (0, 0)
    run = start
    for hop in range(start, stop):
        if not is_silent[hop]:
            run = hop + 1
        elif hop + 1 - run > longest[1] - longest[0]:
            longest = (run, hop + 1)
    if longest[1] - longest[0] >= LEAST_PAUSE_HOPS:
        return longest
    between = max(next_first_frame - HEARD_LATE_FRAMES, last_frame) * HOPS_PER_FRAME
    return min(between, len(is_silent)), min(between, len(is_silent))


def _trimmed(is_silent: list[bool], start: int, stop: int) -> tuple[int, int]:
    """The span without silent hops at its edges; as it is where all are silent."""
    loud = [hop for hop in range(start, stop) if not is_silent[hop]]
    return (loud[0], loud[-1] + 1) if loud else (start, stop)


def _with_neighbours(heard: dict[int, WordSpan], num_words: int, duration_s: float) -> list[WordSpan]:
    """The spans of all words; those that were not looked for get what their neighbours leave."""
    spans = []
    for place in range(num_words):
        if place in heard:
            spans.append(heard[place])
            continue
        before = spans[-1].end_s if spans and place - 1 in heard else (spans[-1].start_s if spans else 0.0)
        after = next(
            (heard[later].start_s for later in range(place + 1, num_words) if later in heard), duration_s
        )
        spans.append(WordSpan(before, max(before, after)))
    return spans
