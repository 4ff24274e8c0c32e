"""Results that are there already: the same build, items, config and code are not measured again."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

import omni_audio
from omni_audio.data.corpora.manifests import CorpusPaths
from omni_audio.evaluation.record import RECORDED_PACKAGES
from omni_audio.evaluation.results import FORMAT_VERSION, Results
from omni_audio.plain import to_plain
from omni_audio.record import config_hash, device_description, package_versions
from omni_audio.weight_quant.config import NF4Config

if TYPE_CHECKING:
    import torch

    from omni_audio.evaluation.harness import EvalConfig

PLACES = ("build", "corpus", "output", "human_folder", "judge_folder")


def fingerprint(config: "EvalConfig", device: "torch.device | str", nf4: NF4Config | None = None) -> str:
    """16 hex digits of all that the figures depend on.

    Of the config the values that are no folders; of the folders what they hold (of the corpus its manifests: the
    sound files are not read); the package's code, the versions of the packages it rests on, and the machine.
    """
    corpus = CorpusPaths.in_folder(Path(config.corpus))
    plain: dict[str, Any] = to_plain(config)
    return config_hash(
        {
            "format_version": FORMAT_VERSION,
            "config": {name: value for name, value in plain.items() if name not in PLACES},
            "nf4": None if nf4 is None else to_plain(nf4),
            "build": [Path(config.build).name, _digest(_files(config.build))],
            "corpus": _digest([corpus.cuts("train"), corpus.cuts(config.split)]),
            "human": _digest(_files(config.human_folder)),
            "judge": _digest(_files(config.judge_folder)),
            "code": _digest(Path(omni_audio.__file__).parent.rglob("*.py")),
            "packages": package_versions(RECORDED_PACKAGES),
            "device": [str(device), device_description()],
        }
    )


def stored_results(path: Path, expected: str) -> Results | None:
    """The results in this file, or None where it is missing or of another fingerprint."""
    if not path.is_file():
        return None
    record = orjson.loads(path.read_bytes()).get("record", {})
    return Results.read(path) if record.get("fingerprint") == expected else None


def _files(folder: str | None) -> Iterable[Path]:
    return [] if folder is None else (path for path in Path(folder).rglob("*") if path.is_file())


def _digest(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents; a file that is missing counts by its name."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{path.name} {len(content)} ".encode() + content)
    return digest.hexdigest()
