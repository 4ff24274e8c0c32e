"""The network: one stack of blocks for text and audio positions, a main head and a depth decoder or delayed heads."""

import logging
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.audio.units import FRAME_RATE_HZ, PATCH_MEL_FRAMES
from omni_audio.checks import require, require_positive, require_range
from omni_audio.model.attention import AttentionBackend, Places, visible, visible_blocks
from omni_audio.model.block import Block
from omni_audio.model.depth import DepthConfig, DepthDecoder
from omni_audio.model.heads import DelayHeads, MainHead
from omni_audio.model.hearing import HearingHead
from omni_audio.model.kv_cache import KVCache
from omni_audio.model.kv_store import KVFormat
from omni_audio.model.layout import CodePattern, LayoutConfig
from omni_audio.model.rotary import Turns, rotary_turns
from omni_audio.model.sequence import NO_CODE, SequenceBatch
from omni_audio.model.shapes import TRAINING_MULTIPLE, check_fed, check_slots, rounded_places
from omni_audio.model.text import Special, Vocabulary
from omni_audio.plain import to_plain
from omni_audio.tokenizer.semantic import FiniteScalarQuantizer
from omni_audio.tokenizer.tokenizer import AudioTokenizer, TokenizerConfig

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

log = logging.getLogger(__name__)


class AudioInput(Enum):
    """How an audio frame enters: embeddings of its codes, the codes' own latent vectors, or both."""

    CODES = "codes"
    LATENTS = "latents"
    BOTH = "both"


@dataclass(kw_only=True, slots=True)
class ModelConfig:
    """The stack. Widths in numbers, window in positions (375 = 30 s of audio at 12.5 Hz).

    `semantic_states`: heard frames bring the states of the tokenizer's semantic level too. `hide_frames`: 0..0.5, mean
    share of the spoken answer's frames that a row of training hides from what follows; they are to be predicted still.
    The text then has to tell what is said next, not the memory of a recording.
    """

    num_text: int = 1024
    width: int = 256
    num_layers: int = 6
    num_heads: int = 4
    mlp_width: int = 704
    window: int = 375
    rotary_base: float = 10000.0
    dropout: float = 0.0
    attention: AttentionBackend = AttentionBackend.SDPA
    audio_input: AudioInput = AudioInput.BOTH
    semantic_states: bool = True
    hide_frames: float = 0.0
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)

    def __post_init__(self) -> None:
        require_positive("model.num_layers", self.num_layers)
        require_positive("model.window", self.window)
        require_range("model.dropout", self.dropout, 0.0, 0.9)
        require_range("model.hide_frames", self.hide_frames, 0.0, 0.5)
        require(
            self.num_heads > 0 and self.width % (2 * self.num_heads) == 0,
            "model.num_heads",
            self.num_heads,
            f"half of model.width = {self.width} divisible by it",
            "Change the number of heads.",
        )
        require(
            self.layout.encoder_chunk <= self.window,
            "model.layout.encoder_chunk",
            self.layout.encoder_chunk,
            f"at most model.window = {self.window}",
            "Shorten the chunk.",
        )

    @property
    def head_width(self) -> int:
        return self.width // self.num_heads

    @property
    def num_places(self) -> int:
        """Pinned places and the window: a position further on sees pinned keys as from the last of these places."""
        return self.layout.pinned_positions + self.window

    def facts(self) -> dict[str, Any]:
        """What a fingerprint tells of it; where no code is late, what it told before any could be."""
        facts = to_plain(self)
        if self.layout.pattern is CodePattern.depth:
            del facts["layout"]["pattern"], facts["layout"]["max_delay_frames"]
        return facts

    def state_width(self, tokenizer: TokenizerConfig) -> int:
        """Numbers a heard frame brings besides its codes."""
        return tokenizer.semantic.width if self.semantic_states else 0


class FrameEmbedding(nn.Module):
    """Acoustic and semantic codes of a frame -> (D,), added to the embedding of its id.

    Where the codes of an answer are late, those that a position lacks count as zeros, and so does a semantic code that
    is not there.
    """

    def __init__(self, config: ModelConfig, tokenizer: TokenizerConfig) -> None:
        super().__init__()
        self.kind, self.is_late = config.audio_input, config.layout.pattern is CodePattern.delay
        self.codebook_size = tokenizer.vq.codebook_size
        self.semantic_levels = FiniteScalarQuantizer(tokenizer.semantic.levels)
        num_codebooks, width = tokenizer.vq.num_codebooks, config.width
        if self.kind is not AudioInput.LATENTS:
            self.table = nn.Embedding(num_codebooks * self.codebook_size, width)
            nn.init.normal_(self.table.weight, std=0.01)
        if self.kind is not AudioInput.CODES:
            joined = 2 * tokenizer.vq.code_width + len(tokenizer.semantic.levels)
            self.from_latent = nn.Sequential(
                nn.Linear(joined, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
            )
        self.num_coarse = tokenizer.semantic.num_coarse
        if config.semantic_states:
            self.from_states = nn.Linear(config.state_width(tokenizer), width, bias=False)

    def forward(self, codes_MK: Tensor, semantic_M: Tensor, vectors_KCV: Tensor, spreads_K: Tensor) -> Tensor:
        """(M, K) acoustic codes, (M,) semantic codes, the codebooks and their spreads -> (M, D); below 0 is none."""
        stages_K = torch.arange(codes_MK.shape[1], device=codes_MK.device)
        index_MK = codes_MK.clamp_min(0) + stages_K * self.codebook_size
        parts = []
        if self.kind is not AudioInput.LATENTS:
            parts.append(self._known(self.table(index_MK).float(), codes_MK).sum(1))
        if self.kind is not AudioInput.CODES:
            vectors_MKD = F.embedding(index_MK, vectors_KCV.flatten(0, 1)) * spreads_K[:, None]
            vectors_MKD = self._known(vectors_MKD, codes_MK)
            coarse_MD = vectors_MKD[:, : self.num_coarse].sum(1)
            values_ML = self._known(self.semantic_levels.values(semantic_M.clamp_min(0)), semantic_M)
            parts.append(self.from_latent(torch.cat([vectors_MKD.sum(1), coarse_MD, values_ML], -1)))
        return sum(parts[1:], parts[0])

    def _known(self, values_XD: Tensor, codes_X: Tensor) -> Tensor:
        """Zeros for codes that are none; where no code is late there is none such, and nothing to do."""
        return values_XD * (codes_X >= 0)[..., None] if self.is_late else values_XD


@dataclass(slots=True)
class ModelLosses:
    """In nats: mean cross-entropy of text and control ids, semantic ids, acoustic codes; CTC of what was heard."""

    text: Tensor
    semantic: Tensor
    acoustic: Tensor
    hearing: Tensor


class OmniModel(nn.Module):
    """One network that hears and speaks: ids and codes in, ids and codes out."""

    def __init__(self, config: ModelConfig, tokenizer: TokenizerConfig) -> None:
        super().__init__()
        require(
            tokenizer.patch_mel_frames == PATCH_MEL_FRAMES,
            "tokenizer.patch_mel_frames",
            tokenizer.patch_mel_frames,
            f"{PATCH_MEL_FRAMES}, the {FRAME_RATE_HZ} frames a second that the network works at",
            "Use other frame rates for the tokenizer alone.",
        )
        log.info("attention: %s, window %d", config.attention.name, config.window)
        self.config, self.tokenizer_config = config, tokenizer
        self.vocabulary = Vocabulary(config.num_text, tokenizer.semantic.num_codes)
        self.embed = nn.Embedding(self.vocabulary.size, config.width)
        nn.init.normal_(self.embed.weight, std=0.02)
        self.frames = FrameEmbedding(config, tokenizer)
        self.blocks = nn.ModuleList(
            Block(config.width, config.num_heads, config.mlp_width, config.attention, config.dropout)
            for _ in range(config.num_layers)
        )
        self.norm = nn.RMSNorm(config.width, eps=1e-5)
        self.head = MainHead(config.width, self.vocabulary, tokenizer.semantic.levels)
        vq = tokenizer.vq
        self.codebook_vectors: Tensor
        shape = (vq.num_codebooks, vq.codebook_size, vq.code_width)
        self.register_buffer("codebook_vectors", torch.zeros(shape))
        self.codebook_spreads: Tensor
        self.register_buffer("codebook_spreads", torch.ones(vq.num_codebooks))
        self.delays = config.layout.delays(vq.num_codebooks)
        sizes = config.width, vq.num_codebooks, vq.codebook_size, vq.code_width
        if config.layout.pattern is CodePattern.depth:
            self.depth = DepthDecoder(config.depth, *sizes, config.attention)
        else:
            self.depth = DelayHeads(config.depth.width, config.depth.loss_decay, *sizes)
        self.hearing = HearingHead(config.width, tokenizer.semantic.ctc_steps)
        for name, parameter in self.named_parameters():
            if name.endswith(("out.weight", "down.weight")):
                nn.init.normal_(parameter, std=0.02 / (2 * config.num_layers) ** 0.5)

    def load_codebooks(self, tokenizer: AudioTokenizer) -> None:
        """Copies the tokenizer's codebooks, each scaled to unit variance, and their spreads, that of the first as 1."""
        vectors_KCV = torch.stack([book.get_buffer("vectors") for book in tokenizer.quantizer.codebooks])
        spreads_K = vectors_KCV.flatten(1).std(1).clamp_min(1e-8)
        self.codebook_vectors.copy_(vectors_KCV / spreads_K[:, None, None])
        self.codebook_spreads.copy_(spreads_K / spreads_K[0])

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.embed.weight.device

    @property
    def state_width(self) -> int:
        """Numbers a heard frame brings besides its codes."""
        return self.config.state_width(self.tokenizer_config)

    def embed_positions(self, ids_BT: Tensor, codes_BTK: Tensor, states_BTS: Tensor | None) -> Tensor:
        """(B, T, D): the id's embedding, and where there are codes that of theirs and, where given, states."""
        x_BTD = self.embed(ids_BT).float()
        if states_BTS is not None and self.state_width > 0:
            x_BTD = x_BTD + self.frames.from_states(states_BTS).float()
        places_M, is_real_M = rounded_places((codes_BTK >= 0).any(-1), self._multiple)
        if places_M.shape[0] > 0:
            codes_MK = codes_BTK.flatten(0, 1)[places_M]
            semantic_M = ids_BT.flatten()[places_M] - self.vocabulary.semantic_start
            frames_MD = self.frames(codes_MK, semantic_M, self.codebook_vectors, self.codebook_spreads)
            frames_MD = frames_MD.to(x_BTD.dtype) * is_real_M[:, None]
            x_BTD = x_BTD.flatten(0, 1).index_add(0, places_M, frames_MD).view_as(x_BTD)
        elif self.training:
            x_BTD = x_BTD + _touched(self.frames)
        return x_BTD

    @property
    def _multiple(self) -> int:
        """What counts of rows are rounded up to."""
        return TRAINING_MULTIPLE if self.training else 1

    def forward(self, batch: SequenceBatch) -> Tensor:
        """Hidden states (B, T, D) of whole documents, normalised for the heads."""
        return self._states(batch)[0]

    def _states(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        """States after the stack, normalised, and those after its first half, each (B, T, D)."""
        places = Places(batch.position_BT, batch.document_BT, batch.chunk_BT, batch.pinned_BT)
        mask_BTT = self._mask(places, places)
        is_long = bool((batch.position_BT >= self.config.num_places).any() and batch.pinned_BT.any())
        turns = self._turns(batch.position_BT, batch.position_BT, batch.pinned_BT if is_long else None)
        ids_BT, codes_BTK = self._partly_hidden(batch)
        x_BTD = self.embed_positions(ids_BT, codes_BTK, batch.states_BTS)
        middle_BTD = x_BTD
        for layer, block in enumerate(self.blocks):
            x_BTD = block(x_BTD, turns, mask_BTT)
            if layer < self.config.num_layers // 2:
                middle_BTD = x_BTD
        return self.norm(x_BTD), middle_BTD

    def _partly_hidden(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        """Ids and codes as the stack sees them: in training some frames of spoken answers are hidden."""
        if not self.training or self.config.hide_frames == 0:
            return batch.ids_BT, batch.codes_BTK
        drawn_BT = torch.rand(batch.ids_BT.shape, device=self.device)
        rate_B1 = torch.rand(drawn_BT.shape[0], 1, device=self.device) * 2 * self.config.hide_frames
        hidden_BT = (batch.codes_BTK[..., 0] >= 0) & batch.target_BT & (drawn_BT < rate_B1)
        return (
            batch.ids_BT.masked_fill(hidden_BT, Special.HIDDEN),
            batch.codes_BTK.masked_fill(hidden_BT[..., None], NO_CODE),
        )

    def losses(self, batch: SequenceBatch) -> ModelLosses:
        """Losses of the target positions; the depth decoder learns on a random share of the frames."""
        hidden_BTD, middle_BTD = self._states(batch)
        places_M, is_real_M = rounded_places(batch.target_BT[:, 1:], self._multiple)
        ids_M = batch.ids_BT[:, 1:].flatten()[places_M]
        codes_MK = batch.codes_BTK[:, 1:].flatten(0, 1)[places_M]
        hidden_MD = hidden_BTD[:, :-1].flatten(0, 1)[places_M]
        entropy_M = F.cross_entropy(self.head(hidden_MD).float(), ids_M, reduction="none")
        is_frame_M = is_real_M & (codes_MK[:, 0] >= 0)
        has_codes_M = is_real_M & (codes_MK >= 0).any(-1)
        return ModelLosses(
            text=_mean_of(entropy_M, is_real_M & ~has_codes_M),
            semantic=_mean_of(entropy_M, is_frame_M),
            acoustic=self._depth_loss(hidden_MD, ids_M, codes_MK, has_codes_M),
            hearing=self.hearing(middle_BTD, batch.heard),
        )

    def _depth_loss(self, hidden_MD: Tensor, ids_M: Tensor, codes_MK: Tensor, has_codes_M: Tensor) -> Tensor:
        if self.training and self.config.depth.train_fraction < 1:
            drawn = (
                torch.rand(has_codes_M.shape, device=has_codes_M.device) < self.config.depth.train_fraction
            )
            has_codes_M = has_codes_M & drawn
        places_J, is_real_J = rounded_places(has_codes_M, self._multiple)
        if places_J.shape[0] == 0:
            return hidden_MD.sum() * 0.0 + _touched(self.depth)
        hidden_JD, id_JD = hidden_MD[places_J], self.embed(ids_M[places_J])
        return self.depth.loss(hidden_JD, id_JD, codes_MK[places_J], is_real_J, self.codebook_vectors)

    def _mask(self, query: Places, key: Places) -> "Tensor | BlockMask":
        """What may be seen, in the form that the attention backend takes."""
        is_flex = self.config.attention is AttentionBackend.FLEX
        in_blocks = is_flex and query.position_BT.shape[1] > 1
        return (visible_blocks if in_blocks else visible)(query, key, self.config.window)

    def _turns(self, turned_BT: Tensor, position_BT: Tensor, pinned_BL: Tensor | None) -> Turns:
        """Turns of positions that the window knows by the numbers `turned_BT`.

        `pinned_BL` is given where a position lies behind `num_places`. There the distance to pinned keys stays what it
        was at the last of these places, as in StreamingLLM (Xiao et al. 2024, section 3.2).
        """
        turned = partial(rotary_turns, head_width=self.config.head_width, base=self.config.rotary_base)
        if pinned_BL is None:
            return Turns(turned(turned_BT))
        return Turns(turned(turned_BT), turned(position_BT.clamp_max(self.config.num_places - 1)), pinned_BL)

    def empty_cache(self, num_slots: int, kv_format: KVFormat = KVFormat.float32) -> KVCache:
        """Cache for `num_slots` streams."""
        return KVCache.empty(
            num_layers=self.config.num_layers,
            num_slots=num_slots,
            num_heads=self.config.num_heads,
            head_width=self.config.head_width,
            window=self.config.window,
            pinned=self.config.layout.pinned_positions,
            kv_format=kv_format,
            device=self.device,
        )

    @torch.no_grad()
    def advance(
        self,
        ids_BT: Tensor,
        codes_BTK: Tensor,
        chunk_BT: Tensor,
        pinned_BT: Tensor,
        cache: KVCache,
        slots: Tensor,
        states_BTS: Tensor | None = None,
    ) -> Tensor:
        """Feeds T further positions to each of the B named slots and stores them.

        `states_BTS`: of heard frames; None where there are none, as in an answer.

        An encoder chunk must lie whole in one call.

        Returns:
            Hidden states (B, T, D), normalised for the heads.

        Raises:
            ValueError: no positions, another dtype or shape, or a slot that is not there or named twice.
        """
        check_fed(ids_BT, codes_BTK, chunk_BT, pinned_BT, self.depth.num_codebooks)
        check_slots(slots, ids_BT.shape[0], cache.num_slots)
        steps_T = torch.arange(ids_BT.shape[1], device=ids_BT.device)
        position_BT = cache.length_S[slots][:, None] + steps_T
        new = Places(position_BT, torch.zeros_like(position_BT), chunk_BT, pinned_BT)
        cache.keep_in_range(slots, self.config.rotary_base)
        is_long = cache.furthest(slots) + ids_BT.shape[1] > self.config.num_places
        if ids_BT.shape[1] == 1:
            copies, (seen, memories) = None, cache.step(slots, new)
        else:
            used = cache.used_places(slots)
            seen = cache.places(slots, used).joined(new)
            copies = memories = cache.copies(slots, used)
        mask_BTL = self._mask(new, seen)
        turned_BT = position_BT - cache.origin_S[slots][:, None]
        pinned_BL = seen.pinned_BT if is_long and bool(seen.pinned_BT.any()) else None
        turns = self._turns(turned_BT, position_BT, pinned_BL)
        x_BTD = self.embed_positions(ids_BT, codes_BTK, states_BTS)
        for block, memory in zip(self.blocks, memories, strict=True):
            x_BTD = block(x_BTD, turns, mask_BTL, memory)
        if copies is not None:
            cache.write(slots, new, copies)
        return self.norm(x_BTD)


def _touched(module: nn.Module) -> Tensor:
    """A zero that every parameter has part in: DDP waits for a gradient of each of them in each step."""
    return torch.stack([parameter.flatten()[0] for parameter in module.parameters()]).sum() * 0.0


def _mean_of(value_M: Tensor, chosen_M: Tensor) -> Tensor:
    return (value_M * chosen_M).sum() / chosen_M.sum().clamp_min(1)
