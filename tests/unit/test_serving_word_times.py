import pytest

from omni_audio.serving.word_times import WordTimes


def words_of(made):
    return (
        [] if made is None else [(word["word"], word["start_ms"], word["end_ms"]) for word in made["words"]]
    )


def times_of(runs, num_frames, frame_ms=80.0):
    """All words of text given as (text, frames before it), in the order in which they come out."""
    times, words = WordTimes(frame_ms), []
    for text, before in runs:
        words.append(words_of(times.take(text, before)))
    return [*words, words_of(times.finish(num_frames))]


def test_a_word_lasts_until_the_next_text_comes():
    assert times_of([("the", 0), (" light", 3), (" is on.", 7)], 12) == [
        [],
        [("the", 0, 240)],
        [("light", 240, 560)],
        [("is", 560, 960), ("on.", 560, 960)],
    ]


def test_a_word_in_two_runs_is_one_and_ends_with_the_second():
    assert times_of([("a th", 0), ("", 4), ("ing", 4), (" more", 9)], 10) == [
        [],
        [],
        [("a", 0, 320)],
        [("thing", 0, 720)],
        [("more", 720, 800)],
    ]


def test_text_that_comes_in_pieces_before_one_frame_is_one_run():
    assert times_of([("o", 2), ("ne", 2), (" two ", 2), ("three", 5)], 6) == [
        [],
        [],
        [],
        [("one", 160, 400), ("two", 160, 400)],
        [("three", 400, 480)],
    ]


@pytest.mark.parametrize(("frame_ms", "end_ms"), [(40.0, 160), (160.0, 640)])
def test_times_are_those_of_the_sound_that_is_heard(frame_ms, end_ms):
    assert times_of([("go", 0)], 4, frame_ms)[-1] == [("go", 0, end_ms)]


def test_an_answer_without_words_has_no_times():
    assert WordTimes(80.0).finish(5) is None
    assert WordTimes(80.0).take("  ", 0) is None


def test_the_object_spans_its_words():
    times = WordTimes(80.0)
    times.take("a th", 0)
    times.take("ing", 4)
    made = times.take(" more", 9)
    assert (made["start_ms"], made["end_ms"]) == (0, 720)
