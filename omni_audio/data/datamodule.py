"""What the model trains on: the corpus, its distortions, and the mixture of tasks."""

from dataclasses import dataclass, field
from typing import Any

from omni_audio.audio.augment import AugmentConfig
from omni_audio.checks import require, require_range
from omni_audio.data.column_augment import ColumnAugmentConfig
from omni_audio.data.corpora.synth import CorpusConfig, CorpusDomain
from omni_audio.data.speech_cuts import SpeechCutsConfig
from omni_audio.plain import to_plain


@dataclass(kw_only=True, slots=True)
class TaskMixConfig:
    """Weights of the tasks drawn for a cut, and chances inside a task.

    Attributes:
        transcribe, say, reply_text, reply_audio: weights, any scale.
        tools_offered: chance that a reply names offered tools.
        all_tools_offered: chance that as many are named as may be; else their number is drawn.
        own_tool_offered: chance that the right tool is among them.
        text_request: chance that a reply's request is typed, not spoken.
        own_voice: chance that what is to be said is a request or drill in the voice of the answers, not an answer.
        max_tools: most tools named.
        parallel_calls: several calls of a turn are one answer, and their results follow it; else each call is an answer
            of its own, with its result behind it.
        typed_talks: further talks of the domain assistant for each cut, typed and answered in text; they need no sound.
        num_typed_talks: how many there are to draw from.
    """

    transcribe: float = 0.3
    say: float = 0.2
    reply_text: float = 0.2
    reply_audio: float = 0.3
    tools_offered: float = 0.6
    all_tools_offered: float = 0.5
    own_tool_offered: float = 0.95
    text_request: float = 0.2
    own_voice: float = 0.75
    max_tools: int = 6
    parallel_calls: bool = False
    typed_talks: float = 0.0
    num_typed_talks: int = 200_000

    def facts(self) -> dict[str, Any]:
        """What a fingerprint tells of it; without `parallel_calls`, what it told before there were any."""
        facts = to_plain(self)
        return facts if self.parallel_calls else {key: facts[key] for key in facts if key != "parallel_calls"}

    def __post_init__(self) -> None:
        weights = [self.transcribe, self.say, self.reply_text, self.reply_audio]
        require(
            min(weights) >= 0 and sum(weights) > 0,
            "data.tasks",
            weights,
            "weights of 0 or more, one of them above 0",
            "Give at least one task a weight.",
        )
        for name in ("tools_offered", "all_tools_offered", "own_tool_offered", "text_request", "own_voice"):
            require_range(f"data.tasks.{name}", getattr(self, name), 0.0, 1.0)
        require_range("data.tasks.max_tools", self.max_tools, 1, 128)
        require_range("data.tasks.typed_talks", self.typed_talks, 0.0, 16.0)
        require_range("data.tasks.num_typed_talks", self.num_typed_talks, 1, 1_000_000)


@dataclass(kw_only=True, slots=True)
class DataConfig:
    """What is heard.

    Attributes:
        corpus: The run's spoken requests and answers.
        augment: How they are distorted.
        augmented_copies: How many distorted copies of each request are encoded.
        tasks: What the network is asked to do with them.
        speech_cuts: What the tokenizer's sound is trained on, the run's corpus and more.
        columns: How log-mel columns are distorted where the semantic level learns from them.
        semantic_cuts: lhotse manifests of further speech with words, for the training of the semantic level alone.
    """

    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    augmented_copies: int = 2
    tasks: TaskMixConfig = field(default_factory=TaskMixConfig)
    speech_cuts: SpeechCutsConfig = field(default_factory=SpeechCutsConfig)
    columns: ColumnAugmentConfig = field(default_factory=ColumnAugmentConfig)
    semantic_cuts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        require_range("data.augmented_copies", self.augmented_copies, 0, 100)
        require(
            not self.tasks.parallel_calls or self.corpus.domain is CorpusDomain.assistant,
            "data.tasks.parallel_calls",
            True,
            "false where data.corpus.domain is not assistant: other domains have one call at most",
            "Set it to false, or data.corpus.domain=assistant.",
        )
        require(
            self.tasks.typed_talks == 0 or self.corpus.domain is CorpusDomain.assistant,
            "data.tasks.typed_talks",
            self.tasks.typed_talks,
            "0 where data.corpus.domain is not assistant: other domains have no such texts",
            "Set it to 0, or data.corpus.domain=assistant.",
        )
