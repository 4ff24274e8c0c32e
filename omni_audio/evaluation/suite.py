"""What `omni-audio eval` measures a build on."""

from enum import Enum


class Suite(Enum):
    """`corpus`: the run's own held-out items; `reference`: the assistant domain beside the reference system.

    `listening`: a test for people; the others are public.
    """

    corpus = "corpus"
    reference = "reference"
    listening = "listening"
    librispeech = "librispeech"
    common_voice = "common_voice"
    seed_tts = "seed_tts"
    voicebench = "voicebench"
    big_bench_audio = "big_bench_audio"
    bfcl = "bfcl"
    ifeval = "ifeval"
    codec = "codec"
