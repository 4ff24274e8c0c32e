import errno
import json
import os
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest

import omni_audio
from omni_audio.record import config_hash, git_state
from omni_audio.training.run_record import RunRecord, write_json_atomic


class Kind(Enum):
    one = "1"


@dataclass
class Inner:
    rate: float = 0.5
    kind: Kind = Kind.one


@dataclass
class Config:
    seed: int = 0
    inner: Inner = field(default_factory=Inner)
    where: Path = Path("here")


def read(run_dir: Path) -> dict:
    return json.loads((run_dir / "run_record.json").read_text())


def test_record_holds_what_is_needed_to_run_again(tmp_path):
    with RunRecord(tmp_path / "run", Config(), seed=0, command=["omni-audio", "train"]):
        assert read(tmp_path / "run")["status"] == "running"
    record = read(tmp_path / "run")
    assert record["status"] == "finished"
    assert record["seed"] == 0
    assert record["config"] == {"seed": 0, "inner": {"rate": 0.5, "kind": "1"}, "where": "here"}
    assert record["config_hash"] == config_hash(Config())
    assert record["started"] <= record["ended"]
    assert {"torch", "numpy", "python"} <= set(record["packages"])
    assert record["device"]["cores"] >= 1
    assert {"commit", "dirty"} <= set(record)


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("bad"), "failed"), (KeyboardInterrupt(), "interrupted"), (SystemExit(1), "failed")],
)
def test_record_says_how_the_run_ended(tmp_path, error, status):
    with pytest.raises(type(error)), RunRecord(tmp_path, Config(), seed=3):
        raise error
    assert read(tmp_path)["status"] == status


def exit_as_lightning_does() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise SystemExit(1)  # noqa: B904


def test_interrupt_that_a_library_turned_into_exit_is_an_interrupt(tmp_path):
    with pytest.raises(SystemExit), RunRecord(tmp_path, Config(), seed=3):
        exit_as_lightning_does()
    assert read(tmp_path)["status"] == "interrupted"


def test_a_resumed_run_keeps_its_earlier_starts(tmp_path):
    for seed in (1, 2, 3):
        with RunRecord(tmp_path, Config(seed=seed), seed=seed):
            pass
    record = read(tmp_path)
    assert record["seed"] == 3
    assert [start["config_hash"] for start in record["earlier"]] == [
        config_hash(Config(seed=n)) for n in (1, 2)
    ]
    assert all(start["status"] == "finished" for start in record["earlier"])


def test_a_broken_record_does_not_stop_a_run(tmp_path):
    (tmp_path / "run_record.json").write_text("{")
    with RunRecord(tmp_path, Config(), seed=0):
        pass
    assert read(tmp_path)["earlier"] == []


def test_hash_follows_the_values():
    assert config_hash(Config()) == config_hash(Config())
    assert config_hash(Config(seed=1)) != config_hash(Config())
    assert config_hash(Config(inner=Inner(rate=0.25))) != config_hash(Config())


def test_outside_git_there_is_no_commit(tmp_path):
    (tmp_path / "__init__.py").touch()
    assert git_state(tmp_path) == {"commit": None, "dirty": None}


def test_without_git_installed_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(Path(omni_audio.__file__).parent) == {"commit": None, "dirty": None}


def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "data.json"
    write_json_atomic(target, {"old": True})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_json_atomic(target, {"old": False})
    assert json.loads(target.read_text()) == {"old": True}
    assert list(tmp_path.iterdir()) == [target]
