"""What `omni-audio eval` measures a build on."""

from enum import Enum


class Suite(Enum):
    """`corpus`: the run's own held-out items; `listening`: a test for people; the others are public."""

    corpus = "corpus"
    listening = "listening"
