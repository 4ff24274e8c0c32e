"""Loads the configuration of a command that uses a build, with the build it means filled in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from omni_audio.cli.builds import build_of_run, names_a_run

if TYPE_CHECKING:
    from omni_audio.config.schema import RootConfig


def load_with_build(overrides: list[str], config_dirs: list[Path]) -> RootConfig:
    """Composes the configuration, finds the build, and composes again with it.

    A build that lies in a run folder brings that folder as `run_dir`, hence the run's corpus and curves.

    Raises:
        ValueError: the configuration does not compose, or there is no such build.
    """
    from omni_audio.config.load import load_config
    from omni_audio.config.schema import NEWEST

    first = load_config(overrides, config_dirs=config_dirs)
    is_run_named = names_a_run(overrides)
    build = build_of_run(None if first.build == NEWEST else first.build, first.run_dir, is_run_named)
    filled = [f"build={_quoted(build)}"]
    if not is_run_named and build.parent.name == "build":
        filled.append(f"run_dir={_quoted(build.parent.parent)}")
    kept = [word for word in overrides if word.partition("=")[0] != "build"]
    return load_config([*kept, *filled], config_dirs=config_dirs)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
