"""Finding a build: the folder that training writes and every other command reads."""

import json
import sys
from pathlib import Path

from omni_audio.weight_quant.config import PACKED

CONFIG_NAME = "config.json"
"""Written last, so that a folder with it is a complete build."""

MODEL_NAME = "model.safetensors"
"""What a build of the tokenizer alone lacks."""

TOKENIZER_NAME = "tokenizer.safetensors"
CARD_NAME = "card.json"
SEARCHED = ("runs/*/build/*", "runs/*/sweep/*/build/*", "builds/*")


def newest_build(
    root: Path | None = None, patterns: tuple[str, ...] = SEARCHED, needs_model: bool = True
) -> Path | None:
    """Returns the build that was completed last, or None.

    Args:
        root: Where the patterns start; None is the current folder.
        patterns: Globs of build folders.
        needs_model: Whether builds of a tokenizer alone are passed over.
    """
    start = Path() if root is None else root
    found = [
        folder
        for pattern in patterns
        for folder in start.glob(pattern)
        if (folder / CONFIG_NAME).is_file() and (not needs_model or (folder / MODEL_NAME).is_file())
    ]
    return max(
        found, key=lambda folder: ((folder / CONFIG_NAME).stat().st_mtime_ns, str(folder)), default=None
    )


def require_build(build: Path | None, needs_model: bool = True, name: str = "build") -> Path:
    """Returns the named build, or the newest one.

    Args:
        build: Its folder, or the run folder that it lies in; None takes the newest of all.
        needs_model: Whether builds of a tokenizer alone are passed over.
        name: Of the option or key that names it.

    Raises:
        ValueError: the named folder is no build, or there is none to be found.
    """
    if build is None:
        build = newest_build(needs_model=needs_model)
        if build is None:
            kind = "build with a model" if needs_model else "build"
            raise ValueError(
                f"no {kind} in runs/*/build or builds/: make one with `omni-audio train experiment=demo`, "
                "or name its folder"
            )
        print(f"build: {build}{', 4-bit weights' if _is_packed(build) else ''}", file=sys.stderr)
        return build
    if not build.is_dir():
        raise ValueError(f"{name} = {str(build)!r} does not exist: name a folder that holds {CONFIG_NAME}")
    if not (build / CONFIG_NAME).is_file():
        inner = newest_build(build, ("*", "build/*"), needs_model)
        if inner is None:
            raise ValueError(f"{name} = {str(build)!r} is not a build: it holds no {CONFIG_NAME}")
        return inner
    return build


def _is_packed(build: Path) -> bool:
    try:
        return not PACKED.keys().isdisjoint(json.loads((build / CONFIG_NAME).read_text()))
    except ValueError:
        return False  # whoever loads the build names the file that is broken


def build_of_run(build: str | None, run_dir: str, is_run_named: bool) -> Path:
    """Returns the build that eval and serve use: the one named, else the run's newest, else the newest of all.

    Args:
        build: The config's `build`, or None.
        run_dir: The config's run folder.
        is_run_named: Whether the user named an experiment or run; then builds of other runs are not taken.

    Raises:
        ValueError: there is no such build.
    """
    if build is not None:
        return require_build(Path(build))
    own = newest_build(Path(run_dir), ("build/*",))
    if own is not None:
        return own
    if is_run_named:
        raise ValueError(f"no build in {run_dir}/build: run `omni-audio train` with the same overrides first")
    return require_build(None)


def names_a_run(overrides: list[str]) -> bool:
    """Says whether the overrides name an experiment or a run."""
    return any(word.partition("=")[0].lstrip("+") in ("experiment", "name", "run_dir") for word in overrides)
