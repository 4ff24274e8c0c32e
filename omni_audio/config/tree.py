"""The folder of configuration files and what it offers; imports nothing heavy, so that --help can list it."""

from pathlib import Path

import omni_audio


def configs_dir() -> Path:
    """Returns the packaged configuration tree: inside an installed package, beside it in a checkout.

    Raises:
        FileNotFoundError: neither is there.
    """
    package = Path(omni_audio.__file__).parent
    for candidate in (package / "configs", package.parent / "configs"):
        if (candidate / "config.yaml").is_file():
            return candidate
    raise FileNotFoundError(f"no configs/config.yaml in or beside {package}: reinstall omni-audio")


def config_groups() -> dict[str, list[str]]:
    """Returns the options of every config group of the packaged tree, `ablation/window` among the groups."""
    root = configs_dir()
    groups: dict[str, list[str]] = {}
    for file in sorted(root.rglob("*.yaml")):
        if file.parent != root:
            groups.setdefault(file.parent.relative_to(root).as_posix(), []).append(file.stem)
    return groups
