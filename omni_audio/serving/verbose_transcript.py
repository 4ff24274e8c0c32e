"""A transcript with times: the object of `verbose_json`, as the types of the official clients have it."""

from __future__ import annotations

import statistics
import zlib
from collections.abc import Sequence
from typing import Any

from omni_audio.model.assistant import Assistant
from omni_audio.serving.timed_transcript import TimedTranscript
from omni_audio.serving.transcript import Transcript

LANGUAGE = "english"
"""The one that the corpora are spoken in; the network names none."""


def verbose_object(
    transcript: Transcript,
    timed: TimedTranscript,
    assistant: Assistant,
    *,
    granularities: Sequence[str],
    temperature: float,
) -> dict[str, Any]:
    """What stands in the answer.

    Args:
        transcript: with the probabilities of its tokens.
        timed: the same, laid on its sound.
        assistant: whose vocabulary the ids of the segments are of.
        granularities: "word", "segment" or both.
        temperature: that it was written down with.
    """
    answer: dict[str, Any] = {
        "task": "transcribe",
        "language": LANGUAGE,
        "duration": timed.duration_s,
        "text": transcript.text,
        "usage": {"type": "duration", "seconds": timed.duration_s},
        "x_finish_reason": transcript.finish_reason,
    }
    if "word" in granularities:
        answer["words"] = [
            {"word": word.text, "start": word.start_s, "end": word.end_s} for word in timed.words
        ]
    if "segment" in granularities:
        answer["segments"] = [
            {
                "id": number,
                "seek": 0,
                "start": segment.start_s,
                "end": segment.end_s,
                "text": segment.text,
                "tokens": assistant.text.encode(segment.text),
                "temperature": temperature,
                "avg_logprob": statistics.fmean(
                    transcript.logprobs_between(segment.start_char, segment.end_char)
                ),
                "compression_ratio": _compression_ratio(segment.text),
                "no_speech_prob": timed.no_speech_prob(segment),
            }
            for number, segment in enumerate(timed.segments)
        ]
    return answer


def _compression_ratio(text: str) -> float:
    """Bytes of the text over those that zlib makes of it, as Whisper counts: above 2.4 a text repeats itself."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))
