"""Debian packages as data: fetched by name with apt-get, or taken from a folder; nothing is installed.

No root is needed. Where the system's package lists are missing or old, they are fetched into the cache.
"""

import gzip
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from omni_audio.data.corpora.commands_slots import CorpusError


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An unpacked package.

    Attributes:
        name: its name.
        root: the folder that stands for `/`.
        version: its Debian version, None where its changelog is missing.
        sha256: of the .deb, None where only unpacked files were given.
    """

    name: str
    root: Path
    version: str | None
    sha256: str | None


def obtain_packages(names: Iterable[str], cache: Path, given: Path | None) -> dict[str, Package]:
    """Finds or fetches packages.

    Args:
        names: Debian names.
        cache: where .deb files are downloaded to and unpacked; what lies there already is used.
        given: where to find the packages instead of downloading them: NAME_*.deb files, folders NAME with
            unpacked files, or the root of a system that has them installed. None downloads.

    Returns:
        The packages by name.

    Raises:
        CorpusError: if the folder lacks a package, or it cannot be downloaded or unpacked.
    """
    if given is not None and not given.is_dir():
        raise CorpusError("packages_folder", str(given), "an existing folder", "Check the path.")
    cache = cache.resolve()  # apt-get runs in another folder
    cache.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in tqdm(sorted(set(names)), desc="packages", unit="package"):
        found[name] = _from_cache(name, cache) if given is None else _from_folder(name, cache, given)
    return found


def _from_cache(name: str, cache: Path) -> Package:
    deb = _deb_in(cache, name)
    if deb is None:
        _download(name, cache)
        deb = _deb_in(cache, name)
    if deb is None:
        raise CorpusError(f"apt-get download {name}", "no file", f"{name}_VERSION_ARCH.deb", _BY_HAND)
    return _unpacked(name, deb, cache)


def _from_folder(name: str, cache: Path, given: Path) -> Package:
    if (given / name / "usr").is_dir():
        root = given / name
        return Package(name=name, root=root, version=_version(root, name), sha256=None)
    deb = _deb_in(given, name)
    if deb is not None:
        return _unpacked(name, deb, cache)
    if (given / "usr/share/doc" / name).is_dir():
        return Package(name=name, root=given, version=_version(given, name), sha256=None)
    raise CorpusError(
        f"package {name} in packages_folder",
        str(given),
        f"{name}_*.deb, {name}/usr or usr/share/doc/{name} inside",
        f"Run `apt-get download {name}` there, or leave the source out.",
    )


def _deb_in(folder: Path, name: str) -> Path | None:
    debs = sorted(folder.glob(f"{name}_*.deb"))
    if len(debs) > 1:
        listed = [deb.name for deb in debs]
        raise CorpusError(f"files of package {name}", listed, "one .deb", "Delete the others.")
    return debs[0] if debs else None


_BY_HAND = (
    "Run it on a Debian system with network and name the folder of the .deb files by packages_folder "
    "(--packages-folder), or leave the source out."
)


def _download(name: str, cache: Path) -> None:
    """Fetches a .deb into the cache; it appears whole or not at all."""
    if shutil.which("apt-get") is None:
        raise CorpusError(f"package {name}", "no apt-get on PATH", "Debian's package manager", _BY_HAND)
    partial = cache / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    done = _apt_get(["download", name], partial)
    if done.returncode != 0:  # the system's lists are missing or older than the archive
        own_lists = _own_lists(cache / "apt")
        done = _apt_get([*own_lists, "download", name], partial)
        if done.returncode != 0:
            _apt_get([*own_lists, "update"], partial)
            done = _apt_get([*own_lists, "download", name], partial)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        raise CorpusError(
            f"apt-get download {name}", said or done.stderr[-200:], "a package that apt finds", _BY_HAND
        )
    for deb in partial.glob("*.deb"):
        deb.replace(cache / deb.name)
    partial.rmdir()


def _own_lists(folder: Path) -> list[str]:
    """Options that make apt-get keep its package lists in a folder, which needs no root."""
    lists, archives = folder / "lists", folder / "cache"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    (archives / "archives/partial").mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={archives}"]


def _apt_get(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["apt-get", "-q", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def _unpacked(name: str, deb: Path, cache: Path) -> Package:
    """Unpacks a .deb into the cache once; the folder carries its version and appears whole or not at all."""
    root = cache / deb.stem
    if not root.is_dir():
        if shutil.which("dpkg-deb") is None:
            raise CorpusError(
                f"package {name}",
                "no dpkg-deb on PATH",
                "the tool that unpacks .deb files",
                f"Give an unpacked {name} folder.",
            )
        partial = cache / f"{deb.stem}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        done = subprocess.run(
            ["dpkg-deb", "-x", str(deb.resolve()), str(partial)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise CorpusError(str(deb), done.stderr.strip(), "a whole .deb", "Delete it and fetch it again.")
        partial.replace(root)
    with deb.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Package(name=name, root=root, version=_version(root, name), sha256=sha256)


def _version(root: Path, name: str) -> str | None:
    changelog = root / "usr/share/doc" / name / "changelog.Debian.gz"
    if not changelog.is_file():
        return None
    with gzip.open(changelog, "rt", encoding="utf-8", errors="replace") as file:
        match = re.match(r"\S+ \(([^)]+)\)", file.readline())
    return match[1] if match else None
