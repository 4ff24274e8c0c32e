"""Every file of the configuration tree composes, builds and does only what its kind may do."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest
import torch
import yaml

from omni_audio.cli import train
from omni_audio.config.build import check_targets, trainer_factory
from omni_audio.config.load import load_config
from omni_audio.config.schema import RootConfig
from omni_audio.config.sweep import expand_sweep, run_overrides
from omni_audio.config.tree import config_groups, configs_dir
from omni_audio.model.transformer import OmniModel
from omni_audio.plain import to_plain
from omni_audio.tokenizer.tokenizer import AudioTokenizer

REPOSITORY = configs_dir().parent
GROUPS = config_groups()
USED_TWICE = {"optim": ("optim@tokenizer_training.optim", "optim@model_training.optim")}


def choices() -> list[str]:
    found = []
    for group, options in GROUPS.items():
        plus = "+" if group.startswith("ablation/") else ""
        for key in USED_TWICE.get(group, (group,)):
            found += [f"{plus}{key}={option}" for option in options]
    return found


def values(node: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(node, dict):
        return {prefix.rstrip("."): node}
    return {key: value for name in node for key, value in values(node[name], f"{prefix}{name}.").items()}


BUILT: list[object] = []


def build_parts(config: RootConfig) -> None:
    if config.tokenizer not in BUILT:  # with memory: torchaudio's filters cannot be made on the meta device
        AudioTokenizer(config.tokenizer)
        BUILT.append(config.tokenizer)
    with torch.device("meta"):
        OmniModel(config.model, config.tokenizer)


@pytest.mark.parametrize("choice", choices())
def test_every_option_composes_and_builds(choice):
    config = load_config([choice])
    check_targets(config)
    build_parts(config)


@pytest.mark.parametrize("experiment", GROUPS["experiment"])
@pytest.mark.parametrize("ablation", [choice for choice in choices() if choice.startswith("+ablation/")])
def test_every_ablation_of_every_experiment_composes(experiment, ablation):
    build_parts(load_config([f"experiment={experiment}", ablation]))


@pytest.mark.parametrize("experiment", GROUPS["experiment"])
def test_an_experiment_has_its_own_name_and_folder(experiment):
    config = load_config([f"experiment={experiment}"])
    assert (config.name, config.run_dir) == (experiment, f"runs/{experiment}")
    assert load_config([f"experiment={experiment}", "name=other"]).run_dir == "runs/other"
    assert load_config([f"experiment={experiment}", "debug=fast"]).run_dir == f"runs/{experiment}-debug"


ABLATION_FILES = sorted((configs_dir() / "ablation").rglob("*.yaml"))


@pytest.mark.parametrize("file", ABLATION_FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_an_ablation_file_changes_one_factor(file):
    lines = file.read_text().splitlines()
    assert len(lines) <= 10
    assert lines[0] == "# @package _global_"  # Hydra reads its header from the first line only
    assert lines[1].startswith("# Factor: ")
    factor = lines[1].partition(":")[2].partition(":")[0]
    assert all(f"# Factor:{factor}:" in other.read_text() for other in file.parent.glob("*.yaml"))
    assert len(values(yaml.safe_load(file.read_text()))) == 1


@pytest.mark.parametrize("factor", sorted({file.parent.name for file in ABLATION_FILES}))
def test_the_options_of_a_factor_change_the_same_key_and_one_is_the_default(factor):
    default = values(to_plain(load_config([])))
    seen, keys = [], set()
    for option in GROUPS[f"ablation/{factor}"]:
        changed = values(to_plain(load_config([f"+ablation/{factor}={option}"])))
        keys |= {key for key in default if changed[key] != default[key]}
        seen.append(changed)
    assert len(keys) == 1
    assert default in seen
    assert len({str(config) for config in seen}) == len(seen) >= 2


def test_every_field_of_the_root_is_written_in_the_tree_or_has_a_default():
    config = load_config([])
    assert isinstance(config, RootConfig)
    for field in dataclasses.fields(config):
        assert not type(getattr(config, field.name)).__module__.startswith("omegaconf"), field.name


def documented_sweeps() -> list[str]:
    texts = [train.EXAMPLES]
    for file in [
        *REPOSITORY.glob("*.md"),
        *REPOSITORY.glob("docs/**/*.md"),
        *REPOSITORY.glob("experiments/**/*.md"),
    ]:
        texts.append(file.read_text(encoding="utf-8"))
    return sorted({sweep for text in texts for sweep in re.findall(r"omni-audio train (-m [^`\n]+)", text)})


@pytest.mark.parametrize("sweep", documented_sweeps())
def test_every_documented_sweep_has_jobs(sweep):
    command = re.split(r"\s{3,}|\s#", sweep)[0]  # the examples of --help put a remark behind
    jobs = run_overrides([word for word in shlex.split(command) if word != "-m"])
    assert len(jobs) > 1
    folders = {load_config(job).run_dir for job in jobs}
    assert len(folders) == len(jobs)


def test_some_sweep_is_documented():
    assert documented_sweeps()


@pytest.mark.parametrize("group", [group for group in GROUPS if group not in USED_TWICE])
def test_a_glob_over_a_group_gives_its_options(group):
    plus = "+" if group.startswith("ablation/") else ""
    jobs = expand_sweep([f"{plus}{group}=glob(*)"])
    assert jobs == [[f"{plus}{group}={option}"] for option in GROUPS[group]]


def test_trainer_and_loggers_are_made_as_a_stage_asks(tmp_path: Path):
    config = load_config(["experiment=tiny"])
    trainer = trainer_factory(config)(tmp_path / "metrics", max_steps=3, enable_checkpointing=False)
    assert trainer.max_steps == 3
    assert trainer.num_devices == 1
    assert [type(logger).__name__ for logger in trainer.loggers] == ["CSVLogger"]
    assert Path(trainer.loggers[0].log_dir) == tmp_path / "metrics"


@pytest.mark.parametrize("experiment", GROUPS["experiment"])
def test_debug_fast_cuts_every_training_short(experiment):
    config = load_config([f"experiment={experiment}", "debug=fast"])
    corpus = config.data.corpus
    assert corpus.num_train_items + corpus.num_drills <= 40
    assert corpus.natural_share == 0
    assert not config.data.semantic_cuts
    assert not config.data.speech_cuts.names_files
    trainings = [field.name for field in dataclasses.fields(config) if field.name.endswith("_training")]
    assert len(trainings) >= 3
    assert {name: getattr(config, name).max_steps <= 10 for name in trainings} == dict.fromkeys(
        trainings, True
    )


def test_runtime_ray_serves_by_replicas_and_changes_nothing_else():
    plain, by_ray = (to_plain(load_config(words)) for words in ([], ["runtime=ray", "server.port=9000"]))
    assert plain["server"].pop("ray") is None
    assert by_ray["server"].pop("ray")["max_replicas"] == 4
    assert by_ray["server"].pop("port") == 9000
    assert {name for name in plain if plain[name] != by_ray[name]} == {"server"}
    plain["server"].pop("port")
    assert plain["server"] == by_ray["server"]
