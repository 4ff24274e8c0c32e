"""Builds what the YAML names by `_target_`: the trainer and its loggers. Checked against their signatures first."""

import difflib
import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

from hydra.utils import get_object, instantiate

from omni_audio.config.errors import ConfigError
from omni_audio.config.schema import RootConfig

OWNED_TRAINER_KEYS = {
    "accelerator": "runtime.device",
    "precision": "runtime.precision",
    "deterministic": "runtime.deterministic",
    "max_steps": "tokenizer_training.max_steps or model_training.max_steps",
    "logger": "the logger group",
    "default_root_dir": "run_dir",
}


def check_targets(config: RootConfig) -> None:
    """Binds every `_target_` of the config to its signature without calling it.

    Raises:
        ConfigError: a target cannot be imported, does not take a key, or a key has its place elsewhere in the config.
    """
    for key in config.trainer:
        if key in OWNED_TRAINER_KEYS:
            raise ConfigError(f"config key 'trainer.{key}' has another place: set {OWNED_TRAINER_KEYS[key]}")
    if "csv" not in config.logger:
        raise ConfigError("config key 'logger.csv' is missing: figures and reports are made from the CSV log")
    if "_target_" not in config.trainer:
        raise ConfigError("config key 'trainer._target_' is missing: choose a trainer, as in trainer=default")
    _check(config.trainer, "trainer")
    for name, node in config.logger.items():
        if not isinstance(node, dict) or "_target_" not in node:
            raise ConfigError(f"config key 'logger.{name}' names no class: give it a _target_")
        _check(node, f"logger.{name}")


def trainer_factory(config: RootConfig) -> Callable[..., Any]:
    """Returns `make_trainer(folder, max_steps, callbacks, **more)`, which gives a Lightning Trainer.

    Device, precision and determinism come from `runtime`; the rest from the trainer group; `more` is what a stage
    decides. Each trainer gets loggers of its own that write into `folder`.
    """

    def make_trainer(folder: Path, max_steps: int, callbacks: Sequence[Any] = (), **more: Any) -> Any:
        return instantiate(
            _plain(config.trainer),
            accelerator=config.runtime.device.value,
            precision=config.runtime.precision.value,
            deterministic=config.runtime.deterministic,
            max_steps=max_steps,
            default_root_dir=str(folder),
            logger=make_loggers(config, folder),
            callbacks=list(callbacks),
            **more,
        )

    return make_trainer


def make_loggers(config: RootConfig, folder: Path) -> list[Any]:
    """Builds every logger of the config, writing into `folder`."""
    return [instantiate(_plain(node), save_dir=str(folder)) for node in config.logger.values()]


def _check(node: dict[str, Any], name: str) -> None:
    target = node["_target_"]
    try:
        with _silenced("hydra.utils"):
            called = get_object(target)
        signature = inspect.signature(called)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"config key '{name}._target_' = {target!r} cannot be imported: {' '.join(str(error).split())}"
        ) from error
    parameters = signature.parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for key, value in node.items():
        if key.startswith("_") and key.endswith("_"):
            continue
        if key not in parameters and not takes_any:
            close = difflib.get_close_matches(key, parameters, n=1)
            hint = (
                f"did you mean {close[0]!r}?"
                if close
                else f"it takes {', '.join(list(parameters)[:12])}, ..."
            )
            raise ConfigError(f"config key '{name}.{key}' is not an argument of {target}: {hint}")
        _check_inside(value, f"{name}.{key}")


def _check_inside(value: Any, name: str) -> None:
    if isinstance(value, dict):
        if "_target_" in value:
            _check(value, name)
            return
        for key, entry in value.items():
            _check_inside(entry, f"{name}.{key}")
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            _check_inside(entry, f"{name}[{index}]")


@contextmanager
def _silenced(logger_name: str) -> Iterator[None]:
    """Keeps a logger from printing what we raise ourselves."""
    logger = logging.getLogger(logger_name)
    was_disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was_disabled


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value
