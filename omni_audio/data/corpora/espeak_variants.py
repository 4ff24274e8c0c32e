"""Random speakers for eSpeak: voice variants drawn by a seed, beside the ones it ships.

A variant file sets vocal tract, pitch and colour of a speaker. Its lines are described in eSpeak NG's
docs/voices.md; the ranges here enclose those of the shipped variants.
"""

import random

_KLATT_MODELS = (1, 2, 3, 5)
"""eSpeak's other two Klatt models belong to held-out voices."""


def random_variant(rng: random.Random) -> str:
    """The lines of a variant file, all numbers drawn from `rng`."""
    is_female = rng.random() < 0.5
    pitch_hz = rng.randint(120, 210) if is_female else rng.randint(60, 130)
    tract_percent = rng.uniform(100, 122) if is_female else rng.uniform(86, 108)
    lines = [
        "language variant",
        f"gender {'female' if is_female else 'male'}",
        f"pitch {pitch_hz} {round(pitch_hz * rng.uniform(1.2, 1.6))}",
        f"flutter {rng.randint(0, 8)}",
        f"roughness {rng.randint(0, 4)}",
        f"voicing {rng.randint(75, 110)}",
        f"consonants {rng.randint(70, 140)} {rng.randint(70, 140)}",
        f"formant 0 {rng.randint(80, 120)} {rng.randint(75, 120)} {rng.randint(90, 160)}",
    ]
    for formant in range(1, 9):
        place = round(tract_percent * rng.uniform(0.95, 1.05))
        lines.append(f"formant {formant} {place} {rng.randint(50, 120)} {rng.randint(80, 180)}")
    if rng.random() < 0.25:
        lines.append(f"klatt {rng.choice(_KLATT_MODELS)}")
    if rng.random() < 0.3:
        lines.append(
            f"tone 100 255 600 {rng.randint(60, 200)} 1200 {rng.randint(20, 150)} 3000 {rng.randint(10, 100)}"
        )
    if rng.random() < 0.25:
        lines.append("breath " + " ".join(str(rng.randint(0, 8)) for _ in range(8)))
    if rng.random() < 0.15:
        lines.append(f"echo {rng.randint(20, 140)} {rng.randint(5, 15)}")
    return "\n".join(lines) + "\n"
