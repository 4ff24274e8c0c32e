"""Generation: one loop for one stream or many, over the slots of a ring cache."""

import math
import time
from collections import Counter, deque
from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor

from omni_audio.checks import require
from omni_audio.model.compiled import CompiledSteps
from omni_audio.model.delays import SaidRows
from omni_audio.model.events import AudioFrame, Event, Failed, Finished, TextToken, ToolToken
from omni_audio.model.feeding import PREFILL_POSITIONS, check_sequence, pieces
from omni_audio.model.grammar import AnswerGrammar, Phase, ScriptGrammar
from omni_audio.model.kv_store import KVFormat
from omni_audio.model.logprobs import id_logprobs
from omni_audio.model.ongoing import OngoingAnswer
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sampling import choose
from omni_audio.model.sequence import NO_CHUNK, NO_CODE, TokenSequence
from omni_audio.model.text import Special
from omni_audio.model.transformer import OmniModel


class Generator:
    """Answers of many streams, one position at a time.

    Each stream has a slot of the cache; its output depends on its own prompt, request and seed. A slot either serves
    one answer (`open`), or is held by an endless stream that listens and answers in turn (`listen`, `answer`): the
    ring cache keeps what was last and what is pinned, in constant memory.

    `prefill_positions`: the most positions of a prompt that go through the stack at once. `kv_format`: how keys and
    values are kept. `steps`: the model's, compiled; None steps through it as it is written.

    Raises:
        ValueError: less than one slot or position, no such format, or steps of another model.
    """

    def __init__(
        self,
        model: OmniModel,
        num_slots: int = 1,
        prefill_positions: int = PREFILL_POSITIONS,
        kv_format: KVFormat = KVFormat.float32,
        steps: CompiledSteps | None = None,
    ) -> None:
        for name, value in (("num_slots", num_slots), ("prefill_positions", prefill_positions)):
            is_count = isinstance(value, int) and value >= 1
            require(is_count, name, value, "a whole number of at least 1", "Raise it.")
        formats = ", ".join(kind.value for kind in KVFormat)
        is_known = isinstance(kv_format, KVFormat)
        require(is_known, "kv_format", kv_format, f"a KVFormat: {formats}", "Name one of these.")
        require(
            steps is None or steps.model is model,
            "steps",
            "compiled steps of another model",
            "those of this model, or None",
            "Make them by CompiledSteps(model).",
        )
        self.model, self.num_slots, self.prefill_positions = model, num_slots, prefill_positions
        self.steps = steps
        with torch.inference_mode(False):  # compiled steps are made for tensors of one kind
            self.cache = model.empty_cache(num_slots, kv_format)
        self.streams: dict[int, OngoingAnswer] = {}
        """The answers on their way, by slot."""
        self.held: dict[int, int] = {}
        """The last id that each endless stream read or said, by slot."""
        self._hidden_D: dict[int, Tensor] = {}
        self._logits_V: dict[int, Tensor] = {}
        """Of the slots whose last position a compiled step has fed."""

    @property
    def free_slots(self) -> list[int]:
        return [slot for slot in range(self.num_slots) if slot not in self.streams and slot not in self.held]

    @torch.no_grad()
    def open(self, slot: int, prompt: TokenSequence, request: GenerationRequest) -> None:
        """Begins one answer; the slot is free after it.

        The first piece of the prompt is read at once, each further one by a step, so that other streams go on between.

        Raises:
            ValueError: the slot is busy or does not exist, or prompt or request do not fit (check_sequence).
        """
        self._require_slot(slot)
        remedy = "Close the stream in it first."
        require(slot not in self.streams and slot not in self.held, "slot", slot, "a free slot", remedy)
        check_sequence(prompt, self.model)
        answer = self._answer(request, int(prompt.ids_T[-1]))
        answer.unread.extend(pieces(prompt, self.prefill_positions))
        self.cache.reset(slot)
        self._read(slot, answer.unread.popleft())
        self.streams[slot] = answer

    @torch.no_grad()
    def listen(self, slot: int, sequence: TokenSequence) -> None:
        """Reads further positions of an endless stream; the first sequence of a stream begins with <bos>.

        Raises:
            ValueError: the slot does not exist or is answering; <bos> in a slot that was not closed, or anything else
                in a free one; the sequence does not fit (check_sequence).
        """
        self._require_slot(slot)
        remedy = "Step until it has finished, or interrupt it."
        require(slot not in self.streams, "slot", slot, "a slot that is not answering", remedy)
        is_held = slot in self.held
        first = next(iter(sequence.ids_T.flatten()[:1].tolist()), None)
        require(
            is_held != (first == Special.BOS),
            f"the first id for slot {slot}",
            first,
            "an id of a further segment" if is_held else f"<bos> = {int(Special.BOS)}",
            "Close the slot before a new stream." if is_held else "Begin the stream with its system segment.",
        )
        check_sequence(sequence, self.model, int(self.cache.length_S[slot]) if is_held else 0)
        if not is_held:
            self.cache.reset(slot)
        for piece in pieces(sequence, self.prefill_positions):
            self._read(slot, piece)
        self.held[slot] = int(sequence.ids_T[-1])

    def answer(self, slot: int, request: GenerationRequest) -> None:
        """Begins an answer in a held slot that has read the mode token; the slot stays held after it.

        Raises:
            ValueError: the slot is not held or is answering, or the request does not fit.
        """
        self._require_slot(slot)
        require(slot in self.held, "slot", slot, "a held slot", "Begin a stream in it with listen().")
        require(
            slot not in self.streams, "slot", slot, "a slot that is not answering", "Step until it is done."
        )
        self.streams[slot] = self._answer(request, self.held[slot])

    @torch.no_grad()
    def interrupt(self, slot: int) -> None:
        """Ends the answer where it stands; a held stream reads <end> and can listen again.

        Raises:
            ValueError: the slot does not exist.
        """
        self._require_slot(slot)
        if self.streams.pop(slot, None) is not None and slot in self.held:
            self._advance([slot], [Special.END], self._no_codes(1))

    def close(self, slot: int) -> None:
        """Frees the slot at once; a slot that is free already stays so.

        Raises:
            ValueError: the slot does not exist.
        """
        self._require_slot(slot)
        self.streams.pop(slot, None)
        self.held.pop(slot, None)
        self._hidden_D.pop(slot, None)
        self._logits_V.pop(slot, None)

    @torch.no_grad()
    def step(self, held_back: Collection[int] = (), read_s: float = math.inf) -> list[Event]:
        """One position for every answer; one that is still reading its prompt reads a piece of it instead.

        Args:
            held_back: slots whose answers stay where they are; to them it is as if the step came later.
            read_s: after so many seconds of reading no further piece is begun, those who were opened last wait.

        Raises:
            ValueError: a slot that does not exist.
        """
        waiting = set(held_back)
        for slot in waiting:
            self._require_slot(slot)
        turn = [slot for slot in self.streams if slot not in waiting]
        reading = [slot for slot in turn if self.streams[slot].unread]
        end_s = time.monotonic() + read_s
        for slot in reading:
            self._read(slot, self.streams[slot].unread.popleft())
            if time.monotonic() >= end_s:
                break
        slots = sorted(set(turn).difference(reading))
        if not slots:
            return []
        hidden_BD = torch.stack([self._hidden_D[slot] for slot in slots])
        logits_BV = self._next_logits(slots, hidden_BD)
        events: list[Event] = []
        rows: list[int] = []
        mask_BV = np.zeros(logits_BV.shape, dtype=bool)
        for row, is_finite in enumerate(logits_BV.isfinite().all(-1).tolist()):
            try:
                self._allow(slots[row], mask_BV[row], is_finite)
                rows.append(row)
            except ValueError as error:
                self.close(slots[row])
                events.append(Failed(slots[row], error))
        if not rows:
            return events
        forbidden_BV = torch.from_numpy(~mask_BV).to(logits_BV.device)
        masked_BV = logits_BV.masked_fill(forbidden_BV, float("-inf"))[rows]
        slots = [slots[row] for row in rows]
        answers = [self.streams[slot] for slot in slots]
        ids = choose([answer.sampler for answer in answers], masked_BV, [answer.seen for answer in answers])
        codes_BK, finite_B = self._frame_codes(slots, ids, hidden_BD[rows])
        for row, slot, token, codes_K, is_finite in zip(rows, slots, ids, codes_BK, finite_B, strict=True):
            try:
                _require_finite(is_finite, f"the acoustic logits of slot {slot}")
                events += self._events(slot, token, codes_K, logits_BV[row])
            except ValueError as error:
                self.close(slot)
                events.append(Failed(slot, error))
        going = [i for i, slot in enumerate(slots) if slot in self.streams or slot in self.held]
        self._advance([slots[i] for i in going], [ids[i] for i in going], codes_BK[going])
        for event in events:
            last = self.held.get(event.slot, Special.END)
            if isinstance(event, Finished) and last not in (Special.END, Special.AUDIO):
                self._advance([event.slot], [Special.END], self._no_codes(1))
        return events

    def _next_logits(self, slots: list[int], hidden_BD: Tensor) -> Tensor:
        """Logits (B, V) after the last position of each slot."""
        if self.steps is None:
            return self.model.head(hidden_BD).float()
        for slot, hidden_D in zip(slots, hidden_BD, strict=True):
            if slot not in self._logits_V:  # it has just read its prompt
                self._logits_V[slot] = self.model.head(hidden_D[None])[0].float()
        return torch.stack([self._logits_V[slot] for slot in slots])

    def _require_slot(self, slot: int) -> None:
        allowed = f"0 to {self.num_slots - 1}"
        is_slot = isinstance(slot, int) and 0 <= slot < self.num_slots
        require(is_slot, "slot", slot, allowed, "Use a slot of this generator.")

    def _answer(self, request: GenerationRequest, last_id: int) -> OngoingAnswer:
        """An answer that has said nothing yet, behind a prompt that ends with this id."""
        mode = request.mode.special
        require(
            last_id == mode,
            "the last id of the prompt",
            last_id,
            f"<{mode.name}> = {int(mode)}",
            "Ask for it.",
        )
        vocabulary = self.model.vocabulary
        for name, ids in (
            ("script", [token for word in request.script for token in word]),
            ("bias", request.bias),
        ):
            for token in ids:
                remedy = "Take the ids of this build's TextTokenizer."
                require(vocabulary.is_text(token), name, token, "ids of text", remedy)
        grammar = ScriptGrammar if request.script else AnswerGrammar
        return OngoingAnswer(
            grammar(vocabulary, self.model.config.layout, request),
            request.text_sampler(),
            request.audio_sampler(),
            Counter(),
            [Counter() for _ in range(1 + self.model.depth.num_codebooks)],
            deque(),
            request.num_logprobs,
            SaidRows(self.model.delays),
        )

    def _read(self, slot: int, piece: TokenSequence) -> None:
        device = self.model.device
        hidden_BTD = self.model.advance(
            piece.ids_T[None].to(device),
            piece.codes_TK[None].to(device),
            piece.chunk_T[None].to(device),
            piece.pinned_T[None].to(device),
            self.cache,
            torch.tensor([slot], device=device),
            piece.states_TS[None].to(device),
        )
        self._hidden_D[slot] = hidden_BTD[0, -1]
        self._logits_V.pop(slot, None)

    def _advance(self, slots: list[int], ids: list[int], codes_BK: Tensor) -> None:
        """Feeds one position to each of the slots."""
        if not slots:
            return
        hidden_BD = self._fed(slots, ids, codes_BK)
        for row, slot in enumerate(slots):
            self._hidden_D[slot] = hidden_BD[row]
            if slot in self.held:
                self.held[slot] = int(ids[row])

    def _fed(self, slots: list[int], ids: list[int], codes_BK: Tensor) -> Tensor:
        """States (B, D) after one further position of each slot."""
        if self.steps is not None:
            hidden_BD, logits_BV = self.steps.advance(ids, codes_BK, self.cache, slots)
            self._logits_V.update(zip(slots, logits_BV, strict=True))
            return hidden_BD
        device = self.model.device
        none_B1 = torch.full((len(slots), 1), NO_CHUNK, device=device)
        return self.model.advance(
            torch.tensor(ids, device=device)[:, None],
            codes_BK[:, None],
            none_B1,
            torch.zeros_like(none_B1, dtype=torch.bool),
            self.cache,
            torch.tensor(slots, device=device),
        )[:, 0]

    def _no_codes(self, num_rows: int) -> Tensor:
        return torch.full((num_rows, self.model.depth.num_codebooks), NO_CODE, device=self.model.device)

    def _allow(self, slot: int, mask_V: np.ndarray, is_finite: bool) -> None:
        """Sets what the stream's grammar allows in a mask (V,) of bool.

        Raises:
            ValueError: nothing is allowed, or the network gave no finite numbers.
        """
        answer = self.streams[slot]
        answer.allow(mask_V)
        name = f"what may follow in slot {slot}, phase {answer.grammar.phase.value},"
        require(bool(mask_V.any()), name, "nothing", "at least one id", "Check the request and the grammar.")
        _require_finite(is_finite, f"the logits of slot {slot}")

    def _frame_codes(self, slots: list[int], ids: list[int], hidden_BD: Tensor) -> tuple[Tensor, list[bool]]:
        """Acoustic codes (B, K) of the streams whose id is a frame or brings late codes; -1 for the others.

        Beside them, whether all that a stream's codes were drawn from was finite; where not, they mean nothing.
        """
        codes_BK, finite_B = self._no_codes(len(ids)), [True] * len(ids)
        rows = [i for i, token in enumerate(ids) if self._brings_codes(token)]
        if rows:
            answers = [self.streams[slots[i]] for i in rows]
            samplers = [answer.audio_sampler for answer in answers]

            def choose_codes(codebook: int, logits_MC: Tensor) -> Tensor:
                seen = [answer.sounded[1 + codebook] for answer in answers]
                finite_M = logits_MC.isfinite().all(-1)
                for row, is_finite in zip(rows, finite_M.tolist(), strict=True):
                    finite_B[row] &= is_finite
                drawn_MC = logits_MC.where(finite_M[:, None], 0.0)
                return torch.tensor(choose(samplers, drawn_MC, seen), device=logits_MC.device)

            chosen = [ids[i] for i in rows]
            if self.steps is not None:
                codes_BK[rows] = self.steps.codes(hidden_BD[rows], chosen, choose_codes)
                return codes_BK, finite_B
            id_MD = self.model.embed(torch.tensor(chosen, device=hidden_BD.device))
            codes_MK = self.model.depth.generate(
                hidden_BD[rows], id_MD, self.model.codebook_vectors, choose_codes
            )
            if self.model.delays.longest > 0:
                pairs = zip(answers, chosen, strict=True)
                said_MK = torch.stack([answer.is_said(token) for answer, token in pairs])
                codes_MK = codes_MK.masked_fill(~said_MK.to(codes_MK.device), NO_CODE)
            codes_BK[rows] = codes_MK
        return codes_BK, finite_B

    def _brings_codes(self, token: int) -> bool:
        """Whether acoustic codes are said with an id of an answer: a frame, or an <audio> behind its end."""
        return self.model.vocabulary.is_semantic(token) or token == Special.AUDIO

    def _events(self, slot: int, token: int, codes_K: Tensor, logits_V: Tensor) -> list[Event]:
        """What the chosen id and codes come to; `logits_V` are what the id was drawn from, before the grammar."""
        answer, vocabulary = self.streams[slot], self.model.vocabulary
        is_tool, starts_call = answer.grammar.phase is Phase.TOOL, answer.grammar.in_phase == 0
        frame_K = None
        if self._brings_codes(token):
            for seen, code in zip(answer.sounded, [token, *codes_K.tolist()], strict=True):
                if code != NO_CODE:
                    seen[code] += 1
            frame_K = answer.rows.push(codes_K)
        reason = answer.push(token)
        events: list[Event] = []
        if frame_K is not None:
            events.append(AudioFrame(slot, frame_K))
        elif vocabulary.is_text(token) and is_tool:
            events.append(ToolToken(slot, token, starts_call))
        elif vocabulary.is_text(token):
            answer.said[token] += 1
            logprobs = None
            if answer.num_logprobs is not None:
                logprobs = id_logprobs(logits_V, token, answer.num_logprobs, vocabulary)
            events.append(TextToken(slot, token, logprobs))
        if reason is not None:
            del self.streams[slot]
            if slot not in self.held:
                self.close(slot)
            events.append(Finished(slot, reason))
        return events


def _require_finite(is_finite: bool, name: str) -> None:
    """Raises ValueError where the network gave no finite numbers."""
    remedy = "Check the weights and the prompt."
    require(is_finite, name, "NaN or infinite", "finite numbers", remedy)
