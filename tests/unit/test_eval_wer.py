import numpy as np
import pytest

from omni_audio.evaluation.bootstrap import mean_interval, quantile_interval, ratio_interval, share_interval
from omni_audio.evaluation.wer import cer_percent, count_characters, count_words, normalize, wer_percent


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors", "words"),
    [
        ("set a timer", "set a timer", 0, 3),
        ("set a timer", "set the timer", 1, 3),
        ("set a timer", "set timer", 1, 3),
        ("set a timer", "set a long timer", 1, 3),
        ("turn it off", "", 3, 3),
        ("", "turn it off", 3, 0),
        ("", "", 0, 0),
        ("set a timer for twenty five minutes", "Set a timer for 25 minutes.", 0, 6),
        ("it is seven thirty a m", "It's 7:30 AM", 0, 4),
        ("the colour", "the color", 0, 2),
        ("wait what", "Wait... what?!", 0, 2),
    ],
)
def test_known_word_errors(reference, hypothesis, errors, words):
    counts = count_words(reference, hypothesis)
    assert (counts.errors, counts.num_units) == (errors, words)


def test_kinds_of_errors_are_told_apart():
    counts = count_words("a kitchen light is on now", "a garden light is now please")
    assert counts.substitutions + counts.deletions + counts.insertions == counts.errors == 3


def test_corpus_rate_weighs_words_not_utterances():
    # 1 error in 1 word and 0 in 9: 10 %, while the mean of the rates would be 50 %.
    interval = wer_percent(["stop", "a b c d e f g h i"], ["go", "a b c d e f g h i"])
    assert interval.value == pytest.approx(10.0)
    assert interval.low <= 10.0 <= interval.high


def test_rate_may_pass_100_and_empty_reference_counts_insertions():
    assert wer_percent(["stop"], ["please turn it off now"]).value == pytest.approx(500.0)
    assert wer_percent(["stop", ""], ["stop", "yes"]).value == pytest.approx(100.0)


def test_all_references_empty_is_refused():
    with pytest.raises(ValueError, match="sum"):
        wer_percent(["", "..."], ["a", "b"])
    with pytest.raises(ValueError, match="len"):
        wer_percent([], [])
    with pytest.raises(ValueError, match="one per reference"):
        wer_percent(["a"], [])


def test_cer_counts_characters_and_spaces():
    assert count_characters("on off", "onoff").errors == 1
    assert cer_percent(["abcd"], ["abxd"]).value == pytest.approx(25.0)


def test_normalize_is_idempotent():
    for text in ("Set 7:30 p.m., twenty-one lights!", "it's twenty five percent", "", "uh, um"):
        assert normalize(normalize(text)) == normalize(text)


def test_bootstrap_is_deterministic_and_follows_the_seed():
    values = np.random.default_rng(1).random(80).tolist()
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3) != mean_interval(values, seed=4)


def test_bootstrap_covers_the_truth_about_95_of_100_times():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        interval = ratio_interval(
            rng.binomial(8, 0.2, 100).tolist(), [8] * 100, seed=trial, num_resamples=400
        )
        covered += interval.low <= 0.2 <= interval.high
    assert 180 <= covered <= 199  # 95 % of 200 is 190; a one-sided or halved interval falls out


def test_interval_narrows_with_items():
    def width(num_items):
        values = np.random.default_rng(0).integers(0, 2, num_items).tolist()
        interval = mean_interval(values)
        return interval.high - interval.low

    assert width(400) < 0.6 * width(100)


def test_items_without_units_leave_resamples_out_rather_than_dividing_by_zero():
    interval = ratio_interval([0.0, 1.0], [0.0, 2.0])
    assert interval.value == pytest.approx(0.5)
    assert interval.low == interval.high == pytest.approx(0.5)


def test_quantile_interval():
    interval = quantile_interval(list(range(101)), 0.95, scale=10.0)
    assert interval.value == pytest.approx(950.0)
    assert interval.low < 950.0 < interval.high


def test_no_items_is_refused():
    with pytest.raises(ValueError, match="left out"):
        mean_interval([])


def test_shares_on_which_all_items_agree_keep_a_width():
    none, every = share_interval([0.0] * 8, 100.0), share_interval([True] * 8, 100.0)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(32.44, abs=0.01)  # Wilson 1927: z² / (n + z²)
    assert (every.value, every.high) == (100.0, 100.0)
    assert every.low == pytest.approx(67.56, abs=0.01)
    mixed = [0.0, 1.0, 1.0, 0.0, 1.0]
    assert share_interval(mixed, 100.0, 3) == mean_interval(mixed, 100.0, 3)
    with pytest.raises(ValueError, match="flags"):
        share_interval([0.0, -1.0])
