"""What the reference system states about itself.

These are claims on its own data and machine; they stand beside ours for orientation, never as a like-for-like
comparison.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """A figure that the reference system states: the value in our unit, and what it is said to measure."""

    value: float
    definition: str


REFERENCES: dict[str, Reference] = {
    "wer_percent": Reference(5.2, "word error rate 5.2 %, test set not named"),
    "tool_exact_percent": Reference(95.8, "function-argument accuracy 95.8 %"),
    "instruction_percent": Reference(92.0, "compliance with spoken instructions 92 %"),
    "first_audio_ms": Reference(1200.0, "first token of a reply after 1.2 s"),
    "compression_ratio": Reference(40.0, "audio compressed 40 to 50 times"),
    "memory_saving_percent": Reference(49.0, "memory 49 % below fp16"),
    "mos": Reference(4.43, "mean opinion score 4.43 of 5, human listeners"),
    "real_time_streams": Reference(70.0, "more than 70 real-time streams on one GPU"),
}
