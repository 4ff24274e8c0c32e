"""What the reference system states about itself.

These are claims on its own data and machine; they stand beside ours for orientation, never as a like-for-like
comparison.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """A figure that the reference system states: the value in our unit, and what it is said to measure.

    `text_only`: what it states of a system that reads the same as text; None where it states nothing.
    """

    value: float
    definition: str
    text_only: float | None = None


_FIRST_TOKEN = Reference(1200.0, "first token of a reply after 1.2 s")
_COMPLIANCE = Reference(92.0, "compliance with spoken instructions 92 %, text-only 73 %", 73.0)

REFERENCES: dict[str, Reference] = {
    "wer_percent": Reference(5.2, "word error rate 5.2 %, test set not named"),
    "tool_exact_percent": Reference(95.8, "function-argument accuracy 95.8 %, text-only 87 %", 87.0),
    "instruction_percent": _COMPLIANCE,
    "compliance_percent": _COMPLIANCE,
    "first_audio_ms": _FIRST_TOKEN,
    "first_token_p50_ms": _FIRST_TOKEN,
    "compression_ratio": Reference(40.0, "audio compressed 40 to 50 times"),
    "memory_saving_percent": Reference(49.0, "memory 49 % below fp16"),
    "nf4_memory_ratio": Reference(0.507, "7.1 GB instead of 14 GB at 16 bit"),
    "mos": Reference(4.43, "mean opinion score 4.43 of 5, human listeners"),
    "predicted_mos": Reference(4.43, "mean opinion score 4.43 of 5, human listeners, not predicted"),
    "real_time_streams": Reference(70.0, "more than 70 real-time streams on one GPU"),
}
