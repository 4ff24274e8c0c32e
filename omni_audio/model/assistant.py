"""A build in memory: hears, speaks, calls tools. What the command line, the scorers and the server call."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from omni_audio.audio.time_stretch import stretch_whole
from omni_audio.checks import require
from omni_audio.model.answers import answer_all
from omni_audio.model.build import PARALLEL_CALLS, TEXT, load_card, load_model, load_tokenizer, packed_config
from omni_audio.model.events import FinishReason
from omni_audio.model.generate import Generator
from omni_audio.model.lora_file import load_lora
from omni_audio.model.packed_build import load_packed_model, require_same_nf4
from omni_audio.model.piece_decoder import Piece, PieceDecoder
from omni_audio.model.request import MAX_CALLS, GenerationRequest
from omni_audio.model.sequence import NO_CODE, LayoutConfig, Mode, SequenceBuilder, TokenSequence
from omni_audio.model.take_limits import DEFAULT_TAKES, check_takes
from omni_audio.model.takes import best_take, requests_for_takes
from omni_audio.model.text import TextTokenizer
from omni_audio.model.text_form import TextForms
from omni_audio.model.tool_text import append_calls, tools_text
from omni_audio.model.transformer import ModelConfig, OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.weight_quant.config import Int4Config, NF4Config


class Role(Enum):
    """Who speaks in a turn."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class WeightQuant(Enum):
    """Number format of the weights in memory: as the build stores them, NF4, or packed integers for CPUs."""

    NONE = "none"
    NF4 = "nf4"
    INT4 = "int4"


@dataclass(kw_only=True, slots=True)
class Turn:
    """One turn of a conversation: text or sound, (S,) 16 kHz; an assistant's turn may be tool calls (JSON)."""

    role: Role
    text: str | None = None
    pcm_S: Tensor | None = None
    tool_calls: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Reply:
    """What came out: text (or transcript), raw JSON of tool calls, sound (S,), times in seconds."""

    text: str = ""
    tool_calls: list[str] = field(default_factory=list)
    pcm_S: Tensor | None = None
    reason: FinishReason = FinishReason.STOP
    num_frames: int = 0
    first_token_s: float | None = None
    first_audio_s: float | None = None
    total_s: float = 0.0


def load_network(
    folder: Path, weight_quant: WeightQuant, nf4: NF4Config | None = None, config: ModelConfig | None = None
) -> OmniModel:
    """The network of a build, in evaluation mode, in the number format that is asked for.

    Args:
        folder: of the build.
        weight_quant: NONE takes the weights as they are stored, NF4 and INT4 pack those of a build of full weights.
        nf4: how NF4 packs them; None takes what an NF4 build was made with, else the defaults.
        config: other settings of training for a network of the same tensors; None takes the build's.

    Raises:
        ValueError: the folder is no whole build, a packed build is asked for in the other format, an NF4 build was made
            with other settings than `nf4`, settings are given for weights that do not become NF4, or INT4 cannot be
            used here.
    """
    stored = packed_config(folder)
    if stored is not None:
        is_own = weight_quant in (WeightQuant.NONE, WeightQuant(stored.key))
        allowed = f"none or {stored.key} for an {stored.title} build"
        remedy = f"Name the build of full weights, or set weight_quant={stored.key}."
        require(is_own, "weight_quant", weight_quant.value, allowed, remedy)
    is_nf4 = isinstance(stored, NF4Config)
    is_used = nf4 is None or is_nf4 or (stored is None and weight_quant is WeightQuant.NF4)
    remedy = "Set weight_quant=nf4 with a build of full weights, or leave its settings out."
    require(is_used, "weight_quant.nf4", nf4, "no settings where the weights do not become NF4", remedy)
    if stored is not None:
        if nf4 is not None and is_nf4:
            require_same_nf4(nf4, stored, folder)
        return load_packed_model(folder, config)
    model = load_model(folder, config)
    if weight_quant is WeightQuant.NF4:
        from omni_audio.weight_quant.nf4 import quantize_model  # bitsandbytes, only where it is asked for

        quantize_model(model, nf4 or NF4Config())
    elif weight_quant is WeightQuant.INT4:
        from omni_audio.weight_quant.int4 import pack_model

        pack_model(model)
    return model


def _with_results(turns: Sequence[Turn]) -> Iterator[tuple[Turn, list[str]]]:
    """The turns, each with the results of its calls, whose own turns are left out."""
    waiting = deque(turns)
    while waiting:
        turn, results = waiting.popleft(), []
        while waiting and len(results) < len(turn.tool_calls):
            result = waiting[0].text if waiting[0].role is Role.TOOL else None
            if result is None:
                break
            results.append(result)
            waiting.popleft()
        yield turn, results


class Assistant:
    """Tokenizer, network and text vocabulary of a build."""

    def __init__(
        self, tokenizer: AudioTokenizer, model: OmniModel, text: TextTokenizer, card: dict[str, Any]
    ) -> None:
        self.tokenizer, self.model, self.text, self.card = tokenizer.eval(), model.eval(), text, card
        self.forms = TextForms(text, model.vocabulary.num_text)

    @classmethod
    def load(
        cls,
        build: Path,
        weight_quant: WeightQuant = WeightQuant.NONE,
        nf4: NF4Config | None = None,
        device: torch.device | str = "cpu",
        lora: Path | None = None,
    ) -> "Assistant":
        """Reads a build folder; tokenizer and network go to `device`.

        Args:
            build: its folder.
            weight_quant: NONE takes the weights as they are stored, NF4 and INT4 pack those of a build of full weights.
            nf4: how NF4 packs them; None takes what an NF4 build was made with, else the defaults.
            device: where it computes; INT4 is for CPUs.
            lora: adapters that were trained on this build, in this number format; they stay beside its weights.

        Raises:
            ValueError: the folder is no whole build, there is no such number format, an NF4 build was made with
                other settings than `nf4`, the adapters cannot be read or are of another base, or INT4 is asked for, or
                stored, with adapters, on another device or where torch has no product for it.
        """
        formats = [kind.value for kind in WeightQuant]
        is_known = getattr(weight_quant, "value", weight_quant) in formats
        require(is_known, "weight_quant", weight_quant, ", ".join(formats), "Name one of these.")
        folder, wanted = Path(build), WeightQuant(weight_quant)
        if wanted is WeightQuant.INT4 or isinstance(packed_config(folder), Int4Config):
            on_cpu = torch.device(device).type == "cpu"
            remedy = "Set runtime.device=cpu, or take a build of full weights with weight_quant=nf4."
            require(on_cpu, "device", str(device), "cpu where weight_quant is int4", remedy)
            remedy = "Take the base that they were trained on, with weight_quant=none or nf4."
            require(lora is None, "lora", str(lora), "no adapters where weight_quant is int4", remedy)
        tokenizer = load_tokenizer(folder)  # first: what loading it takes is free again for the network
        model = load_network(folder, wanted, nf4)
        if lora is not None:
            load_lora(lora, model)
        text = TextTokenizer.load(folder / TEXT)
        return cls(tokenizer.to(device), model.to(device), text, load_card(folder))

    def prompt(
        self,
        turns: list[Turn],
        mode: Mode,
        tools: list[str] | None = None,
        before_turn: Callable[[], None] | None = None,
    ) -> TokenSequence:
        """The conversation as a sequence that ends with the mode token.

        Args:
            turns: at least one. Those of tools give the results of the calls before them, in the order of the calls.
            mode: what is asked for.
            tools: names of those that may be called.
            before_turn: called before each turn; what it raises ends the work.

        Raises:
            ValueError: no turns, or a turn without content.
        """
        require(len(turns) > 0, "turns", 0, "at least one turn", "Say something.")
        builder = self.builder()
        if tools:
            builder.system(tools_text(tools))
        for turn, results in _with_results(turns):
            if before_turn is not None:
                before_turn()
            self.append(builder, turn, mode, results)
        return builder.assistant(mode).build()

    @property
    def learnt_parallel_calls(self) -> bool:
        """Whether training had answers of several calls; a card that says nothing of it is of a build without."""
        return bool(self.card.get(PARALLEL_CALLS, False))

    @property
    def max_calls(self) -> int:
        """How many calls an answer may hold where nobody says otherwise."""
        return MAX_CALLS if self.learnt_parallel_calls else 1

    def builder(self) -> SequenceBuilder:
        """An empty sequence in this build's format."""
        return SequenceBuilder(
            self.text,
            self.model.vocabulary,
            self.model.tokenizer_config.vq.num_codebooks,
            self.model.config.layout,
            self.model.state_width,
        )

    def append(self, builder: SequenceBuilder, turn: Turn, mode: Mode, results: Sequence[str] = ()) -> None:
        """Puts a whole turn behind what the builder holds, calls in the form that the build learnt.

        Args:
            builder: of the sequence.
            turn: of anybody.
            mode: of the answers that calls are.
            results: of the turn's calls, in their order; where there are none yet, they come as turns of their own.

        Raises:
            ValueError: a turn without content.
        """
        if turn.role is Role.ASSISTANT and turn.tool_calls:
            in_one_answer = self.learnt_parallel_calls
            append_calls(builder, mode, turn.tool_calls, results, in_one_answer=in_one_answer)
        elif turn.role is Role.USER and turn.pcm_S is not None:
            builder.user_audio(self.tokenizer.encode(turn.pcm_S[None]))
        elif turn.text is None:
            raise ValueError(
                f"turn of role {turn.role.value!r} has no content: expected text, or sound from the user."
            )
        elif turn.role is Role.ASSISTANT:
            builder.assistant(Mode.REPLY_TEXT).answer_text(turn.text).end()
        elif turn.role is Role.USER:
            builder.user_text(turn.text)
        elif turn.role is Role.TOOL:
            builder.tool_result(turn.text)
        else:
            builder.system(turn.text)

    def piece_decoder(self, request: GenerationRequest) -> PieceDecoder:
        """What turns the events of an answer to this request into pieces."""
        return PieceDecoder(self.tokenizer, self.text, request.speed)

    def stream(self, prompt: TokenSequence, request: GenerationRequest) -> Iterator[Piece]:
        """The answer, piece by piece."""
        generator = Generator(self.model, num_slots=1)
        generator.open(0, prompt, request)
        decoder = self.piece_decoder(request)
        while generator.streams:
            for event in generator.step():
                yield decoder.push(event)

    def collect(self, prompt: Callable[[], TokenSequence], request: GenerationRequest) -> Reply:
        """The whole answer; times count from before the prompt is made, encoding included."""
        start, reply, sound = time.perf_counter(), Reply(), []
        for piece in self.stream(prompt(), request):
            now = time.perf_counter() - start
            reply.first_token_s = now if reply.first_token_s is None else reply.first_token_s
            reply.text += piece.text
            if piece.starts_call:
                reply.tool_calls.append("")
            if piece.tool:
                reply.tool_calls[-1] += piece.tool
            if piece.pcm_S is not None and piece.pcm_S.numel() > 0:
                sound.append(piece.pcm_S)
                reply.first_audio_s = now if reply.first_audio_s is None else reply.first_audio_s
            reply.num_frames += piece.num_frames
            reply.reason = piece.reason or reply.reason
        reply.pcm_S = torch.cat(sound) if sound else None
        reply.total_s = time.perf_counter() - start
        return reply

    @torch.no_grad()
    def heard_letters(self, prompt: TokenSequence) -> Tensor:
        """Log-probabilities (F * ctc_steps, letters + blank) of what the semantic level hears in the F frames."""
        semantic = self.tokenizer.semantic
        codes_F = prompt.ids_T[prompt.codes_TK[:, 0] != NO_CODE] - self.model.vocabulary.semantic_start
        return semantic.ctc_logits(semantic.fsq.values(codes_F[None].to(self.tokenizer.device)))[0].cpu()

    def transcribe(self, pcm_S: Tensor) -> str:
        """Words of the sound (S,), 16 kHz, by the network itself."""
        turns = [Turn(role=Role.USER, pcm_S=pcm_S)]
        mode = Mode.TRANSCRIBE
        return self.collect(lambda: self.prompt(turns, mode), GenerationRequest(mode=mode)).text.strip()

    def say(self, text: str, takes: int = DEFAULT_TAKES, **settings: Any) -> Reply:
        """Speaks the text.

        Args:
            text: what to speak.
            takes: how often it is spoken, with the seeds that follow the request's, all at once; the take that the
                build itself reads best is kept (best_take).
            settings: further fields of GenerationRequest.

        Raises:
            ValueError: the text cannot be spoken (TextTokenizer.spell_words), or `takes` is out of range.
        """
        check_takes(takes)
        start = time.perf_counter()
        prompt, request = self.ask_to_say(text, **settings)
        asked = [(prompt, take) for take in requests_for_takes(request, takes)]
        best = best_take(self.tokenizer, answer_all(self.model, asked, takes), text)
        reply = Reply(text=text, reason=best.reason or FinishReason.STOP, num_frames=len(best.frames))
        if best.frames:
            reply.pcm_S = stretch_whole(best.pcm(self.tokenizer)[None], request.speed)[0]
        reply.total_s = time.perf_counter() - start
        return reply

    def ask_to_say(self, text: str, **settings: Any) -> tuple[TokenSequence, GenerationRequest]:
        """Prompt and request that make the network speak the text, to its end; `settings` as of say()."""
        script = self.text.spell_words(text)
        settings.setdefault("max_frames", 1 + sum(map(LayoutConfig.most_frames, script)))
        request = GenerationRequest(mode=Mode.SAY, script=script, **settings)
        return self.builder().assistant(Mode.SAY).build(), request

    def reply(self, turns: list[Turn], request: GenerationRequest, tools: list[str] | None = None) -> Reply:
        """Answers a conversation in request.mode; with `tools`, the answer may be a tool call."""
        return self.collect(lambda: self.prompt(turns, request.mode, tools), request)
