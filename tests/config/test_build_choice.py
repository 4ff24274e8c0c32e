"""Which build and which run folder `eval` and `serve` use."""

import os
from pathlib import Path

import pytest

from omni_audio.cli.loading import load_with_build


def make_build(folder: Path, written_at: int, has_model: bool = True) -> Path:
    folder.mkdir(parents=True)
    if has_model:
        (folder / "model.safetensors").touch()
    (folder / "config.json").write_text("{}")
    os.utime(folder / "config.json", (written_at, written_at))
    return folder


@pytest.fixture(autouse=True)
def builds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_build(tmp_path / "runs/demo/build/older", 1_000)
    make_build(tmp_path / "runs/demo/build/newer", 2_000)
    make_build(tmp_path / "runs/nano/build/newest", 3_000)
    make_build(tmp_path / "builds/shipped", 500)
    make_build(tmp_path / "builds/tokenizer", 8_000, has_model=False)  # never taken for the newest build


@pytest.mark.parametrize(
    ("overrides", "build", "run_dir"),
    [
        (["experiment=demo"], "runs/demo/build/newer", "runs/demo"),
        ([], "runs/nano/build/newest", "runs/nano"),
        (["build=runs/demo/build/older"], "runs/demo/build/older", "runs/demo"),
        (["build=runs/demo"], "runs/demo/build/newer", "runs/demo"),
        (["build=builds/shipped"], "builds/shipped", "runs/default"),
        (["experiment=demo", "build=runs/nano"], "runs/nano/build/newest", "runs/demo"),
    ],
)
def test_the_build_and_its_run(overrides, build, run_dir):
    config = load_with_build(overrides, [])
    assert (config.build, config.run_dir) == (build, run_dir)
    assert (config.eval.build, config.server.build) == (build, Path(build))
    assert config.eval.corpus == f"{run_dir}/corpus"


def test_an_odd_folder_name_survives(tmp_path):
    odd = 'runs/a "b" ${c}, [d]/build/one'
    make_build(tmp_path / odd, 9_000)
    config = load_with_build([], [])
    assert config.build == odd
    assert config.run_dir == 'runs/a "b" ${c}, [d]'


@pytest.mark.parametrize(
    ("overrides", "said"),
    [(["experiment=tiny"], "no build in runs/tiny/build"), (["build=nowhere"], "does not exist")],
)
def test_no_build_is_an_error(overrides, said):
    with pytest.raises(ValueError, match=said):
        load_with_build(overrides, [])
