"""A transcript laid on the sound that it was written down from."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.model.assistant import Assistant
from omni_audio.model.sequence import TokenSequence
from omni_audio.serving.subtitles import (
    Segment,
    TimedWord,
    places_of_words,
    segments_of,
    timed_words,
    whole_segment,
)
from omni_audio.tokenizer.semantic import CTC_ALPHABET, CTC_BLANK
from omni_audio.tokenizer.word_spans import word_spans


@dataclass(frozen=True, slots=True)
class TimedTranscript:
    """A transcript laid on its sound.

    Attributes:
        words: with their times; none where the text has no letters, or more than the sound can hold.
        segments: made of the words; where there are none, one of the whole sound with all of the text.
        log_probs_TX: of the letters that are heard in the sound, (T, letters + blank).
        steps_per_s: rows of these a second of sound.
        duration_s: of the sound.
    """

    words: list[TimedWord]
    segments: list[Segment]
    log_probs_TX: Tensor
    steps_per_s: float
    duration_s: float

    def no_speech_prob(self, segment: Segment) -> float:
        """How sure the letters' head is, at a step, that no letter is said: the geometric mean over the segment."""
        start = math.floor(segment.start_s * self.steps_per_s)
        stop = math.ceil(segment.end_s * self.steps_per_s)
        steps_TX = self.log_probs_TX[min(start, len(self.log_probs_TX) - 1) : stop]
        return min(
            1.0, math.exp(float(steps_TX[:, [CTC_ALPHABET.index(" "), CTC_BLANK]].logsumexp(-1).mean()))
        )


def with_times(assistant: Assistant, prompt: TokenSequence, pcm_S: Tensor, text: str) -> TimedTranscript:
    """Lays a transcript on its sound; it computes, so keep it off the event loop.

    Args:
        assistant: the build that wrote it down.
        prompt: the sequence that was made of the sound, and of no other.
        pcm_S: (S,) 16 kHz, S > 0.
        text: the transcript.
    """
    log_probs_TX = assistant.heard_letters(prompt)
    duration_s = len(pcm_S) / SAMPLE_RATE_HZ
    words = [text[start:end] for start, end in places_of_words(text)]
    steps_per_frame = assistant.tokenizer.config.semantic.ctc_steps
    spans = word_spans(pcm_S, log_probs_TX, words, steps_per_frame)
    timed = [] if spans is None else timed_words(text, spans)
    return TimedTranscript(
        words=timed,
        segments=whole_segment(text, duration_s) if spans is None else segments_of(timed),
        log_probs_TX=log_probs_TX,
        steps_per_s=steps_per_frame * assistant.tokenizer.config.frame_rate_hz,
        duration_s=duration_s,
    )
