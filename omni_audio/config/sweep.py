"""Expands the overrides of `omni-audio train -m …` into one list of overrides for each job."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from omni_audio.config.errors import CONFIG_ERRORS, ConfigError, explain
from omni_audio.config.load import load_config, opened_hydra
from omni_audio.config.schema import RootConfig
from omni_audio.config.tree import config_groups

MAX_SLUG_CHARS = 80


def expand_sweep(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> list[list[str]]:
    """Returns the overrides of each job: the product of every swept value.

    Args:
        overrides: Hydra overrides; a swept one is `seed=0,1,2`, `choice(a,b)`, `range(1,4)` or, for a group, `glob(*)`.
        config_dirs: Folders of the user's own groups, so that glob(*) sees their options.

    Raises:
        ConfigError: an override does not parse, or a glob matches nothing, so there is no job.
    """
    try:
        with opened_hydra(config_dirs) as loader:
            parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))
            (jobs,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
            empty = [
                override.input_line
                for override in parsed
                if override.is_sweep_override() and not list(override.sweep_string_iterator())
            ]
    except CONFIG_ERRORS as error:
        raise explain(error, RootConfig, config_groups()) from error
    if not jobs:
        raise ConfigError(f"the sweep has no job: {', '.join(map(str, empty))} matches no option")
    return jobs


def run_overrides(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> list[list[str]]:
    """Expands a sweep and gives every job its own run folder, `RUN_DIR/sweep/SWEPT-VALUES`.

    Every job is composed before the first starts, so that a typo in the last one shows at once.

    Raises:
        ConfigError: as `expand_sweep` and `load_config`.
    """
    jobs = expand_sweep(overrides, config_dirs)
    run_dirs = [load_config(job, config_dirs=config_dirs).run_dir for job in jobs]
    if len(set(run_dirs)) == len(jobs):
        return jobs
    positions = [index for index in range(len(jobs[0])) if len({job[index] for job in jobs}) > 1]
    slugs = [job_slug(job, positions) for job in jobs]
    return [
        [*job, f'run_dir="{run_dir}/sweep/{slug}"']
        for job, run_dir, slug in zip(jobs, run_dirs, slugs, strict=True)
    ]


def job_slug(job: Sequence[str], positions: Sequence[int]) -> str:
    """Returns a folder name made of a job's swept overrides, as `window-short_seed-1`; no two jobs share one."""
    swept = [job[index] for index in positions]
    parts = []
    for override in swept:
        key, _, value = override.partition("=")
        parts.append(f"{re.split(r'[/.]', key.lstrip('+~'))[-1]}-{value}")
    text = "_".join(parts)
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", text)
    if slug == text and len(slug) <= MAX_SLUG_CHARS:
        return slug
    digest = hashlib.sha256("\0".join(swept).encode()).hexdigest()[:8]
    return f"{slug[:MAX_SLUG_CHARS]}-{digest}"
