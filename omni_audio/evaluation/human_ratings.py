"""The files of a listening test read back: its key, and the answers of its raters. What is odd is an error."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omni_audio.checks import require, require_file
from omni_audio.evaluation.listening_format import FORMAT_VERSION, KEY_FORMAT, RESULTS_FORMAT, Role

RATINGS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyClip:
    """What the key says of a clip: its role, who made it, its words, the ratings accepted (none: any is)."""

    role: Role
    system: str
    text: str
    accepted: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """Which system made which clip, and the quietest tone (1 to 3) of each trial of the headphones."""

    test_id: str
    systems: tuple[str, ...]
    clips: dict[str, KeyClip]
    headphones: dict[str, int]

    def of_role(self, role: Role) -> dict[str, KeyClip]:
        """The clips with this role, by id."""
        return {name: clip for name, clip in self.clips.items() if clip.role is role}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rater:
    """What one rater answered: clip id -> 1 to 5, trial id -> 1 to 3; what was not answered is missing."""

    name: str
    path: Path
    ratings: dict[str, int]
    headphones: dict[str, int]


def read_key(path: Path) -> Key:
    """Reads key.json.

    Raises:
        ValueError: it is missing, or no key of this version.
    """
    content = _read(path, "key", KEY_FORMAT, "the key.json beside the folder that the raters got")
    try:
        clips = {
            name: KeyClip(
                role=Role(clip["role"]),
                system=clip["system"],
                text=clip["text"],
                accepted=tuple(clip["accepted"]),
            )
            for name, clip in content["clips"].items()
        }
        key = Key(
            test_id=content["test_id"],
            systems=tuple(content["systems"]),
            clips=clips,
            headphones={name: int(tone) for name, tone in content["headphones"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is a damaged key: {error!r}. Take the file as it was written.") from error
    rated = {clip.system for clip in key.of_role(Role.rated).values()}
    require(
        rated == set(key.systems), f"{path}: systems", sorted(rated), f"{key.systems}", "Take the whole key."
    )
    return key


def result_files(paths: Sequence[Path]) -> list[Path]:
    """Files as given, and every .json of a folder.

    Raises:
        ValueError: a path does not exist, a folder holds no .json, or a file is there twice.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        require(bool(inside), str(path), "no .json in it", "files that raters saved", "Put them there.")
        found += inside
    for path in found:
        require_file("results", path)
    require(
        len({path.resolve() for path in found}) == len(found),
        "results",
        [*map(str, found)],
        "each file once",
        "",
    )
    return found


def read_rater(path: Path, key: Key) -> Rater:
    """Reads what a rater saved.

    Raises:
        ValueError: no such file, not JSON, not of this test, unknown clips, a clip answered twice, or an answer that is
            not on the scale. The message names the file.
    """
    content = _read(path, "results", RESULTS_FORMAT, "a file that the page of the test saved")
    test_id = content.get("test_id")
    remedy = "Give the key of that test, or leave the file out."
    require(test_id == key.test_id, f"{path}: test_id", test_id, f"{key.test_id!r}, that of the key", remedy)
    name = content.get("rater")
    require(isinstance(name, str) and bool(name), f"{path}: rater", name, "a name", "Leave the file out.")
    assert isinstance(name, str)
    rated = {
        clip: entry for clip, entry in key.clips.items() if entry.role in (Role.rated, Role.gold, Role.trap)
    }
    return Rater(
        name=name,
        path=path,
        ratings=_answers(path, "ratings", content, set(rated), RATINGS),
        headphones=_answers(path, "headphones", content, set(key.headphones), (1, 2, 3)),
    )


def read_raters(paths: Sequence[Path], key: Key) -> list[Rater]:
    """Reads all files.

    Raises:
        ValueError: see read_rater and result_files; also two files of one rater.
    """
    raters = [read_rater(path, key) for path in result_files(paths)]
    by_name: dict[str, Rater] = {}
    for rater in raters:
        other = by_name.setdefault(rater.name, rater)
        remedy = "Keep the first that was saved; a person who takes the test again is no new rater."
        require(
            other is rater, "rater", rater.name, f"one file; {other.path} and {rater.path} have it", remedy
        )
    return raters


def _answers(
    path: Path, name: str, content: dict[str, Any], known: set[str], allowed: Sequence[int]
) -> dict[str, int]:
    lines = content.get(name)
    require(isinstance(lines, list), f"{path}: {name}", type(lines).__name__, "a list", "Leave the file out.")
    assert isinstance(lines, list)
    found: dict[str, int] = {}
    for line in lines:
        whole = isinstance(line, dict) and {"clip", "answer"} <= line.keys()
        require(whole, f"{path}: {name}", line, "objects with clip and answer", "Leave the file out.")
        clip, answer = line["clip"], line["answer"]
        is_known = isinstance(clip, str) and clip in known
        require(is_known, f"{path}: {name}: clip", clip, "a clip of the test", "Give the right key.")
        require(clip not in found, f"{path}: {name}: clip", clip, "each clip once", "Leave the file out.")
        on_scale = type(answer) is int and answer in allowed
        scale = f"a whole number {allowed[0]} to {allowed[-1]}"
        require(on_scale, f"{path}: {name}: answer to {clip}", answer, scale, "Leave the file out.")
        found[clip] = answer
    return found


def _read(path: Path, name: str, form: str, allowed: str) -> dict[str, Any]:
    require_file(name, path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}. Expected {allowed}. Leave the file out.") from error
    found = content.get("format") if isinstance(content, dict) else type(content).__name__
    require(found == form, f"{path}: format", found, f"{form!r}: {allowed}", "Name the right file.")
    version = content.get("version")
    require(
        version == FORMAT_VERSION,
        f"{path}: version",
        version,
        str(FORMAT_VERSION),
        "Use the version that made it.",
    )
    return content
