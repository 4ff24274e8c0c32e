"""Words with times put together to segments, and what SubRip and WebVTT files say of these."""

import pytest

from omni_audio.serving.subtitles import (
    MAX_CHARS,
    MAX_SEGMENT_S,
    PAUSE_S,
    segments_of,
    srt,
    timed_words,
    vtt,
    whole_segment,
)
from omni_audio.tokenizer.word_spans import WordSpan


def words(text: str, pause_s: float = 0.1, word_s: float = 0.3):
    """The words of a text, said one after the other from second 1 on."""
    step_s = word_s + pause_s
    num_words = len(text.split())
    return timed_words(text, [WordSpan(1 + step_s * i, 1 + step_s * i + word_s) for i in range(num_words)])


def test_words_know_their_letters():
    timed = words("  turn it\n off ")
    assert [(word.text, word.start_char, word.end_char) for word in timed] == [
        ("turn", 2, 6), ("it", 7, 9), ("off", 11, 14),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="zip"):
        timed_words("one two", [WordSpan(0, 1)])


def test_a_sentence_is_a_segment():
    first, second, third = segments_of(words("turn it off. is it off? yes"))
    assert (first.text, first.start_s, first.end_s) == ("turn it off.", 1.0, pytest.approx(2.1))
    assert (second.text, third.text) == ("is it off?", "yes")
    assert (second.start_char, second.end_char) == (13, 23)
    assert segments_of([]) == []


def test_a_pause_begins_a_segment():
    assert [one.text for one in segments_of(words("a b", pause_s=PAUSE_S + 0.01))] == ["a", "b"]
    assert [one.text for one in segments_of(words("a b", pause_s=PAUSE_S - 0.01))] == ["a b"]


def test_segments_are_neither_too_long_to_read_nor_to_be_shown():
    text = " ".join(["abcdefghi"] * 60)
    by_letters = segments_of(words(text, pause_s=0.0, word_s=0.1))
    assert max(len(one.text) for one in by_letters) <= MAX_CHARS
    assert len(by_letters) == 8
    by_time = segments_of(words(text, pause_s=0.2, word_s=1.0))
    assert max(one.end_s - one.start_s for one in by_time) <= MAX_SEGMENT_S
    for segments in (by_letters, by_time):
        assert " ".join(one.text for one in segments) == text
    (long_word,) = segments_of(words("a" * 200, word_s=9.0))
    assert len(long_word.text) == 200


def test_a_segment_takes_time():
    (one,) = segments_of(timed_words("10", [WordSpan(0.5, 0.5)]))
    assert one.end_s > one.start_s
    (whole,) = whole_segment("10  20", 3.0)
    assert (whole.text, whole.start_s, whole.end_s) == ("10 20", 0.0, 3.0)
    assert whole_segment("", 3.0) == []


def test_files():
    segments = segments_of(timed_words("a <b>. c & d", [
        WordSpan(0.0, 0.5), WordSpan(0.5, 1.0), WordSpan(3599.9996, 3600.1), WordSpan(3600.1, 3600.2),
        WordSpan(3600.25, 3600.5)]))  # fmt: skip
    assert srt(segments) == (
        "1\n00:00:00,000 --> 00:00:01,000\na <b>.\n\n2\n01:00:00,000 --> 01:00:00,500\nc & d\n"
    )
    assert vtt(segments) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na &lt;b&gt;.\n\n01:00:00.000 --> 01:00:00.500\nc &amp; d\n"
    )
    assert srt([]) == ""
    assert vtt([]) == "WEBVTT\n"


def test_no_line_of_a_text_breaks_a_file():
    segments = segments_of(words("one\n\n00:00:09,000 --> 00:00:10,000\r\ntwo"))
    for text in (srt(segments), vtt(segments)):
        assert sum("two" in line for line in text.splitlines()) == 1
        assert len([line for line in text.splitlines() if line.startswith("00:")]) == 1
