"""Scores of people: raters with known answers, raters who must be left out, files that are not right."""

import json

import numpy as np
import pytest
from listening_tests import SYSTEMS, answered, made_test, save

from omni_audio.cli import main
from omni_audio.evaluation.bootstrap import Interval
from omni_audio.evaluation.human_mos import system_scores
from omni_audio.evaluation.human_ratings import read_key, read_rater, read_raters
from omni_audio.evaluation.human_screening import ScreeningConfig, correlations, own_faults, screen
from omni_audio.evaluation.listening_format import Role

LEVELS = dict(zip(SYSTEMS, (5, 4, 3, 1), strict=True))
NUM_TEXTS = 12


@pytest.fixture(scope="module")
def key_path(tmp_path_factory):
    return made_test(tmp_path_factory.mktemp("test"), num_texts=NUM_TEXTS, num_trials=6)[0]


@pytest.fixture(scope="module")
def key(key_path):
    return read_key(key_path)


def raters_of(key, folder, contents):
    return read_raters([save(folder, content) for content in contents], key)


def honest(key, name, draw):
    """Answers near the level of each system, within the scale."""
    return answered(
        key, name, lambda system, text: int(np.clip(round(LEVELS[system] + draw.normal(0, 0.6)), 1, 5))
    )


def changed(content, of_role, key, answer):
    """The same answers but for the clips of a role."""
    ids = key.of_role(of_role)
    lines = [line | {"answer": answer} if line["clip"] in ids else line for line in content["ratings"]]
    return content | {"ratings": lines}


def test_scores_of_raters_who_agree_are_those_they_gave(key, tmp_path):
    raters = raters_of(key, tmp_path, [answered(key, n, lambda system, text: LEVELS[system]) for n in "abc"])
    scores = {score.system: score for score in system_scores(key, raters)}
    assert list(scores) == list(SYSTEMS), "best first"
    for system, level in LEVELS.items():
        assert scores[system].mos == Interval(level, level, level)
        assert scores[system].num_answers == 3 * NUM_TEXTS
    assert scores["source"].difference is None
    assert scores["degraded"].difference == Interval(-4, -4, -4)


def test_the_interval_covers_the_truth_and_respects_raters(key, tmp_path):
    """Raters differ by a shift of their own: an interval over single answers would be far too narrow."""
    draw = np.random.default_rng(0)
    covered, widths, naive = 0, [], []
    for trial in range(40):
        folder = tmp_path / str(trial)
        folder.mkdir()
        shifts = {f"r{number}": int(draw.integers(-1, 2)) for number in range(8)}
        contents = [
            answered(key, name, lambda system, text, s=shift: 3 + s) for name, shift in shifts.items()
        ]
        score = system_scores(key, raters_of(key, folder, contents), seed=trial)[0].mos
        assert isinstance(score, Interval)
        covered += score.low <= 3 <= score.high
        widths.append(score.high - score.low)
        given = [3 + shift for shift in shifts.values() for _ in range(NUM_TEXTS)]
        naive.append(2 * 1.96 * np.std(given) / np.sqrt(len(given)))
    assert covered >= 34, "about 95 % of 40, at 8 raters a little less"
    assert np.mean(widths) > 2 * np.mean(naive)


def test_the_same_seed_gives_the_same_interval_and_another_one_another(key, tmp_path):
    draw = np.random.default_rng(1)
    raters = raters_of(key, tmp_path, [honest(key, f"r{n}", draw) for n in range(5)])
    assert system_scores(key, raters, seed=3) == system_scores(key, raters, seed=3)
    assert system_scores(key, raters, seed=3) != system_scores(key, raters, seed=4)


def test_one_rater_has_a_score_without_an_interval(key, tmp_path):
    raters = raters_of(key, tmp_path, [answered(key, "a", lambda system, text: LEVELS[system])])
    assert [score.mos for score in system_scores(key, raters)] == [5, 4, 3, 1]
    with pytest.raises(ValueError, match="raters that count"):
        system_scores(key, [])


def test_each_fault_leaves_a_rater_out_and_is_named(key, tmp_path):
    draw = np.random.default_rng(2)
    good = [honest(key, f"good{number}", draw) for number in range(4)]
    bad = {
        "trap": (changed(honest(key, "trap", draw), Role.trap, key, 5), "1 of 1 trapping clips failed"),
        "gold": (changed(honest(key, "gold", draw), Role.gold, key, 5), "1 of 2 gold clips failed"),
        "flat": (answered(key, "flat", lambda system, text: 4), "all answers alike: variance 0.00"),
        "random": (
            answered(key, "random", lambda system, text: 6 - LEVELS[system]),
            "correlation with the other raters -",
        ),
    }
    missing = honest(key, "missing", draw)
    missing["ratings"] = missing["ratings"][3:]
    bad["missing"] = (missing, f"3 of {NUM_TEXTS * 4 + 3} clips not answered")
    deaf = honest(key, "deaf", draw)
    deaf["headphones"] = [line | {"answer": line["answer"] % 3 + 1} for line in deaf["headphones"][:2]]
    bad["deaf"] = (deaf, "headphones: 0 of 6 trials right")
    screened = screen(
        raters_of(key, tmp_path, good + [content for content, _ in bad.values()]), key, ScreeningConfig()
    )
    assert sorted(rater.name for rater in screened.kept) == [f"good{number}" for number in range(4)]
    assert screened.out.keys() == bad.keys()
    for name, (_, reason) in bad.items():
        assert any(found.startswith(reason) for found in screened.out[name]), screened.out[name]


def test_five_of_six_headphone_trials_are_enough_and_loudspeakers_can_be_allowed(key, tmp_path):
    draw = np.random.default_rng(3)
    one_wrong, all_wrong = honest(key, "one", draw), honest(key, "all", draw)
    one_wrong["headphones"][0]["answer"] = one_wrong["headphones"][0]["answer"] % 3 + 1
    all_wrong["headphones"] = []
    first, second = raters_of(key, tmp_path, [one_wrong, all_wrong])
    assert own_faults(first, key, ScreeningConfig()) == []
    assert own_faults(second, key, ScreeningConfig()) != []
    assert own_faults(second, key, ScreeningConfig(headphone_share=0)) == []


def test_two_raters_are_not_compared_and_it_is_said(key, tmp_path):
    opposed = answered(key, "opposed", lambda system, text: 6 - LEVELS[system])
    raters = raters_of(key, tmp_path, [honest(key, "one", np.random.default_rng(4)), opposed])
    screened = screen(raters, key, ScreeningConfig())
    assert not screened.is_compared
    assert len(screened.kept) == 2


def test_correlation_is_with_the_others_alone():
    answers_RC = np.array([[1.0, 2, 3], [2, 3, 4], [3, 2, 1]])
    others = answers_RC[[1, 2]].mean(axis=0)
    assert others.std() == 0
    assert correlations(answers_RC)[0] == 0
    assert correlations(answers_RC)[2] == pytest.approx(-1)


def test_single_outliers_are_left_out_only_where_it_is_asked(key, tmp_path):
    contents = [answered(key, f"r{n}", lambda system, text: LEVELS[system]) for n in range(4)]
    odd = next(c for c, clip in key.of_role(Role.rated).items() if clip.system == "source")
    for line in contents[0]["ratings"]:
        if line["clip"] == odd:
            line["answer"] = 1
    raters = raters_of(key, tmp_path, contents)
    plain, screened = (
        next(score for score in system_scores(key, raters, outlier_z=z) if score.system == "source")
        for z in (None, 3.29)
    )
    assert (plain.num_outliers, screened.num_outliers) == (0, 1)
    assert isinstance(plain.mos, Interval)
    assert plain.mos.value == pytest.approx(5 - 4 / (4 * NUM_TEXTS))
    assert isinstance(screened.mos, Interval)
    assert screened.mos.value == 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"test_id": "another"}, "test_id = 'another'"),
        ({"format": "something else"}, "format = 'something else'"),
        ({"version": 2}, "version = 2"),
        ({"rater": ""}, "rater = ''"),
        ({"ratings": {}}, "expected a list"),
        ({"ratings": [{"clip": "nothing", "answer": 1}]}, "a clip of the test"),
        ({"ratings": [3]}, "objects with clip and answer"),
        ({"headphones": [{"clip": 5, "answer": 1}]}, "a clip of the test"),
    ],
)
def test_a_file_that_is_not_right_is_named(key, tmp_path, change, said):
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(answered(key, "a", lambda system, text: 3) | change))
    with pytest.raises(ValueError, match=said) as error:
        read_rater(path, key)
    assert "odd.json" in str(error.value)


@pytest.mark.parametrize("answer", [0, 6, 3.0, "3", True, None])
def test_an_answer_off_the_scale_is_refused(key, tmp_path, answer):
    content = answered(key, "a", lambda system, text: 3)
    content["ratings"][0]["answer"] = answer
    with pytest.raises(ValueError, match="a whole number 1 to 5"):
        read_rater(save(tmp_path, content), key)


def test_clips_answered_twice_and_raters_that_are_there_twice_are_refused(key, tmp_path):
    content = answered(key, "a", lambda system, text: 3)
    path = save(tmp_path, content)
    copy = tmp_path / "copy.json"
    copy.write_text(path.read_text())
    with pytest.raises(ValueError, match=r"a\.json and .*copy\.json have it"):
        read_raters([path, copy], key)
    with pytest.raises(ValueError, match="each file once"):
        read_raters([path, path], key)
    content["ratings"].append(content["ratings"][0])
    with pytest.raises(ValueError, match="each clip once"):
        read_rater(save(tmp_path, content), key)


def test_the_command_prints_a_table_and_one_line_of_json(key, key_path, tmp_path, capsys):
    draw = np.random.default_rng(5)
    for number in range(4):
        save(tmp_path, honest(key, f"r{number}", draw))
    save(tmp_path, answered(key, "flat", lambda system, text: 4))
    assert main.main(["mos", str(tmp_path), "--key", str(key_path)]) == 0
    printed = capsys.readouterr().out
    assert "left out: flat: all answers alike" in printed
    line = json.loads(printed.splitlines()[-1])
    assert line["raters"] == 4
    assert line["left_out"].keys() == {"flat"}
    found = line["human_mos"]
    assert found["source"]["value"] > found["resynthesis"]["value"] > found["degraded"]["value"]
    assert found["source"]["low"] < found["source"]["value"] < found["source"]["high"]
    assert "predicted" not in printed


@pytest.mark.parametrize(
    ("content", "said"),
    [("not json", "is not JSON"), ("[]", "format = 'list'"), ('{"format": "x"}', "format = 'x'")],
)
def test_a_bad_file_is_one_line_and_exit_2(key_path, tmp_path, capsys, content, said):
    bad = tmp_path / "bad.json"
    bad.write_text(content)
    assert main.main(["mos", str(bad), "--key", str(key_path)]) == 2
    found = capsys.readouterr().err
    assert said in found
    assert found.count("\n") == 1
    assert main.main(["mos", str(tmp_path / "none.json"), "--key", str(key_path)]) == 2
    assert main.main(["mos", str(tmp_path), "--key", str(bad)]) == 2


def test_a_damaged_key_is_refused(key_path, tmp_path):
    content = json.loads(key_path.read_text())
    del content["systems"]["degraded"]
    (tmp_path / "key.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="Take the whole key"):
        read_key(tmp_path / "key.json")
    next(iter(content["clips"].values()))["role"] = "odd"
    (tmp_path / "key.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="damaged key"):
        read_key(tmp_path / "key.json")
