"""What the user sees of log lines: ours, and other packages' warnings."""

import logging
import sys
import warnings

CHATTY = ("lightning", "lightning.pytorch", "lightning.fabric", "httpx", "faster_whisper", "matplotlib")


def set_up_logging(debug: bool) -> None:
    """Sends our lines to stderr; `debug` adds our debug lines and what the libraries tell."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if debug:
        logging.getLogger("omni_audio").setLevel(logging.DEBUG)
    else:
        quiet_libraries()


def quiet_libraries() -> None:
    """Leaves of other packages only warnings; again after importing Lightning, which sets its own level then.

    The three that are silenced ask for nothing: an optional kernel, and two deprecations inside libraries.
    """
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=r"You are using Dynamic\w+Sampler with an eagerly read CutSet")
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
