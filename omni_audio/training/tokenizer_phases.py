"""The two phases of the tokenizer's own training: spectral, then adversarial where the config asks for it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.callbacks import Callback

from omni_audio.audio.augment import Augment
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require
from omni_audio.data.corpora.manifests import CorpusPaths
from omni_audio.data.draws import draw_seed
from omni_audio.data.speech_cuts import tokenizer_cuts
from omni_audio.data.tokenizer_data import TokenizerCollate
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training.adversarial_task import AdversarialTask
from omni_audio.training.ema import EmaWeights
from omni_audio.training.fit import fit
from omni_audio.training.health import WatchCodes, WatchDiscriminator
from omni_audio.training.samples import DecodedSamples, sample_clips
from omni_audio.training.tokenizer_task import TokenizerTask

if TYPE_CHECKING:
    from omni_audio.config.schema import RootConfig

ADVERSARIAL = "adversarial"


def phase_facts(config: "RootConfig") -> list[Any]:
    """What a fingerprint must tell of the parts that are off by default; nothing where they are off.

    Raises:
        ValueError: a named manifest is missing, or codes that a build fixes would change.
    """
    adversarial = config.adversarial
    require(
        config.taken_tokenizer is None or not adversarial.enabled or adversarial.freeze_codes,
        "adversarial.freeze_codes",
        adversarial.freeze_codes,
        "true where tokenizer_build is taken",
        "The build's semantic level knows its codes only: freeze them, or set tokenizer_build=null.",
    )
    facts: list[Any] = []
    if config.taken_tokenizer is not None and not adversarial.enabled:
        return facts
    if adversarial.enabled:
        facts.append({"adversarial": adversarial})
    if config.tokenizer_ema.decay is not None:
        facts.append({"ema": config.tokenizer_ema})
    if not config.data.speech_cuts.is_plain:
        facts.append({"speech_cuts": config.data.speech_cuts.facts()})
    return facts


class TokenizerTraining:
    """Trains a tokenizer in place.

    Args:
        config: the whole configuration.
        paths: of the run's corpus.
        folder: of the stage; the adversarial phase has a folder of its own inside it.
        make_trainer: gives a Lightning Trainer.
    """

    def __init__(
        self, config: "RootConfig", paths: CorpusPaths, folder: Path, make_trainer: Callable[..., Any]
    ) -> None:
        self.config, self.paths, self.folder, self.make_trainer = config, paths, folder, make_trainer

    def spectral(self) -> AudioTokenizer:
        """A tokenizer trained from nothing: spectral loss, commitment, letters."""
        config = self.config
        torch.manual_seed(config.seed)
        tokenizer = AudioTokenizer(config.tokenizer)
        task = TokenizerTask(tokenizer, config.tokenizer_loss, config.tokenizer_training)
        self._fit(task, "tokenizer", self.folder, config.seed, [])
        return tokenizer

    def adversarial(self, tokenizer: AudioTokenizer) -> None:
        """Trains the decoder of a trained tokenizer further, against a discriminator; batches are drawn anew."""
        config = self.config
        seed = draw_seed(config.seed, ADVERSARIAL) % 2**31
        torch.manual_seed(seed)
        task = AdversarialTask(tokenizer, config.tokenizer_loss, config.adversarial)
        watch = [WatchDiscriminator(config.tokenizer_health)]
        self._fit(task, ADVERSARIAL, self.folder / ADVERSARIAL, seed, watch)

    def _fit(
        self, task: TokenizerTask, name: str, folder: Path, seed: int, callbacks: Sequence[Callback]
    ) -> None:
        config, tokenizer = self.config, task.tokenizer
        decay = config.tokenizer_ema.decay
        ema = None if decay is None else EmaWeights(tokenizer, decay)
        train, dev = (
            tokenizer_cuts(self.paths, config.data.speech_cuts, split) for split in ("train", "dev")
        )
        loss = config.tokenizer_loss
        piece_frames = None if loss.whole_utterances else loss.segment_frames
        frame_samples = config.tokenizer.frame_samples
        collates = (
            TokenizerCollate(
                Augment(config.data.augment), seed, piece_frames, loss.clean_targets, frame_samples
            ),
            TokenizerCollate(None, seed, frame_samples=frame_samples),
        )
        clips = sample_clips(dev, config.tokenizer_samples)
        every = [
            *callbacks,
            WatchCodes(config.tokenizer_health, config.tokenizer.vq.codebook_size),
            DecodedSamples(tokenizer, folder, clips),
            *([] if ema is None else [ema]),
        ]
        fit(
            task,
            name,
            folder,
            task.training_config,
            (train, collates[0]),
            (dev, collates[1]),
            seed,
            self.make_trainer,
            every,
            None if piece_frames is None else piece_frames * frame_samples / SAMPLE_RATE_HZ,
        )
        if ema is not None:
            ema.use()
