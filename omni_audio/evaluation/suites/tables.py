"""Rows of a test set: .jsonl with paths of sounds, or .parquet with the sounds inside, as dataset hubs ship them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from omni_audio.audio.io import decode_audio, load_audio
from omni_audio.checks import import_optional, require, require_file
from omni_audio.evaluation.suites.base import SuiteSheet, require_part

SOUND_NAMES = ("audio", "file", "file_name")


def read_jsonl(path: Path, needed: Sequence[str]) -> list[dict[str, Any]]:
    """The objects of a file, one a line.

    Raises:
        ValueError: a line is no JSON object, or lacks a key; the message names file and line.
    """
    found: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{path}, line {number} is not JSON: {error}. Download the file again."
            ) from error
        missing = [name for name in needed if not isinstance(row, dict) or name not in row]
        require(
            not missing, f"{path}, line {number}: keys", missing, "to be there", "Download the file again."
        )
        found.append(row)
    require(bool(found), str(path), "no lines", "at least one", "Download the file again.")
    return found


def read_rows(sheet: SuiteSheet, folder: Path, needed: Sequence[str]) -> list[dict[str, Any]]:
    """All rows of the .jsonl files of a folder, or else of its .parquet files, in the order of their names.

    Raises:
        ValueError: there are neither, both, a column is missing, or pyarrow is not installed and needed.
    """
    require_part(sheet, folder)
    lists, tables = sorted(folder.glob("*.jsonl")), sorted(folder.glob("*.parquet"))
    ok = bool(lists) != bool(tables)
    require(
        ok, str(folder), [path.name for path in lists + tables], ".jsonl or .parquet files", sheet.remedy()
    )
    if lists:
        return [row for path in lists for row in read_jsonl(path, needed)]
    parquet = import_optional("pyarrow.parquet", f"{folder}/*.parquet", "suites")
    found: list[dict[str, Any]] = []
    for path in tables:
        rows = parquet.read_table(path).to_pylist()
        missing = [name for name in needed if rows and name not in rows[0]]
        require(not missing, f"{path}: columns", missing, "to be there", sheet.remedy())
        found += rows
    require(bool(found), str(folder), "no rows", "at least one", sheet.remedy())
    return found


def sound_of(row: dict[str, Any], folder: Path) -> Tensor:
    """The sound of a row, (S,) 16 kHz: bytes in the table, or a path from the folder of the list.

    Raises:
        ValueError: the row has no sound, or it cannot be read.
    """
    name = next((name for name in SOUND_NAMES if row.get(name) is not None), None)
    remedy = "Download the file again."
    require(name is not None, "row", sorted(row), f"one of {', '.join(SOUND_NAMES)}", remedy)
    assert name is not None
    sound = row[name]
    if isinstance(sound, dict) and sound.get("bytes") is not None:
        return decode_audio(sound["bytes"])
    path = folder / (sound["path"] if isinstance(sound, dict) else sound)
    require_file("sound", path)
    return load_audio(path)


def recorded_request(sounds: Path, item_id: str) -> Tensor:
    """The recording of a request from `suite_sounds`: the item's id with .flac or .wav.

    Raises:
        ValueError: it is not there.
    """
    for suffix in (".flac", ".wav"):
        path = sounds / f"{item_id}{suffix}"
        if path.is_file():
            return load_audio(path)
    allowed = f"{item_id}.flac or {item_id}.wav in it"
    remedy = "Record or synthesise every request, or leave suite_sounds out to type them."
    require(False, "suite_sounds", str(sounds), allowed, remedy)
    raise AssertionError
