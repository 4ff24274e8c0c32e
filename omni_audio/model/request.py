"""What is asked of one answer: mode, limits and how its ids are drawn."""

from dataclasses import dataclass, field

from omni_audio.audio.time_stretch import require_speed
from omni_audio.checks import require, require_range
from omni_audio.model.logprobs import MAX_TOP_LOGPROBS
from omni_audio.model.sampling import Sampler
from omni_audio.model.sequence import Mode
from omni_audio.model.text_form import TextForm

MAX_CALLS = 128
_AUDIO_DRAWS = 0x9E3779B97F4A7C15
"""Turns the seed of the words into that of the sound."""
"""Of an answer that may hold several: as many as a server may be offered tools."""


@dataclass(kw_only=True, slots=True)
class GenerationRequest:
    """What to generate after a prompt that ends with the mode token.

    Attributes:
        mode: decides which ids may follow which.
        tools: whether a tool call may open the answer.
        tool_required: whether it must.
        max_calls: how many tool calls the answer may hold, one behind the other.
        temperature, top_k, top_p, min_p: of text ids, see Sampler; temperature 0 is greedy. Ids of a tool call are
            always greedy and never penalised: it is data, not style.
        repetition_penalty, frequency_penalty, presence_penalty: of text ids that this answer holds already.
        bias: added to the logits of these text ids.
        audio_temperature, audio_top_k, audio_top_p, audio_min_p: the same of semantic and acoustic codes, and of where
            a given word ends.
        audio_repetition_penalty: of codes that this answer holds already, each codebook for itself.
        speed: of the sound, 0.25..4, at the same pitch; 2 is half as long, 1 leaves every sample as it is. It changes
            no draw: the codes, and with them `max_frames`, are those of speed 1.
        seed: of this stream's draws.
        max_text_tokens, max_frames: limits; reaching one ends with reason "length".
        num_logprobs: how many of the most probable ids come with each text id, 0 to 20, and its own probability with
            them (id_logprobs); None leaves probabilities out.
        text_form: what form the text of Mode.REPLY_TEXT must have; None leaves it free.
        call_form: what form a tool call must have; None leaves it to the network, whose JSON may then be broken.
        script: text ids of the words that Mode.SAY speaks (TextTokenizer.spell_words): they stand in the answer as they
            are, only the sound is generated.
    """

    mode: Mode
    tools: bool = False
    tool_required: bool = False
    max_calls: int = 1
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    bias: dict[int, float] = field(default_factory=dict)
    audio_temperature: float = 0.6
    audio_top_k: int | None = None
    audio_top_p: float = 0.95
    audio_min_p: float = 0.0
    audio_repetition_penalty: float = 1.0
    speed: float = 1.0
    seed: int = 0
    max_text_tokens: int = 256
    max_frames: int = 375
    num_logprobs: int | None = None
    text_form: TextForm | None = None
    call_form: TextForm | None = None
    script: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        modes = ", ".join(mode.name for mode in Mode)
        require(isinstance(self.mode, Mode), "mode", self.mode, f"a Mode: {modes}", "Name one of these.")
        self.text_sampler()
        self.audio_sampler()
        require_speed(self.speed)
        require(self.max_text_tokens >= 1, "max_text_tokens", self.max_text_tokens, "at least 1", "Raise it.")
        require(self.max_frames >= 1, "max_frames", self.max_frames, "at least 1", "Raise it.")
        require_range("max_calls", self.max_calls, 1, MAX_CALLS)
        if self.num_logprobs is not None:
            require_range("num_logprobs", self.num_logprobs, 0, MAX_TOP_LOGPROBS)
        require(
            self.tools or not self.tool_required,
            "tool_required",
            True,
            "False when no tools are offered",
            "Offer tools.",
        )
        require(
            self.text_form is None or self.mode is Mode.REPLY_TEXT,
            "text_form",
            self.text_form,
            "None but with Mode.REPLY_TEXT",
            "Ask for a reply in text, or leave the form out.",
        )
        are_words = all(isinstance(word, list) and len(word) > 0 for word in self.script)
        remedy = "Spell it with TextTokenizer.spell_words."
        require(are_words, "script", self.script, "a list of words, each a list of ids", remedy)
        require(
            (self.mode is Mode.SAY) == bool(self.script),
            "script",
            self.script,
            "words with Mode.SAY, and none with the other modes",
            "Spell the text to be spoken.",
        )

    def text_sampler(self) -> Sampler:
        """Draws of text ids, from the seed on."""
        return Sampler(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            bias=self.bias,
            seed=self.seed,
        )

    def audio_sampler(self) -> Sampler:
        """Draws of semantic and acoustic codes, from a seed of their own: no number serves a word and a sound."""
        return Sampler(
            temperature=self.audio_temperature,
            top_k=self.audio_top_k,
            top_p=self.audio_top_p,
            min_p=self.audio_min_p,
            repetition_penalty=self.audio_repetition_penalty,
            seed=(self.seed ^ _AUDIO_DRAWS) % 2**64,
            prefix="audio_",
        )
