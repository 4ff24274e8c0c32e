"""A real tiny training of the delay pattern, on the road of the depth decoder up to the network."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from trainings import Road, checkpoint, tiny_config

from omni_audio.config.build import trainer_factory
from omni_audio.model.assistant import Assistant
from omni_audio.model.layout import CodePattern
from omni_audio.training.pipeline import run_stages

pytestmark = pytest.mark.usefixtures("ctrl_c_as_before")


def test_late_codes_are_trained_built_and_spoken(road: Road, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(Path(road.config.run_dir), run)
    late = tiny_config(run, "+ablation/delay=on")
    with pytest.raises(ValueError, match=r"model was begun with another config"):
        run_stages(late, trainer_factory(late))
    for stage in ("model", "build"):
        shutil.rmtree(run / stage)
    paths = run_stages(late, trainer_factory(late))
    assert paths.build is not None
    names = checkpoint(paths.model)["state_dict"].keys()
    assert {name.split(".")[2] for name in names if name.startswith("model.depth.")} == {
        "enter", "norm", "heads", "asked_vectors",
    }  # fmt: skip
    config = json.loads((paths.build / "config.json").read_text())
    assert config["model"]["layout"]["pattern"] == "delay"
    assistant = Assistant.load(paths.build)
    assert assistant.model.config.layout.pattern is CodePattern.delay
    assert bool(assistant.model.depth.heads.any()), "the heads begin at 0 and have learnt"
    said = assistant.say("stop the timer", takes=1)
    assert said.pcm_S is not None
    assert said.pcm_S.shape[0] == said.num_frames * 1280 > 0
    assert bool(torch.isfinite(said.pcm_S).all())
