"""A small listening test, and raters of it who answer as told."""

import json

import torch

from omni_audio.evaluation.human_ratings import read_key
from omni_audio.evaluation.listening_files import Clip, ListeningTest, write_test
from omni_audio.evaluation.listening_format import FORMAT_VERSION, RESULTS_FORMAT, Role
from omni_audio.evaluation.listening_sounds import trapping_clip

SYSTEMS = ("source", "resynthesis", "omni-audio-fake-2025-01-01", "degraded")


def short_sound(number, num_samples=1600):
    return 0.2 * torch.sin(torch.arange(num_samples) * (0.1 + 0.01 * number))


def small_test(num_texts=2, systems=SYSTEMS, num_trials=1):
    """Every clip is a tenth of a second of another tone, trapping clips apart."""
    texts = [f"text {number}" for number in range(num_texts)]
    rated = [
        Clip(role=Role.rated, system=system, text=text, pcm_S=short_sound(10 * place + number))
        for place, system in enumerate(systems)
        for number, text in enumerate(texts)
    ]
    checks = [
        Clip(role=Role.gold, system="source", text="g", pcm_S=short_sound(80), accepted=(3, 4, 5)),
        Clip(role=Role.gold, system="source", text="h", pcm_S=short_sound(81), accepted=(1, 2)),
        Clip(
            role=Role.trap, system="source", text="t", pcm_S=trapping_clip(short_sound(82), 2), accepted=(2,)
        ),
        Clip(role=Role.training, system="source", text="p", pcm_S=short_sound(83)),
        Clip(role=Role.volume, system="source", text="v", pcm_S=short_sound(84)),
    ]
    trials = [(number % 3, (number + 1) % 3) for number in range(num_trials)]
    facts = {system: {"kind": "made up"} for system in systems}
    return ListeningTest(clips=rated + checks, systems=facts, headphone_trials=trials)


def made_test(folder, **changes):
    """(path of the key, the key read back)."""
    path = write_test(small_test(**changes), folder, seed=0)
    return path, read_key(path)


def answered(key, name, rate, **changes):
    """What the page would save for a rater: `rate(system, text)` for what is rated, checks passed."""
    ratings = []
    for clip_id, clip in key.clips.items():
        if clip.role is Role.rated:
            ratings.append(
                {"clip": clip_id, "answer": rate(clip.system, clip.text), "plays": 1, "spent_s": 2.0}
            )
        elif clip.role in (Role.gold, Role.trap):
            ratings.append({"clip": clip_id, "answer": clip.accepted[0], "plays": 1, "spent_s": 2.0})
    content = {
        "format": RESULTS_FORMAT,
        "version": FORMAT_VERSION,
        "test_id": key.test_id,
        "rater": name,
        "headphones": [{"clip": trial, "answer": tone} for trial, tone in key.headphones.items()],
        "training": [],
        "ratings": ratings,
    }
    return content | changes


def save(folder, content):
    path = folder / f"{content['rater']}.json"
    path.write_text(json.dumps(content))
    return path
