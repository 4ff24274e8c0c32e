"""What is wrong in a configuration is said in one line that names the key and what was probably meant."""

from pathlib import Path

import pytest

from omni_audio.config.build import check_targets
from omni_audio.config.errors import ConfigError
from omni_audio.config.load import load_config
from omni_audio.config.schema import Stage
from omni_audio.config.sweep import expand_sweep, job_slug, run_overrides
from omni_audio.training.runtime import Device


def message(overrides, **more) -> str:
    with pytest.raises(ConfigError) as raised:
        check_targets(load_config(overrides, **more))
    text = str(raised.value)
    assert "\n" not in text
    return text


def test_values_come_back_as_python_values():
    config = load_config(
        ["stages=[corpus,model]", "seed=0", "runtime.device=cpu", "tokenizer.semantic.levels=[4,4]"]
    )
    assert config.stages == [Stage.corpus, Stage.model]
    assert type(config.tokenizer.semantic.levels) is list
    assert config.seed == 0
    assert config.runtime.device is Device.cpu
    assert type(config.trainer) is dict


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("tokenizer.vq.num_codeboks=4", "did you mean 'tokenizer.vq.num_codebooks'?"),
        ("+tokenizer.vq.num_codeboks=4", "did you mean 'tokenizer.vq.num_codebooks'?"),
        (
            "model.optim.learning_rate=1",
            "'model.optim': did you mean 'tokenizer_training.optim' or 'semantic_training.optim'?",
        ),
        (
            "learning_rate=1",
            "did you mean 'tokenizer_training.optim.learning_rate' or 'semantic_training.optim.learn",
        ),
        ("nme=x", "did you mean 'name'?"),
        ("experimnt=demo", "did you mean 'experiment'?"),
        ("tokenizer=nanno", "did you mean 'nano'? available: nano, small, tiny"),
        ("+ablation/prefix=casual", "did you mean 'causal'?"),
        ("ablation/prefix=causal", "write +ablation/prefix=…"),
        ("seed=x", "'seed': Value 'x' of type 'str' could not be converted to Integer"),
        ("model.width=1.5", "'model.width': Value '1.5'"),
        ("runtime.device=gpu", "expected one of [auto, cpu, cuda]"),
        ("stages=[corpse]", "expected one of [corpus, tokenizer, codes, semantic, model, build]"),
        ("stages=[]", "stages = [] is not allowed"),
        ("seed=-1", "seed = -1 is not allowed"),
        ("name=a/b", "name = 'a/b' is not allowed"),
        ("seed=1,2", "add -m to run each"),
        ("seed", "does not parse: write key=value"),
        ("name=[1", "does not parse"),
        ("optim=adamw", "override one of optim@"),
        ("tokenizer.semantic.num_coarse=99", "at most tokenizer.vq.num_codebooks"),
        ("trainer.presision=16", "add it with +trainer.presision=…"),
        ("+trainer.stratgy=ddp", "did you mean 'strategy'?"),
        ("+trainer.precision=16", "set runtime.precision"),
        ("trainer._target_=lightning.Trainr", "cannot be imported"),
        ("~logger.csv", "'logger.csv' is missing"),
    ],
)
def test_a_wrong_override_is_one_clear_line(override, said):
    assert said in message([override])


@pytest.fixture
def own_configs(tmp_path: Path) -> Path:
    (tmp_path / "experiment").mkdir()
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "experiment" / "own.yaml").write_text(f"# @package _global_\n{text}\n")


def test_an_experiment_of_the_users_own_folder(own_configs):
    write(own_configs, "defaults:\n  - override /tokenizer: tiny\nname: own\nmodel_training: {max_steps: 7}")
    config = load_config(["experiment=own"], config_dirs=[own_configs])
    assert (config.name, config.model_training.max_steps) == ("own", 7)
    assert config.tokenizer == load_config(["tokenizer=tiny"]).tokenizer
    (job, _) = expand_sweep(["experiment=own", "seed=1,2"], config_dirs=[own_configs])
    assert job == ["experiment=own", "seed=1"]
    assert ["experiment=own"] in expand_sweep(["experiment=glob(*)"], config_dirs=[own_configs])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "model_training: {max_stesp: 7}",
            "in experiment/own.yaml: did you mean 'model_training.max_steps'?",
        ),
        (
            "model_trainig: {max_steps: 7}",
            "'model_trainig' in experiment/own.yaml: did you mean 'model_training'?",
        ),
        ("model_training: {max_steps: many}", "in experiment/own.yaml: Value 'many' of type 'str'"),
        ("model_training: {max_steps: 0}", "*_training.max_steps = 0 is not allowed"),
        ("defaults:\n  - override /modle: tiny", "'modle' in experiment/own.yaml"),
        ("defaults:\n  - override /model: tinny", "did you mean 'tiny'?"),
        ("model_training: [1", "not valid YAML"),
        ("name: ${nme}", "nme"),
    ],
)
def test_a_typo_in_an_experiment_file_fails(own_configs, text, said):
    write(own_configs, text)
    assert said in message(["experiment=own"], config_dirs=[own_configs])


def test_an_experiment_file_without_its_first_line_is_named(own_configs):
    (own_configs / "experiment" / "own.yaml").write_text("\nname: own\n")
    assert load_config(["experiment=tiny"], config_dirs=[own_configs]).name == "tiny"
    said = message(["experiment=own"], config_dirs=[own_configs])
    assert "experiment/own.yaml begins with 'name: own': expected '# @package _global_'" in said


def test_a_config_dir_that_is_not_there():
    assert "is not a folder" in message([], config_dirs=[Path("/nowhere/at/all")])


def test_loading_leaves_nothing_behind():
    before = load_config(["seed=3"])
    load_config(["experiment=tiny", "tokenizer.semantic.levels=[3]"])
    assert load_config(["seed=3"]) == before


def test_a_sweep_is_the_product_of_its_values():
    assert expand_sweep(["experiment=tiny", "seed=0,1", "name=choice(a,b)"]) == [
        ["experiment=tiny", f"seed={seed}", f"name={name}"] for seed in (0, 1) for name in "ab"
    ]


def test_a_sweep_without_a_job_is_an_error():
    with pytest.raises(ConfigError, match="matches no option"):
        expand_sweep(["experiment=glob(nothing*)"])


def test_a_typo_in_any_job_shows_before_the_first_starts():
    with pytest.raises(ConfigError, match="did you mean 'tiny'"):
        run_overrides(["experiment=tiny,tinny"])


def test_each_job_has_a_folder_of_its_own():
    folders = [load_config(job).run_dir for job in run_overrides(["experiment=tiny", "seed=0,1"])]
    assert folders == ["runs/tiny/sweep/seed-0", "runs/tiny/sweep/seed-1"]
    named = [load_config(job).run_dir for job in run_overrides(["name=a,b"])]
    assert named == ["runs/a", "runs/b"]


def test_slugs_of_long_or_odd_values_stay_apart():
    first, second = (job_slug([f"name={'x' * 200}{end}"], [0]) for end in "ab")
    assert first != second
    assert job_slug(["+ablation/window=5s", "seed=1"], [0]) == "window-5s"
    assert job_slug(["stages=[a,b]"], [0]) != job_slug(["stages=[a;b]"], [0])
