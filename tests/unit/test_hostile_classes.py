"""Every class of hostile input that the documentation lists has tests that bear its number."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent.parent
NUM_CLASSES = 25


def test_every_class_is_documented_and_tested():
    page = (CHECKOUT / "docs/api-status.md").read_text()
    table = page.partition("## Hostile input")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([0-9, ]+) \|", table, re.MULTILINE)
    documented = [int(number) for row in rows for number in row.split(",")]
    assert documented == list(range(1, NUM_CLASSES + 1))
    named = [*re.findall(r"`(test_\w+\.py)`", table), "test_hostile_sound.py"]
    sources = [(CHECKOUT / "tests/integration" / name).read_text() for name in named]
    names = " ".join(re.findall(r"^def (test_class_\w+)", "\n".join(sources), re.MULTILINE))
    tested = {int(number) for number in re.findall(r"(?<=_)(\d\d)(?=_)", names)}
    assert tested == set(range(1, NUM_CLASSES + 1))
