"""The files of a listening test: the folder that raters get, and the key that they do not.

    page/index.html, page/sounds/ID.wav     everything that a rater needs; opened from the disk or from any web server
    key.json                                which system made which clip, and the answers of the checks

The page holds ids that tell nothing and names no system. It asks no host for anything and sends nothing.
"""

import base64
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from omni_audio.audio.io import save_wav
from omni_audio.checks import require
from omni_audio.evaluation.listening_format import FORMAT_VERSION, KEY_FORMAT, RESULTS_FORMAT, Role
from omni_audio.evaluation.listening_sounds import at_level, headphone_trial, save_stereo
from omni_audio.files import written_whole
from omni_audio.plain import to_plain

PARTS: Final = Path(__file__).parent / "listening_page"
SCRIPTS: Final = ("order.js", "player.js", "steps.js", "main.js")
PAGE_FOLDER, SOUNDS_FOLDER, KEY_NAME = "page", "sounds", "key.json"
ID_DIGITS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """A sound of the test.

    Attributes:
        role: what it is for.
        system: who made it.
        text: the words that are said; clips of different systems that say the same share it.
        pcm_S: 16 kHz samples at any level; none of them where a build stayed silent.
        accepted: the ratings that an attentive rater may give; empty where any is right.
    """

    role: Role
    system: str
    text: str
    pcm_S: Tensor
    accepted: tuple[int, ...] = ()


@dataclass(kw_only=True, slots=True)
class ListeningTest:
    """All that a test consists of.

    Attributes:
        clips: the rated ones, those that check the rater, the training ones in their order, one for the volume.
        systems: facts about each system that is rated, by name.
        headphone_trials: of each the quietest tone and the one in opposite phase, 0 to 2.
        record: how the test was made; goes into the key.
    """

    clips: Sequence[Clip]
    systems: dict[str, dict[str, Any]]
    headphone_trials: Sequence[tuple[int, int]]
    record: dict[str, Any] = field(default_factory=dict)


def write_test(test: ListeningTest, output: Path, seed: int) -> Path:
    """Writes page, sounds and key.

    Args:
        test: what to write.
        output: a folder, made if needed, that holds no test yet.
        seed: of the ids.

    Returns:
        The key, which is written last.

    Raises:
        ValueError: the folder holds a test already, whose ratings could not be read any more.
    """
    key_path = output / KEY_NAME
    remedy = f"Name another folder with listening.output, or delete {output}."
    require(not key_path.exists(), "listening.output", str(output), "a folder without a test", remedy)
    sounds = output / PAGE_FOLDER / SOUNDS_FOLDER
    sounds.mkdir(parents=True, exist_ok=True)
    ids = _ids(len(test.clips) + len(test.headphone_trials), seed)
    of_clip = dict(zip(ids, test.clips, strict=False))
    of_trial = dict(zip(ids[len(test.clips) :], test.headphone_trials, strict=True))
    digest = hashlib.sha256()
    for name, clip in of_clip.items():
        path = sounds / f"{name}.wav"
        save_wav(path, clip.pcm_S if clip.role is Role.trap else at_level(clip.pcm_S))
        digest.update(name.encode() + path.read_bytes())
    for name, (quietest, opposed) in of_trial.items():
        save_stereo(sounds / f"{name}.wav", headphone_trial(quietest, opposed))
    test_id = digest.hexdigest()[:12]

    def of_role(*roles: Role) -> list[str]:
        return [name for name, clip in of_clip.items() if clip.role in roles]

    content = {
        "format": RESULTS_FORMAT,
        "version": FORMAT_VERSION,
        "test_id": test_id,
        "volume": of_role(Role.volume)[0],
        "headphones": list(of_trial),
        "training": of_role(Role.training),
        "clips": sorted(of_role(Role.rated, Role.gold, Role.trap)),
    }
    (output / PAGE_FOLDER / "index.html").write_text(page_html(content), encoding="utf-8")
    key = {
        "format": KEY_FORMAT,
        "version": FORMAT_VERSION,
        "test_id": test_id,
        "systems": test.systems,
        "clips": {name: _key_line(clip) for name, clip in of_clip.items()},
        "headphones": {name: quietest + 1 for name, (quietest, _) in of_trial.items()},
        "record": test.record,
    }
    with written_whole(key_path) as temporary:
        temporary.write_text(json.dumps(to_plain(key), indent=1) + "\n", encoding="utf-8")
    return key_path


def page_html(content: dict[str, Any]) -> str:
    """The page in one file; its policy lets this script and this style run, sounds beside it play, and nothing else."""
    script = "\n".join((PARTS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'(function () {{\n"use strict";\n{script}}})();\n'
    style = (PARTS / "page.css").read_text(encoding="utf-8")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "media-src 'self' file:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    page = (PARTS / "page.html").read_text(encoding="utf-8")
    data = json.dumps(content).replace("<", "\\u003c")
    for name, text in (("policy", policy), ("style", style), ("content", data), ("script", script)):
        page = page.replace(f"@{name}@", text)
    return page


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _ids(num: int, seed: int) -> list[str]:
    """Different words of hexadecimal digits in an order that tells nothing."""
    draw = random.Random(f"listening {seed}")
    found: dict[str, None] = {}
    while len(found) < num:
        found[f"{draw.getrandbits(4 * ID_DIGITS):0{ID_DIGITS}x}"] = None
    return list(found)


def _key_line(clip: Clip) -> dict[str, Any]:
    return {
        "role": clip.role.value,
        "system": clip.system,
        "text": clip.text,
        "accepted": list(clip.accepted),
        "silent": clip.pcm_S.numel() == 0,
    }
