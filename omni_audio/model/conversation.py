"""An endless conversation in one slot: it hears, answers and hears on, in constant memory."""

from collections.abc import Iterator

from torch import Tensor

from omni_audio.checks import require
from omni_audio.model.assistant import Assistant, Role, Turn
from omni_audio.model.generate import Generator
from omni_audio.model.piece_decoder import Piece, PieceDecoder
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, SequenceBuilder
from omni_audio.model.spoken_turn import SpokenTurn
from omni_audio.model.tool_text import tools_text


class Conversation:
    """Turns without end. The network sees the last `model.window` positions and the pinned start.

    Args:
        assistant: the build in memory.
        instructions: system text, pinned together with the tools as far as `model.layout.pinned_positions` reaches.
        tools: names that the network may call, where a request allows it.
        generator: to share the steps with other streams; None makes one of a single slot.
        slot: a free slot of the generator.

    Raises:
        ValueError: the slot is not free.
    """

    def __init__(
        self,
        assistant: Assistant,
        instructions: str | None = None,
        tools: list[str] | None = None,
        generator: Generator | None = None,
        slot: int = 0,
    ) -> None:
        self.assistant, self.slot = assistant, slot
        self.generator = Generator(assistant.model) if generator is None else generator
        self.spoken: SpokenTurn | None = None
        """The user's turn that is being heard."""
        builder = assistant.builder()
        if tools:
            builder.system(tools_text(tools))
        if instructions is not None:
            builder.system(instructions)
        self.generator.listen(slot, builder.build())

    def hear(self, pcm_S: Tensor) -> None:
        """Takes further samples (S,), 16 kHz, of the user's turn; any chunking gives the same.

        Raises:
            ValueError: the samples are not usable, or an answer is on its way (interrupt() ends it).
        """
        if self.spoken is None:
            self._require_silence()
            self.spoken = SpokenTurn(self.assistant.tokenizer, self.assistant.builder)
        positions = self.spoken.push(pcm_S)
        if positions is not None:
            self.generator.listen(self.slot, positions)

    def add(self, turn: Turn) -> None:
        """Takes a whole turn of the user or a tool; a spoken turn that is being heard ends before it.

        Raises:
            ValueError: the turn has no content or is another's, or an answer is on its way.
        """
        remedy = "Give instructions when the conversation begins; answers are in it already."
        require(turn.role in (Role.USER, Role.TOOL), "turn.role", turn.role.value, "user or tool", remedy)
        self._require_silence()
        builder = self.assistant.builder()
        self.assistant.append(builder, turn, Mode.REPLY_TEXT)
        self._end_spoken_turn()
        self._feed(builder)

    def ask(self, request: GenerationRequest) -> PieceDecoder:
        """Ends the user's turn and begins an answer, whose events the steps of the generator bring.

        Returns:
            What turns the events of this slot into pieces.

        Raises:
            ValueError: an answer is on its way already, or the request does not fit.
        """
        self._require_silence()
        self._end_spoken_turn()
        self._feed(self.assistant.builder().assistant(request.mode))
        self.generator.answer(self.slot, request)
        return self.assistant.piece_decoder(request)

    def answer(self, request: GenerationRequest) -> Iterator[Piece]:
        """The answer, piece by piece; for a generator of its own, since events of other slots are dropped.

        Raises:
            ValueError: as of ask(); or the answer failed, which ends the conversation.
        """
        decoder = self.ask(request)
        while self.slot in self.generator.streams:
            for event in self.generator.step():
                if event.slot == self.slot:
                    yield decoder.push(event)

    def interrupt(self) -> None:
        """Ends the answer where it stands, as when the user breaks in; harmless where there is none."""
        self.generator.interrupt(self.slot)

    def close(self) -> None:
        """Frees the slot."""
        self.generator.close(self.slot)

    def _require_silence(self) -> None:
        remedy = "Step until it has finished, or interrupt it."
        answering = self.slot in self.generator.streams
        require(not answering, "slot", self.slot, "a conversation whose answer is over", remedy)

    def _end_spoken_turn(self) -> None:
        if self.spoken is not None:
            spoken, self.spoken = self.spoken, None
            self.generator.listen(self.slot, spoken.end())

    def _feed(self, builder: SequenceBuilder) -> None:
        """Reads what a new builder holds behind its <bos>."""
        self.generator.listen(self.slot, builder.build().part(1))
