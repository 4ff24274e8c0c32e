"""The server's parts in one place: build, engine, prompt worker, keys, kept answers. No HTTP in here."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
import torch

from omni_audio.model.assistant import Assistant
from omni_audio.model.compiled import CompiledSteps
from omni_audio.model.generate import Generator
from omni_audio.serving.access_log import note_answer
from omni_audio.serving.answer_context import AnswerContext
from omni_audio.serving.answer_store import AnswerStore
from omni_audio.serving.auth import KeyRing
from omni_audio.serving.body import Bodies
from omni_audio.serving.clips import Clips
from omni_audio.serving.decoder import Decoder
from omni_audio.serving.engine import Engine
from omni_audio.serving.errors import ApiError, invalid_value, model_not_found, overloaded, too_many_at_once
from omni_audio.serving.metrics import ServerMetrics
from omni_audio.serving.observer import Observers
from omni_audio.serving.plan import TEXT_SCHEMA_PARAM, AnswerPlan, plan_answer
from omni_audio.serving.prices import PriceTable
from omni_audio.serving.prompt_budget import PromptBudget
from omni_audio.serving.rate_limits import RateLimiter
from omni_audio.serving.schema_checker import SchemaChecker
from omni_audio.serving.schemas import ChatRequest
from omni_audio.serving.settings import LOOPBACK_HOSTS, ServerConfig
from omni_audio.serving.stream import Outcome, Stream

if TYPE_CHECKING:
    from omni_audio.model.sequence import TokenSequence

logger = logging.getLogger(__name__)

Made = TypeVar("Made")

WORKER_STOP_TIMEOUT_S = 5.0
"""For the clip or turn that the worker has in hand when the server stops."""


@dataclass(kw_only=True, slots=True)
class OpenAnswer:
    """A request that is on its way through the engine, by one stream for each choice."""

    plan: AnswerPlan
    streams: list[Stream]
    context: AnswerContext

    @property
    def stream(self) -> Stream:
        """The stream of the first choice, which is the only one of most endpoints."""
        return self.streams[0]


class ChatService:
    """Serves one build.

    Args:
        assistant: the build in memory.
        config: of the server.

    Raises:
        ValueError: config.compile is set for a network whose steps cannot be compiled.
    """

    def __init__(self, assistant: Assistant, config: ServerConfig) -> None:
        self.assistant = assistant
        self.config = config
        self.keys = KeyRing.load(config.api_keys_file)
        self.bodies = Bodies(
            limit_bytes=config.body_limit_bytes,
            total_limit_bytes=config.bodies_limit_bytes,
            timeout_s=config.body_timeout_s,
        )
        self.answers = AnswerStore(
            limit_answers=config.answer_limit,
            limit_answers_per_key=config.answer_limit_per_key,
            lifetime_s=config.answer_lifetime_s,
        )
        # Read once: the folder may be replaced while this build is served.
        self._created_s = int((config.build / "card.json").stat().st_mtime)
        self.model_id = str(assistant.card["name"])
        self.fingerprint = "fp_" + hashlib.sha256(orjson.dumps(assistant.card, default=str)).hexdigest()[:10]
        # In a byte-level vocabulary one character of a token stands for one byte.
        self._longest_token_bytes = max(map(len, assistant.text.backend.get_vocab()))
        self.metrics = ServerMetrics(config.num_slots)
        self.prices = PriceTable(config.prices, self.model_id, self._model_ids())
        self.rate_limiter = RateLimiter(config.rate_limits)
        steps = CompiledSteps(assistant.model) if config.compile else None
        if steps is not None:
            steps.warm_up(config.num_slots, config.kv_format)
        self.engine = Engine(
            make_generator=partial(
                Generator, assistant.model, config.num_slots, kv_format=config.kv_format, steps=steps
            ),
            make_decoder=assistant.piece_decoder,
            num_slots=config.num_slots,
            queue_limit=config.queue_limit,
            limit_positions=config.prompts_limit_positions,
            limit_events=config.outbox_limit_events,
            observer=Observers(self.metrics, self.rate_limiter),
        )
        self.metrics.watch(self.engine)
        self.decoder = Decoder(config.decoder, self.metrics.decoder_restarted)
        self._schemas = SchemaChecker(assistant.forms.tokens, config.schemas)
        # One worker: decoding and encoding clips must not take the cores from the engine.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="omni-audio-prompt")
        self._preparing: Counter[str] = Counter()
        """Requests that wait for the worker or keep it, by the owner of their key."""
        self._jobs: dict[Future[Any], PromptBudget] = {}

    def start(self) -> None:
        """Starts the engine and the decoder process."""
        self.decoder.start()
        self.engine.start()
        if not len(self.keys) and self.config.host not in LOOPBACK_HOSTS:
            logger.warning(
                "server.host = %r and no keys: whoever reaches this address may use the server; set "
                "server.api_keys_file or OMNI_AUDIO_API_KEYS",
                self.config.host,
            )
        logger.info("serving %s with %d slots, %d keys", self.model_id, self.config.num_slots, len(self.keys))

    def shut(self) -> None:
        """Lets nothing in any more, ends open answers by an error and prompts at their next clip; returns at once."""
        self.engine.shut()
        for budget in list(self._jobs.values()):
            budget.cancel()

    def stop(self) -> None:
        """Ends the engine, the worker and the decoder process; keep it off the event loop, it waits for them."""
        self.shut()
        self._worker.shutdown(wait=False, cancel_futures=True)
        self.engine.stop()
        wait(list(self._jobs), WORKER_STOP_TIMEOUT_S)
        self._schemas.stop()
        self.decoder.stop()

    def models(self) -> list[dict[str, Any]]:
        """The build and its aliases as model objects."""
        common = {"object": "model", "created": self._created_s, "owned_by": "omni-audio"}
        return [{"id": item, **common} for item in self._model_ids()]

    def _model_ids(self) -> list[str]:
        return [self.model_id, *(alias for alias in self.config.model_aliases if alias != self.model_id)]

    def model(self, model_id: str, param: str | None = "model") -> dict[str, Any]:
        """The model object of an id.

        Raises:
            ApiError: 404.
        """
        for item in self.models():
            if item["id"] == model_id:
                return item
        raise model_not_found(model_id, param)

    async def open(self, request: ChatRequest, owner: str, parts: Mapping[str, bytes]) -> OpenAnswer:
        """Opens a chat completion; raises as of open_plan().

        Args:
            request: the checked body.
            owner: of the key.
            parts: bytes of the body's other parts, by name; none where it was JSON.
        """
        limits = self.config.limits
        transcript_of = partial(self._transcript, owner)

        def make_plan(budget: PromptBudget) -> AnswerPlan:
            clips = Clips(parts, limits, self.decoder, budget)
            return plan_answer(request, limits, transcript_of, clips, self.assistant.max_calls)

        answer = await self.open_plan(request.model, make_plan, owner, param="messages")
        answer.plan.turns.clear()  # their sound is in the prompt, and would be held until the answer is over
        return answer

    async def open_plan(
        self, model: str, make_plan: Callable[[PromptBudget], AnswerPlan], owner: str, *, param: str
    ) -> OpenAnswer:
        """Plans, prepares the prompt beside the event loop and queues a stream for each choice.

        Args:
            model: the id that the request names.
            make_plan: decides what will be generated; it may decode clips within the budget, and may raise ApiError.
            owner: of the key.
            param: the parameter that the prompt is made of, for errors.

        Raises:
            ApiError: the request is refused, or the server is overloaded.
        """
        self.model(model)
        # Refused before its clips are decoded: what would find no place must cost next to nothing.
        self.require_place(owner)
        start_s = time.monotonic()
        plan, prompt = await self.beside_the_loop(
            lambda budget: self._prepare(make_plan, budget, param), owner, param=param
        )
        self.metrics.prompt_prepared(time.monotonic() - start_s)
        context = AnswerContext(
            model=self.model_id,
            system_fingerprint=self.fingerprint,
            owner=owner,
            store=self.answers,
            num_prompt_tokens=len(prompt),
            num_prompt_audio_tokens=prompt.num_frames,
            frame_ms=1000 / self.assistant.tokenizer.config.frame_rate_hz,
        )
        streams = self.submit(prompt, plan, owner, model)
        return OpenAnswer(plan=plan, streams=streams, context=context)

    def require_place(self, owner: str) -> None:
        """Refuses what would find no place.

        Args:
            owner: of the key.

        Raises:
            ApiError: 503, the server has no place left; 429, the key has as many requests on their way as it may.
        """
        if self._preparing.total() + self.engine.num_requests() >= self.config.num_places:
            self.engine.count_refused()
            self.metrics.stream_refused()
            raise overloaded()
        limit = self.config.rate_limits.requests_at_once
        if limit is not None and self._preparing[owner] + self.engine.num_requests(owner) >= limit:
            raise too_many_at_once(limit)

    async def beside_the_loop(self, job: Callable[[PromptBudget], Made], owner: str, *, param: str) -> Made:
        """Runs what computes on the one worker, after what came before; until it is over it takes a place.

        Args:
            job: may check the budget that it is given.
            owner: of the key.
            param: the parameter that it computes with, for errors.

        Raises:
            ApiError: of the budget, or what the job raises.
        """
        budget = PromptBudget(self.config.prompt_timeout_s, param)
        self._preparing[owner] += 1
        running = self._worker.submit(_within, budget, job)
        self._jobs[running] = budget
        loop = asyncio.get_running_loop()
        # Counted until the worker is really done with it, also when the client has gone.
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(self._computed, owner, running))
        try:
            return await asyncio.wrap_future(running)
        finally:
            budget.cancel()  # the client may have left

    def submit(self, prompt: TokenSequence, plan: AnswerPlan, owner: str, model: str) -> list[Stream]:
        """Queues a stream for each choice of a plan, charges the prompt to the key, and notes both for the access log.

        Args:
            prompt: each stream reads it.
            plan: what is generated.
            owner: of the key.
            model: the id that the request names.

        Raises:
            ApiError: 503, the server is overloaded.
        """
        streams = self.engine.submit(
            prompt,
            plan.choices,
            max_total_tokens=plan.max_total_tokens,
            owner=owner,
            is_played=plan.is_stream,
        )
        self.rate_limiter.charge(owner, len(prompt))
        note_answer(model, streams)
        return streams

    def cancel(self, streams: Sequence[Stream]) -> None:
        """Frees the places of all streams of a request."""
        for stream in streams:
            self.engine.cancel(stream)

    def drop_slow_reader(self, stream: Stream) -> None:
        """Ends a stream whose reader took too long; one that was made to its end before is counted all the same."""
        if stream.outcome is None:
            self.engine.cancel(stream, Outcome.STALLED)
        elif stream.outcome is not Outcome.STALLED:
            self.metrics.reader_dropped()

    def _computed(self, owner: str, job: Future[Any]) -> None:
        del self._jobs[job]
        self._preparing[owner] -= 1
        self._preparing += Counter()  # drops what is 0

    def _prepare(
        self, make_plan: Callable[[PromptBudget], AnswerPlan], budget: PromptBudget, param: str
    ) -> tuple[AnswerPlan, TokenSequence]:
        with torch.inference_mode():
            plan = make_plan(budget)
            self._check_bias(plan)
            self._add_forms(plan)
            num_chars = sum(len(turn.text or "") for turn in plan.turns)
            # Text so long that it cannot fit is not worth encoding.
            self._check_length(-(-num_chars // self._longest_token_bytes), param)
            try:
                prompt = self.assistant.prompt(plan.turns, plan.mode, list(plan.tools) or None, budget.check)
            except ValueError as error:
                raise invalid_value(param, f"Invalid '{param}': {str(error)[:300]}") from error
        self._check_length(len(prompt), param)
        return plan, prompt

    def _add_forms(self, plan: AnswerPlan) -> None:
        """Compiles what a call and the text must look like."""
        forms, generation = self.assistant.forms, plan.generation
        try:
            generation.call_form = forms.call(plan.tools, self._schemas.check) if plan.tools else None
        except ValueError as error:
            name = plan.call_param
            raise invalid_value(name, f"Invalid '{name}': {error}", "invalid_schema") from error
        try:
            schema = plan.text_schema
            generation.text_form = None if schema is None else forms.json(schema, self._schemas.check)
        except ValueError as error:
            name = TEXT_SCHEMA_PARAM
            raise invalid_value(name, f"Invalid '{name}': {error}", "invalid_schema") from error

    def _check_bias(self, plan: AnswerPlan) -> None:
        """Raises ApiError 400 where a bias is for an id that no text has."""
        for token in plan.generation.bias:
            if not self.assistant.model.vocabulary.is_text(token):
                name = f"logit_bias.{token}"
                message = f"Invalid '{name}': no text has this id. Take those of `tokens` in verbose_json."
                raise invalid_value(name, message)

    def _check_length(self, num_positions: int, param: str) -> None:
        limit = self.config.limits.max_prompt_positions
        if num_positions > limit:
            message = f"Invalid '{param}': at least {num_positions} positions; allowed: {limit}. Send less."
            raise ApiError(400, message, param=param, code="context_length_exceeded")

    def _transcript(self, owner: str, answer_id: str, *, param: str) -> str:
        return self.answers.transcript(answer_id, owner, param=param)


def _within(budget: PromptBudget, job: Callable[[PromptBudget], Made]) -> Made:
    """What the worker does: nothing where nobody waits for it any more."""
    budget.begin()
    return job(budget)
