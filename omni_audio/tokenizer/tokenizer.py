"""The audio tokenizer: PCM <-> codes, whole or streamed; what every other part sees of this package."""

import hashlib
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.audio.correlogram import HOP_SAMPLES as CORRELOGRAM_HOP
from omni_audio.audio.correlogram import Correlogram
from omni_audio.audio.mel import LogMel, LogMelConfig
from omni_audio.audio.units import HOP_SAMPLES, PATCH_MEL_FRAMES, SAMPLE_RATE_HZ
from omni_audio.checks import require, require_positive
from omni_audio.plain import LATER
from omni_audio.tokenizer.acoustic import AcousticEncoder, AcousticEncoderConfig
from omni_audio.tokenizer.causal import StackState
from omni_audio.tokenizer.losses import MelLossConfig
from omni_audio.tokenizer.semantic import SemanticConfig, SemanticEncoder, SemanticState
from omni_audio.tokenizer.vector_quantizer import (
    TRAINING_STATE,
    Codebook,
    ResidualVectorQuantizer,
    VectorQuantizerConfig,
)
from omni_audio.tokenizer.vocoder import Vocoder, VocoderConfig, VocoderState

SEMANTIC = "semantic."
"""What the names of the semantic level's weights begin with."""


@dataclass(kw_only=True, slots=True)
class TokenizerConfig:
    """All of the audio tokenizer.

    `patch_mel_frames` is the length of a frame: 8 mel columns of 10 ms make 12.5 frames a second, 4 make 25. The
    network works at 12.5; other rates are for the tokenizer by itself.

    With `pitch_lags_per_octave` the encoder sees the correlogram at so many lags an octave beside the log-mel columns.
    """

    patch_mel_frames: int = field(default=PATCH_MEL_FRAMES, metadata=LATER)
    pitch_lags_per_octave: int = field(default=0, metadata=LATER)
    mel: LogMelConfig = field(default_factory=LogMelConfig)
    encoder: AcousticEncoderConfig = field(default_factory=AcousticEncoderConfig)
    vq: VectorQuantizerConfig = field(default_factory=VectorQuantizerConfig)
    semantic: SemanticConfig = field(default_factory=SemanticConfig)
    vocoder: VocoderConfig = field(default_factory=VocoderConfig)
    loss: MelLossConfig = field(default_factory=MelLossConfig)

    def __post_init__(self) -> None:
        require_positive("tokenizer.patch_mel_frames", self.patch_mel_frames)
        require(
            self.pitch_lags_per_octave >= 0
            and (self.pitch_lags_per_octave == 0 or self.patch_mel_frames % 2 == 0),
            "tokenizer.pitch_lags_per_octave",
            self.pitch_lags_per_octave,
            "0 or more, and 0 where tokenizer.patch_mel_frames is odd: a column of the correlogram is two of the mel's",
            "Use 24 with frames of 8 or 4 mel columns.",
        )
        require(
            self.semantic.num_coarse <= self.vq.num_codebooks,
            "tokenizer.semantic.num_coarse",
            self.semantic.num_coarse,
            f"at most tokenizer.vq.num_codebooks = {self.vq.num_codebooks}",
            "Lower num_coarse or raise num_codebooks.",
        )
        require(
            not self.semantic.reads_columns or self.semantic.columns_a_frame == self.patch_mel_frames,
            "tokenizer.semantic.stem_widths",
            self.semantic.stem_widths,
            f"one width less than halvings make tokenizer.patch_mel_frames = {self.patch_mel_frames} columns one",
            "Use [128, 192] with frames of 8 columns, [192] with 4.",
        )

    @property
    def frame_samples(self) -> int:
        """Samples of a frame: 1280, which is 80 ms, by default."""
        return HOP_SAMPLES * self.patch_mel_frames

    @property
    def frame_rate_hz(self) -> float:
        """Frames a second: 12.5 by default."""
        return SAMPLE_RATE_HZ / self.frame_samples

    def kilobits_per_second(self, num_codebooks: int | None = None, with_semantic: bool = True) -> float:
        """Bit rate at an operating point: codebooks kept, with or without the semantic code."""
        kept = self.vq.num_codebooks if num_codebooks is None else num_codebooks
        bits = kept * (self.vq.codebook_size - 1).bit_length()
        bits += (self.semantic.num_codes - 1).bit_length() if with_semantic else 0
        return bits * self.frame_rate_hz / 1000


@dataclass(slots=True)
class AudioCodes:
    """Codes of B utterances: semantic (B, F) and acoustic (B, F, K), int64.

    states_BFD: states of the letter decoder over the semantic codes, float; None where only the codes are known.
    """

    semantic_BF: Tensor
    acoustic_BFK: Tensor
    states_BFD: Tensor | None = None


@dataclass(slots=True)
class FeatureState:
    """Streaming state of features(): the last samples that the next log-mel columns and correlogram see, (B, S)."""

    mel_BS: Tensor
    correlogram_BS: Tensor | None


@dataclass(slots=True)
class EncoderState:
    """Streaming state of encode(): feature history, block states, and samples that do not yet fill a frame."""

    features: FeatureState
    acoustic: StackState
    semantic: SemanticState
    rest_BS: Tensor


class AudioTokenizer(nn.Module):
    """Log-mel encoder, residual VQ, semantic FSQ and iSTFT decoder in one module."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        self.mel = LogMel(config.mel)
        lags = config.pitch_lags_per_octave
        self.correlogram = Correlogram(lags) if lags > 0 else None
        num_features = config.patch_mel_frames * config.mel.num_mels
        if self.correlogram is not None:
            num_features += config.frame_samples // CORRELOGRAM_HOP * self.correlogram.num_lags
        self.encoder = AcousticEncoder(config.encoder, num_features)
        self.quantizer = ResidualVectorQuantizer(config.vq, config.encoder.width)
        reads_columns = config.semantic.reads_columns
        num_inputs = config.mel.num_mels if reads_columns else config.vq.code_width
        self.semantic = SemanticEncoder(config.semantic, num_inputs)
        self.vocoder = Vocoder(config.vocoder, config.encoder.width, config.frame_samples)

    @property
    def algorithmic_delay_samples(self) -> int:
        """From a sample going in to the same sample coming out: one frame, and the decoder's overlap."""
        return self.config.frame_samples + self.config.vocoder.overlap_samples

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.vocoder.window.device

    def shipped_state(self) -> dict[str, Tensor]:
        """The state without what only training needs."""
        return {name: t for name, t in self.state_dict().items() if not name.endswith(TRAINING_STATE)}

    def load_shipped_state(self, state: dict[str, Tensor]) -> None:
        """Takes what shipped_state() gave; training can go on from there."""
        kept = {name: t for name, t in self.state_dict().items() if name.endswith(TRAINING_STATE)}
        self.load_state_dict({**state, **kept})
        for book in self.quantizer.codebooks:
            assert isinstance(book, Codebook)
            book.restart_averages()

    def take_sound(self, other: "AudioTokenizer") -> None:
        """Takes all but the semantic level from another tokenizer, whose config differs in that level at most."""
        own = {name: t for name, t in self.shipped_state().items() if name.startswith(SEMANTIC)}
        theirs = {name: t for name, t in other.shipped_state().items() if not name.startswith(SEMANTIC)}
        self.load_shipped_state(own | theirs)

    def fingerprint(self) -> str:
        """12 hex digits of the weights that decide the codes; codes of another fingerprint cannot be decoded."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.shipped_state().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().float().cpu().numpy().tobytes())
        return digest.hexdigest()[:12]

    def semantic_frames(self, patch_BFX: Tensor, acoustic_BFK: Tensor) -> Tensor:
        """Which of the two the semantic level reads: the log-mel columns in features() of a frame, or its codes."""
        if not self.config.semantic.reads_columns:
            return acoustic_BFK
        return patch_BFX[..., : self.config.patch_mel_frames * self.config.mel.num_mels]

    def semantic_input(self, frames_BFX: Tensor) -> Tensor:
        """semantic_frames(), as the semantic level takes them: columns as they are, latents of the coarse codes."""
        if self.config.semantic.reads_columns:
            return frames_BFX.float()
        return self.quantizer.code_latents(frames_BFX[..., : self.config.semantic.num_coarse])

    @torch.no_grad()
    def understand(
        self, frames_BFX: Tensor, state: SemanticState | None = None
    ) -> tuple[Tensor, Tensor, SemanticState]:
        """Semantic codes (B, F), states (B, F, D) of semantic_frames(), new state; any chunking gives the same."""
        _, codes_BF, states_BFD, new_state = self.semantic(self.semantic_input(frames_BFX), state)
        return codes_BF, states_BFD, new_state

    def encode(self, pcm_BS: Tensor) -> AudioCodes:
        """Codes of whole utterances; the last frame is filled with zeros.

        Args:
            pcm_BS: (B, S) 16 kHz samples in [-1, 1], S > 0, finite.

        Raises:
            ValueError: no samples, or a sample is NaN or infinite.
        """
        acoustic_BFK, frames_BFX = self.acoustic_and_frames(pcm_BS)
        semantic_BF, states_BFD, _ = self.understand(frames_BFX)
        return AudioCodes(semantic_BF, acoustic_BFK, states_BFD)

    def acoustic_codes(self, pcm_BS: Tensor) -> Tensor:
        """Acoustic codes (B, F, K) alone, at less than half the cost; arguments and errors as of encode()."""
        return self.acoustic_and_frames(pcm_BS)[0]

    @torch.no_grad()
    def acoustic_and_frames(self, pcm_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Acoustic codes (B, F, K), and semantic_frames() for understand(); arguments and errors as of encode()."""
        _check_pcm(pcm_BS)
        missing = -pcm_BS.shape[1] % self.config.frame_samples
        patch_BFX, _ = self.features(F.pad(pcm_BS.to(self.device), (0, missing)))
        acoustic_BFK = self.quantizer.encode(self.encoder(patch_BFX)[0])
        return acoustic_BFK, self.semantic_frames(patch_BFX, acoustic_BFK)

    def features(self, pcm_BS: Tensor, state: FeatureState | None = None) -> tuple[Tensor, FeatureState]:
        """What the encoder sees of whole frames: (B, F, X) of (B, frame_samples F) samples, and the new state."""
        mel_BTM, mel_BS = self.mel(pcm_BS, None if state is None else state.mel_BS)
        patch_BFX = mel_BTM.unflatten(1, (-1, self.config.patch_mel_frames)).flatten(2)
        if self.correlogram is None:
            return patch_BFX, FeatureState(mel_BS, None)
        before_BS = None if state is None else state.correlogram_BS
        likeness_BTL, correlogram_BS = self.correlogram(pcm_BS, before_BS)
        likeness_BFX = likeness_BTL.unflatten(1, (patch_BFX.shape[1], -1)).flatten(2)
        return torch.cat([patch_BFX, likeness_BFX], -1), FeatureState(mel_BS, correlogram_BS)

    def initial_encoder_state(self, num_rows: int = 1) -> EncoderState:
        """Silence before the first sample."""
        device = self.device
        correlogram_BS = (
            None if self.correlogram is None else self.correlogram.initial_state(num_rows, device)
        )
        return EncoderState(
            FeatureState(self.mel.initial_state(num_rows, device), correlogram_BS),
            self.encoder.stack.initial_state(num_rows, device),
            self.semantic.initial_state(num_rows, device),
            torch.zeros(num_rows, 0, device=device),
        )

    @torch.no_grad()
    def encode_stream(self, pcm_BS: Tensor, state: EncoderState) -> tuple[AudioCodes, EncoderState]:
        """Codes of the frames that these samples complete (perhaps none); any chunking gives the same codes."""
        _check_pcm(pcm_BS, may_be_empty=True)
        joined_BS = torch.cat([state.rest_BS, pcm_BS.to(self.device)], -1)
        frame_samples = self.config.frame_samples
        ready = joined_BS.shape[1] // frame_samples * frame_samples
        rest_BS = joined_BS[:, ready:]
        if ready == 0:
            empty = torch.zeros(pcm_BS.shape[0], 0, dtype=torch.long, device=self.device)
            return (
                AudioCodes(
                    empty,
                    empty[..., None].expand(-1, -1, self.config.vq.num_codebooks),
                    torch.zeros(pcm_BS.shape[0], 0, self.config.semantic.width, device=self.device),
                ),
                EncoderState(state.features, state.acoustic, state.semantic, rest_BS),
            )
        patch_BFX, features = self.features(joined_BS[:, :ready], state.features)
        latent_BFD, acoustic_state = self.encoder(patch_BFX, state.acoustic)
        acoustic_BFK = self.quantizer.encode(latent_BFD)
        frames_BFX = self.semantic_frames(patch_BFX, acoustic_BFK)
        semantic_BF, states_BFD, semantic_state = self.understand(frames_BFX, state.semantic)
        codes = AudioCodes(semantic_BF, acoustic_BFK, states_BFD)
        return codes, EncoderState(features, acoustic_state, semantic_state, rest_BS)

    @torch.no_grad()
    def decode(self, acoustic_BFK: Tensor) -> Tensor:
        """Waveform (B, frame_samples F) of acoustic codes (B, F, K'), 1 <= K' <= K coarse codebooks kept.

        Raises:
            ValueError: no frames, too many codebooks, or a code out of range.
        """
        require(
            acoustic_BFK.shape[1] > 0, "acoustic_BFK.shape[1]", 0, "at least one frame", "Give some codes."
        )
        return self.vocoder(self.quantizer.decode(acoustic_BFK.to(self.device)))

    def initial_decoder_state(self, num_rows: int = 1) -> VocoderState:
        """Nothing was said yet."""
        return self.vocoder.initial_state(num_rows, self.device)

    @torch.no_grad()
    def decode_stream(self, acoustic_BFK: Tensor, state: VocoderState) -> tuple[Tensor, VocoderState]:
        """Samples that these frames complete, and the new state; `vocoder.flush(state)` gives the last."""
        return self.vocoder.stream(self.quantizer.decode(acoustic_BFK.to(self.device)), state)


def _check_pcm(pcm_BS: Tensor, may_be_empty: bool = False) -> None:
    require(pcm_BS.dim() == 2, "pcm_BS.dim()", pcm_BS.dim(), "2: (B, S)", "Add a batch axis with pcm[None].")
    require(
        may_be_empty or pcm_BS.shape[1] > 0,
        "pcm_BS.shape[1]",
        pcm_BS.shape[1],
        "at least one sample",
        "Give sound.",
    )
    require(
        bool(torch.isfinite(pcm_BS).all()),
        "pcm_BS",
        "NaN or infinite samples",
        "finite samples in [-1, 1]",
        "Check the file or the step that made these samples.",
    )
