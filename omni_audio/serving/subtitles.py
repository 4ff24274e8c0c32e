"""Words with times, put together to segments as subtitles show them, and the SubRip and WebVTT texts of these."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from omni_audio.tokenizer.word_spans import WordSpan

PAUSE_S = 0.5
"""A pause between two words that ends a segment."""

MAX_CHARS = 84
"""Of a segment: two lines of 42 letters, as subtitles have them at most (BBC Subtitle Guidelines: 37 to 42 a line)."""

MAX_SEGMENT_S = 7.0
"""From the first to the last word of a segment, unless one word alone is longer."""

LEAST_SEGMENT_S = 0.01
SENTENCE_ENDS = (".", "?", "!")


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of a transcript, where it stands in it (letters), and where it is said (seconds)."""

    text: str
    start_char: int
    end_char: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of words that are shown together.

    Attributes:
        text: the words with a blank between two.
        start_char: where its first word begins in the transcript.
        end_char: where its last word ends in it.
        start_s: seconds from the beginning of the sound.
        end_s: later than start_s.
    """

    text: str
    start_char: int
    end_char: int
    start_s: float
    end_s: float


def places_of_words(text: str) -> list[tuple[int, int]]:
    """Where each word of a text begins and ends; blanks part them."""
    return [match.span() for match in re.finditer(r"\S+", text)]


def timed_words(text: str, spans: Sequence[WordSpan]) -> list[TimedWord]:
    """The words of a text with their times.

    Args:
        text: of the transcript.
        spans: one for each of places_of_words(text).
    """
    places = places_of_words(text)
    return [
        TimedWord(text[start:end], start, end, span.start_s, span.end_s)
        for (start, end), span in zip(places, spans, strict=True)
    ]


def segments_of(words: Sequence[TimedWord]) -> list[Segment]:
    """Puts words together; a sentence's end, a pause, and a full segment begin a new one."""
    runs: list[list[TimedWord]] = []
    for word in words:
        if not runs or _begins_segment(runs[-1], word):
            runs.append([])
        runs[-1].append(word)
    return [_segment(run) for run in runs]


def whole_segment(text: str, duration_s: float) -> list[Segment]:
    """All of a text as one segment of the whole sound; none where there are no words."""
    words = text.split()
    return [Segment(" ".join(words), 0, len(text), 0.0, max(duration_s, LEAST_SEGMENT_S))] if words else []


def _begins_segment(run: Sequence[TimedWord], word: TimedWord) -> bool:
    first, last = run[0], run[-1]
    return (
        last.text.endswith(SENTENCE_ENDS)
        or word.start_s - last.end_s >= PAUSE_S
        or word.end_s - first.start_s > MAX_SEGMENT_S
        or sum(len(one.text) + 1 for one in run) + len(word.text) > MAX_CHARS
    )


def _segment(run: Sequence[TimedWord]) -> Segment:
    first, last = run[0], run[-1]
    end_s = max(last.end_s, first.start_s + LEAST_SEGMENT_S)
    return Segment(" ".join(word.text for word in run), first.start_char, last.end_char, first.start_s, end_s)


def srt(segments: Sequence[Segment]) -> str:
    """The SubRip text; "" without segments."""
    cues = [
        f"{number}\n{_clock(segment.start_s, ',')} --> {_clock(segment.end_s, ',')}\n{segment.text}\n"
        for number, segment in enumerate(segments, 1)
    ]
    return "\n".join(cues)


def vtt(segments: Sequence[Segment]) -> str:
    """The WebVTT text (W3C), whose signs of markup are escaped."""
    cues = [
        f"\n{_clock(segment.start_s, '.')} --> {_clock(segment.end_s, '.')}\n{_escaped(segment.text)}\n"
        for segment in segments
    ]
    return "WEBVTT\n" + "".join(cues)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(time_s: float, mark: str) -> str:
    """Hours, minutes, seconds, milliseconds behind the mark."""
    time_ms = round(time_s * 1000)
    minutes, rest_ms = divmod(time_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds, milliseconds = divmod(rest_ms, 1000)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{milliseconds:03}"
