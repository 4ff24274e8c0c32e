"""What the files of a listening test have in common: names, versions, the roles of clips."""

from enum import Enum
from typing import Final

KEY_FORMAT: Final = "omni-audio-listening-key"
RESULTS_FORMAT: Final = "omni-audio-listening-results"
FORMAT_VERSION: Final = 1


class Role(Enum):
    """What a clip is for; the page tells only training and volume from the rest."""

    rated = "rated"
    gold = "gold"
    trap = "trap"
    training = "training"
    volume = "volume"
