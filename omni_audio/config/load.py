"""Loads the configuration: Hydra composes it, dataclasses leave. Nothing past this file sees a DictConfig."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, ListConfig, OmegaConf

from omni_audio.config.errors import CONFIG_ERRORS, ConfigError, explain, unknown_key
from omni_audio.config.schema import RootConfig
from omni_audio.config.tree import config_groups, configs_dir

SCHEMA_NAME = "root_schema"
GLOBAL_GROUPS = ("experiment", "ablation", "debug")
GLOBAL_HEADER = "# @package _global_"
"""A file of these groups begins so: its keys stand at the top, not under the group's name."""


@contextmanager
def opened_hydra(config_dirs: Sequence[Path] = ()) -> Iterator[ConfigLoaderImpl]:
    """Opens Hydra on the packaged tree and the user's folders, and leaves no global state behind.

    Args:
        config_dirs: Folders of the user's own groups, searched after the packaged tree.

    Raises:
        ConfigError: a folder does not exist.
    """
    ConfigStore.instance().store(name=SCHEMA_NAME, node=RootConfig)
    with initialize_config_dir(version_base="1.3", config_dir=str(configs_dir())):
        loader = cast(ConfigLoaderImpl, GlobalHydra.instance().config_loader())
        for folder in config_dirs:
            if not folder.is_dir():
                raise ConfigError(
                    f"config_dir = {str(folder)!r} is not a folder: give one that holds experiment/*.yaml"
                )
            loader.config_search_path.prepend("config_dir", f"file://{folder.resolve()}", anchor="schema")
        loader.repository = ConfigRepository(config_search_path=loader.config_search_path)
        yield loader


def load_config(
    overrides: Sequence[str], config_name: str = "config", config_dirs: Sequence[Path] = ()
) -> RootConfig:
    """Composes the configuration and returns it as dataclasses, lists as lists.

    Args:
        overrides: Hydra overrides, as `experiment=demo` or `model.width=256`.
        config_name: The primary file, without .yaml.
        config_dirs: Folders of the user's own groups, searched after the packaged tree.

    Raises:
        ConfigError: an unknown key, group or option, a wrong type or a value out of range; one line.
    """
    _require_headers(overrides, config_dirs)
    try:
        with opened_hydra(config_dirs):
            composed = compose(config_name, list(overrides))
            _refuse_added_keys(composed)
            return cast(RootConfig, OmegaConf.to_object(composed))
    except CONFIG_ERRORS as error:
        raise explain(error, RootConfig, config_groups()) from error


def _require_headers(overrides: Sequence[str], config_dirs: Sequence[Path]) -> None:
    """Raises for a chosen file of GLOBAL_GROUPS in the user's folders that would not stand at the top."""
    for override in overrides:
        key, _, name = override.lstrip("+").partition("=")
        for folder in config_dirs if key.partition("/")[0] in GLOBAL_GROUPS else ():
            path = folder / key / f"{name}.yaml"
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
            first = next((line for line in lines if line.strip()), None)
            if first is not None and "".join(first.split()) != "".join(GLOBAL_HEADER.split()):
                raise ConfigError(
                    f"{path} begins with {first!r}: expected {GLOBAL_HEADER!r}, so that its keys stand at the top. "
                    "Put that line first."
                )


def _refuse_added_keys(node: Any, prefix: str = "") -> None:
    """Raises for a key that `+key=value` put into a dataclass without that field (Hydra lets it through)."""
    if isinstance(node, ListConfig):
        for index in range(len(node)):
            _refuse_added_keys(node._get_node(index), f"{prefix}{index}.")
        return
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing() or node._is_interpolation():
        return
    node_type = OmegaConf.get_type(node)
    names: set[str] | None = None
    if dataclasses.is_dataclass(node_type):
        names = {field.name for field in dataclasses.fields(node_type)}
    for key in node:
        if names is not None and key not in names:
            raise unknown_key(f"{prefix}{key}", RootConfig, groups=config_groups())
        _refuse_added_keys(node._get_node(key), f"{prefix}{key}.")
