"""Debian packages as data: found in a folder, unpacked, downloaded by a stand-in for apt-get."""

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from omni_audio.data.corpora.human_clips import clips_of
from omni_audio.data.corpora.human_packages import obtain_packages
from omni_audio.data.corpora.human_sources import human_source

NAME = "pocketsphinx-testdata"
CLIPS = Path(NAME) / "usr/share/pocketsphinx/test/data/librivox"
CHANGELOG = f"usr/share/doc/{NAME}/changelog.Debian.gz"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with one unpacked package: one clip, its transcript, a changelog."""
    folder = tmp_path / "packages"
    (folder / CLIPS).mkdir(parents=True)
    soundfile.write(str(folder / CLIPS / "austen-0870.wav"), np.zeros(160, np.float32), 16_000)
    (folder / CLIPS / "transcription").write_text("<s> a young man </s> (austen-0870)\n")
    changelog = folder / NAME / CHANGELOG
    changelog.parent.mkdir(parents=True)
    changelog.write_bytes(gzip.compress(b"pocketsphinx (0.8-15) unstable; urgency=medium\n"))
    return folder


def test_unpacked_folder(packages: Path, tmp_path: Path) -> None:
    found = obtain_packages([NAME], tmp_path / "cache", packages)
    assert (found[NAME].root, found[NAME].version, found[NAME].sha256) == (packages / NAME, "0.8-15", None)
    assert [clip.text for clip in clips_of(human_source("librivox-en"), found)] == ["a young man"]


def test_root_of_an_installed_system(packages: Path, tmp_path: Path) -> None:
    found = obtain_packages([NAME], tmp_path / "cache", packages / NAME)
    assert (found[NAME].root, found[NAME].version) == (packages / NAME, "0.8-15")


def test_missing_package(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"packages_folder = .*nowhere' is not allowed"):
        obtain_packages(["festvox-ru"], tmp_path / "cache", tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"festvox-ru_\*\.deb, festvox-ru/usr .*apt-get download festvox-ru"):
        obtain_packages(["festvox-ru"], tmp_path / "cache", tmp_path)


def test_package_without_transcripts_or_sounds(packages: Path, tmp_path: Path) -> None:
    found = obtain_packages([NAME], tmp_path / "cache", packages)
    listing = packages / CLIPS / "transcription"
    said = listing.read_text()
    listing.unlink()
    with pytest.raises(ValueError, match=r"transcripts of librivox-en = .*transcription"):
        clips_of(human_source("librivox-en"), found)
    listing.write_text(said)
    (packages / CLIPS / "austen-0870.wav").unlink()
    with pytest.raises(ValueError, match="a package with sounds"):
        clips_of(human_source("librivox-en"), found)


def make_deb(packages: Path, folder: Path) -> Path:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not here: .deb files cannot be made")
    tree = folder / f"{NAME}.tree"
    shutil.copytree(packages / NAME, tree)
    control = (
        f"Package: {NAME}\nVersion: 1.0-1\nArchitecture: all\nMaintainer: nobody <a@b.c>\nDescription: test\n"
    )
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(control)
    deb = folder / f"{NAME}_1.0-1_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(tree), str(deb)], check=True, capture_output=True)
    shutil.rmtree(tree)
    return deb


def test_deb_files_of_a_folder(packages: Path, tmp_path: Path) -> None:
    debs, cache = tmp_path / "debs", tmp_path / "cache"
    debs.mkdir()
    deb = make_deb(packages, debs)
    found = obtain_packages([NAME], cache, debs)[NAME]
    assert found.sha256 is not None
    assert len(found.sha256) == 64
    assert len(clips_of(human_source("librivox-en"), {found.name: found})) == 1
    assert [path.name for path in debs.iterdir()] == [deb.name]
    shutil.copy(deb, debs / deb.name.replace("1.0", "1.1"))
    with pytest.raises(
        ValueError, match=r"pocketsphinx-testdata_1.1-1_all.deb'\] is not allowed: .*one .deb"
    ):
        obtain_packages([NAME], cache, debs)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "festvox-ru_1_all.deb").write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"festvox-ru_1_all\.deb = .*a whole \.deb"):
        obtain_packages(["festvox-ru"], cache, broken)


def fake_apt_get(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    program = folder / "apt-get"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_download_fetches_package_lists_where_they_are_missing(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deb = make_deb(packages, tmp_path)
    script = f"""
echo "$@" >> {tmp_path}/calls
case "$*" in
  *Lists=*update) touch {tmp_path}/updated ;;
  *Lists=*download*) test -e {tmp_path}/updated && cp {deb} . ;;
  *) echo "E: Unable to locate package" >&2; exit 100 ;;
esac"""
    fake_apt_get(tmp_path / "bin", script, monkeypatch)
    cache = tmp_path / "cache"
    for _ in range(2):
        found = obtain_packages([NAME], cache, None)[NAME]
        assert found.root == cache / deb.stem
        assert (cache / deb.name).is_file()
        assert not list(cache.glob("*partial"))
    assert len((tmp_path / "calls").read_text().splitlines()) == 4  # the second time nothing is fetched


def test_download_that_fails_says_what_apt_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_apt_get(tmp_path / "bin", 'echo "E: Unable to locate package festvox-ru" >&2; exit 100', monkeypatch)
    with pytest.raises(
        ValueError, match=r"apt-get download festvox-ru = \['E: Unable .*--packages-folder.*leave"
    ):
        obtain_packages(["festvox-ru"], tmp_path / "cache", None)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="no apt-get on PATH"):
        obtain_packages(["festvox-ru"], tmp_path / "cache", None)
