"""Configs of networks as small as they go."""

from omni_audio.model.depth import DepthConfig
from omni_audio.model.sequence import LayoutConfig
from omni_audio.model.transformer import ModelConfig
from omni_audio.tokenizer.acoustic import AcousticEncoderConfig
from omni_audio.tokenizer.semantic import SemanticConfig
from omni_audio.tokenizer.tokenizer import TokenizerConfig
from omni_audio.tokenizer.vector_quantizer import VectorQuantizerConfig
from omni_audio.tokenizer.vocoder import VocoderConfig


def tiny_tokenizer_config() -> TokenizerConfig:
    """Every part of the tokenizer, as small as it goes."""
    return TokenizerConfig(
        encoder=AcousticEncoderConfig(width=16, num_blocks=2, kernel=3),
        vq=VectorQuantizerConfig(num_codebooks=4, codebook_size=16, code_width=8),
        semantic=SemanticConfig(num_coarse=2, width=16, num_blocks=2, num_decoder_blocks=1, levels=[4, 4]),
        vocoder=VocoderConfig(frame_width=16, num_frame_blocks=1, width=16, num_blocks=2),
    )


def tiny_model_config(**changes: object) -> ModelConfig:
    """Every part of the network, as small as it goes."""
    facts: dict = {
        "num_text": 300,
        "width": 64,
        "num_layers": 2,
        "num_heads": 2,
        "mlp_width": 128,
        "window": 64,
        "layout": LayoutConfig(encoder_chunk=8, pinned_positions=16),
        "depth": DepthConfig(width=64, num_layers=1, num_heads=2, mlp_width=64, train_fraction=1.0),
    }
    return ModelConfig(**{**facts, **changes})
