"""What is asked of one answer: mode, limits and how its ids are drawn."""

from dataclasses import dataclass, field

from omni_audio.checks import require
from omni_audio.model.sequence import Mode


@dataclass(kw_only=True, slots=True)
class GenerationRequest:
    """What to generate after a prompt that ends with the mode token.

    Attributes:
        mode: decides which ids may follow which.
        tools: whether a tool call may open the answer.
        tool_required: whether it must.
        temperature, top_p: of text ids; 0 is greedy. Ids of a tool call are always greedy: it is data, not style.
        audio_temperature, audio_top_p: of semantic and acoustic codes.
        seed: of this stream's draws.
        max_text_tokens, max_frames: limits; reaching one ends with reason "length".
        script: text ids that Mode.SAY speaks (TextTokenizer.spell): they stand in the answer as they are, only the
            sound is generated.
    """

    mode: Mode
    tools: bool = False
    tool_required: bool = False
    temperature: float = 0.0
    top_p: float = 1.0
    audio_temperature: float = 0.6
    audio_top_p: float = 0.95
    seed: int = 0
    max_text_tokens: int = 256
    max_frames: int = 375
    script: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        require(self.max_text_tokens >= 1, "max_text_tokens", self.max_text_tokens, "at least 1", "Raise it.")
        require(self.max_frames >= 1, "max_frames", self.max_frames, "at least 1", "Raise it.")
        require(
            self.tools or not self.tool_required,
            "tool_required",
            True,
            "False when no tools are offered",
            "Offer tools.",
        )
        require(
            (self.mode is Mode.SAY) == bool(self.script),
            "script",
            self.script,
            "text ids with Mode.SAY, and none with the other modes",
            "Spell the text to be spoken.",
        )
