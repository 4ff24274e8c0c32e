"""What `omni-audio eval` measures a build on."""

from enum import Enum


class Suite(Enum):
    """`corpus`: the run's own held-out items; `reference`: the assistant domain beside the reference system."""

    corpus = "corpus"
    reference = "reference"
