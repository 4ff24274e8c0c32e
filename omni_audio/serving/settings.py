"""What a server can be told."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from omni_audio.checks import require, require_positive, require_range
from omni_audio.model.assistant import WeightQuant
from omni_audio.model.kv_store import KVFormat

ANY_ORIGIN = "*"
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
"""Addresses that only this machine reaches."""

ANY_HOST = "*"
HOST_PATTERN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.ASCII)
"""A name without port, in small letters."""
ORIGIN_PATTERN = re.compile(r"https?://[^/\s*@?#]+", re.ASCII)
"""Scheme, host and, unless it is the scheme's own, port: as browsers write an origin."""

SDK_MODELS = (
    "gpt-4o-audio-preview",
    "gpt-4o-audio-preview-2024-10-01",
    "gpt-4o-audio-preview-2024-12-17",
    "gpt-4o-audio-preview-2025-06-03",
)
"""Names that client code of this API asks for."""

DEFAULT_VOICE = "default"
"""The name of a build's own voice."""

SDK_VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse",
)  # fmt: skip
"""Names that client code of this API asks for."""


@dataclass(kw_only=True, slots=True)
class RequestLimits:
    """What one request may ask for.

    Args:
        max_text_tokens: text tokens of one answer.
        max_audio_frames: audio frames (tokens) of one answer.
        max_input_audio_s: seconds of all input clips together.
        max_input_clips: input clips; each is decoded and encoded by itself, however short it is.
        max_choices: answers to one chat request (`n`), 1 to 128.
        max_prompt_positions: the longest prompt; it is read in pieces, between the steps of other streams.
        voices: names that `audio.voice` may take, those of the official clients by default; a build has one voice, and
            each of them means it.
    """

    max_text_tokens: int = 8192
    max_audio_frames: int = 4096
    max_input_audio_s: float = 300.0
    max_input_clips: int = 64
    max_choices: int = 128
    max_prompt_positions: int = 131_072
    voices: list[str] = field(default_factory=lambda: [DEFAULT_VOICE, *SDK_VOICES])

    def __post_init__(self) -> None:
        for name in (
            "max_text_tokens", "max_audio_frames", "max_input_audio_s", "max_input_clips", "max_choices",
            "max_prompt_positions",
        ):  # fmt: skip
            require_positive(name, getattr(self, name))
        require(
            DEFAULT_VOICE in self.voices, "voices", self.voices, f"names with {DEFAULT_VOICE!r}", "Add it."
        )


@dataclass(kw_only=True, slots=True)
class RateLimitConfig:
    """What one key may use in a minute; without keys, what all clients may use together.

    Args:
        requests_per_minute: requests for answers; null sets no limit.
        tokens_per_minute: positions of their prompts, each once, and of all choices made of them; null sets no limit.
        requests_at_once: requests for answers that are on their way, not by the minute; null sets no limit.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    requests_at_once: int | None = None

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute", "requests_at_once"):
            limit = getattr(self, name)
            if limit is not None:
                require_positive(name, limit)


@dataclass(kw_only=True, slots=True)
class PriceConfig:
    """What a million tokens of a model cost; a frame of sound (80 ms) is a token.

    Args:
        text_in: of text that is read, a given text to be spoken among it.
        audio_in: of sound that is heard.
        text_out: of text, tool calls and transcripts that are given.
        audio_out: of sound that is given.
    """

    text_in: float
    audio_in: float
    text_out: float
    audio_out: float

    def __post_init__(self) -> None:
        for name in ("text_in", "audio_in", "text_out", "audio_out"):
            price = getattr(self, name)
            require(
                math.isfinite(price) and price >= 0,
                f"prices.{name}",
                price,
                "a finite number of at least 0",
                "Set what a million tokens cost.",
            )


@dataclass(kw_only=True, slots=True)
class DecoderConfig:
    """The process that decodes clips; how long these may be is `RequestLimits.max_input_audio_s`.

    Args:
        clip_limit_bytes: the largest clip.
        timeout_s: the longest time that decoding one clip may take; then the process is ended and the clip refused.
        memory_limit_mib: address space of the process, its libraries (about 200 MiB) included.
    """

    clip_limit_bytes: int = 32 * 2**20
    timeout_s: float = 10.0
    memory_limit_mib: int = 768

    def __post_init__(self) -> None:
        for name in ("clip_limit_bytes", "timeout_s"):
            require_positive(f"decoder.{name}", getattr(self, name))
        require_range("decoder.memory_limit_mib", self.memory_limit_mib, 256, 65_536)


@dataclass(kw_only=True, slots=True)
class SchemaConfig:
    """What compiling the JSON schemas of one request may take; more get 400.

    Args:
        timeout_s: processor time.
        memory_limit_mib: while they are compiled, and so of a compiled one.
    """

    timeout_s: float = 1.0
    memory_limit_mib: int = 128

    def __post_init__(self) -> None:
        require_positive("schemas.timeout_s", self.timeout_s)
        require_range("schemas.memory_limit_mib", self.memory_limit_mib, 16, 65_536)


@dataclass(kw_only=True, slots=True)
class RayConfig:
    """Replicas of a server on Ray Serve; each has slots, a queue, kept answers and rate limits of its own.

    Args:
        min_replicas: kept also where nobody asks.
        max_replicas: under the highest load.
        target_requests: requests on their way that a replica should have; more of them and another one is started.
        queue_limit: requests that may wait for a replica; more get 503.
        num_cpus: cores of a replica.
        num_gpus: GPUs of a replica.
        upscale_delay_s: how long the load must be higher before a replica is added.
        downscale_delay_s: how long it must be lower before one is ended.
        downscale_drain_s: how long the answers of that one may go on; then they are cut off without an error.
    """

    min_replicas: int = 1
    max_replicas: int = 4
    target_requests: float = 3.0
    queue_limit: int = 64
    num_cpus: float = 2.0
    num_gpus: float = 0.0
    upscale_delay_s: float = 10.0
    downscale_delay_s: float = 300.0
    downscale_drain_s: float = 600.0

    def __post_init__(self) -> None:
        for name in ("min_replicas", "target_requests", "queue_limit", "num_cpus"):
            require_positive(f"ray.{name}", getattr(self, name))
        for name in ("num_gpus", "upscale_delay_s", "downscale_delay_s", "downscale_drain_s"):
            require_range(f"ray.{name}", getattr(self, name), 0, 86_400)
        require_range("ray.max_replicas", self.max_replicas, self.min_replicas, 10_000)


@dataclass(kw_only=True, slots=True)
class ServerConfig:
    """A server of one build.

    Args:
        build: the build's folder.
        weight_quant: number format of the weights in memory.
        host: address to listen on.
        port: TCP port, 0 for any free one.
        num_slots: conversations that are generated at once.
        kv_format: how their keys and values are kept; int8 takes about a quarter of the memory, and rounds.
        compile: decode steps by torch.compile; the start takes minutes longer the first time.
        queue_limit: requests that may wait for a slot; more get 503.
        outbox_limit_events: events that may wait for one reader before it is dropped as stalled.
        head_limit_bytes: request line and headers of a request, 32 bytes for each header included.
        head_timeout_s: the longest time that they may take to arrive.
        body_limit_bytes: the largest request body.
        bodies_limit_bytes: all bodies that are held at once, each until its answer begins; more get 503.
        body_timeout_s: the longest time that a body may take to arrive.
        prompt_timeout_s: the longest time that a prompt may take, its clips decoded and encoded; more get 400.
        prompts_limit_positions: of all prompts that wait or are answered, about a kilobyte each; more get 503.
        send_timeout_s: the longest time that a reader may take over one chunk, or may take nothing of what waits.
        keep_alive_s: how long a connection waits for its next request; proxies and clients should give up before.
        drain_timeout_s: how long answers may go on when the server is told to stop; then they end with an error.
        api_keys_file: one key a line; none, and none in OMNI_AUDIO_API_KEYS, serves without keys.
        allowed_origins: pages of these may use the server from a browser ("https://example.com", or "*" for all); other
            sites' may not, the server's own page may.
        allowed_hosts: names by which the server may be asked while it has no keys, beside addresses, localhost and
            `host`; "*" for all.
        model_aliases: further ids of the build.
        answer_lifetime_s: how long a spoken answer can be named by id.
        answer_limit: spoken answers kept for that; beyond it the oldest of the key that has most is forgotten.
        answer_limit_per_key: of these, answers to one key; to all clients together where there are no keys.
        playground: serve the page at `/` that talks to this server; it needs no key, what it asks for does.
        limits: of one request.
        rate_limits: of one key.
        prices: by model id, of the build or an alias; an alias without one has the build's, and without that none.
        currency: of the prices, as metrics and access log name it.
        decoder: the process that decodes clips.
        schemas: limits of JSON schemas that must be compiled.
        ray: serve on Ray Serve; null serves by uvicorn, one replica.
    """

    build: Path
    weight_quant: WeightQuant = WeightQuant.NONE
    host: str = "127.0.0.1"
    port: int = 8000
    num_slots: int = 4
    kv_format: KVFormat = KVFormat.float32
    compile: bool = False
    queue_limit: int = 32
    outbox_limit_events: int = 2048
    head_limit_bytes: int = 64 * 2**10
    head_timeout_s: float = 10.0
    body_limit_bytes: int = 32 * 2**20
    bodies_limit_bytes: int = 256 * 2**20
    body_timeout_s: float = 25.0
    prompt_timeout_s: float = 60.0
    prompts_limit_positions: int = 4 * 131_072
    send_timeout_s: float = 30.0
    keep_alive_s: float = 75.0
    drain_timeout_s: float = 20.0
    api_keys_file: Path | None = None
    allowed_origins: list[str] = field(default_factory=list)
    allowed_hosts: list[str] = field(default_factory=list)
    model_aliases: list[str] = field(default_factory=lambda: ["omni-audio", *SDK_MODELS])
    answer_lifetime_s: int = 3600
    answer_limit: int = 4096
    answer_limit_per_key: int = 1024
    playground: bool = True
    limits: RequestLimits = field(default_factory=RequestLimits)
    rate_limits: RateLimitConfig = field(default_factory=RateLimitConfig)
    prices: dict[str, PriceConfig] = field(default_factory=dict)
    currency: str = "USD"
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    schemas: SchemaConfig = field(default_factory=SchemaConfig)
    ray: RayConfig | None = None

    @property
    def num_places(self) -> int:
        """Requests that may be on their way."""
        return self.num_slots + self.queue_limit

    def __post_init__(self) -> None:
        require_range("port", self.port, 0, 65_535)
        require_range("queue_limit", self.queue_limit, 0, 10_000)
        for name in (
            "num_slots", "outbox_limit_events", "body_limit_bytes", "body_timeout_s", "send_timeout_s",
            "keep_alive_s", "drain_timeout_s", "prompt_timeout_s", "head_limit_bytes", "head_timeout_s",
            "answer_lifetime_s", "answer_limit", "answer_limit_per_key",
        ):  # fmt: skip
            require_positive(name, getattr(self, name))
        require(
            self.prompts_limit_positions >= self.limits.max_prompt_positions,
            "prompts_limit_positions",
            self.prompts_limit_positions,
            f"at least limits.max_prompt_positions = {self.limits.max_prompt_positions}",
            "Raise it, or lower the other.",
        )
        require(
            self.bodies_limit_bytes >= self.body_limit_bytes,
            "bodies_limit_bytes",
            self.bodies_limit_bytes,
            f"at least body_limit_bytes = {self.body_limit_bytes}",
            "Raise it, or lower body_limit_bytes.",
        )
        for origin in self.allowed_origins:
            require(
                origin == ANY_ORIGIN or ORIGIN_PATTERN.fullmatch(origin) is not None,
                "allowed_origins",
                origin,
                "scheme and host of a site, such as https://example.com",
                "Leave out path and trailing slash.",
            )
        for name in self.allowed_hosts:
            require(
                name == ANY_HOST or HOST_PATTERN.fullmatch(name) is not None,
                "allowed_hosts",
                name,
                "a name in small letters, such as speech.example.com",
                "Leave out scheme, port and path.",
            )
        require(
            all(self.model_aliases),
            "model_aliases",
            self.model_aliases,
            "non-empty names",
            "Drop the empty one.",
        )
        require(bool(self.currency), "currency", self.currency, "a name such as USD", "Set server.currency.")
