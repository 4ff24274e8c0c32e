"""Whisper's encoder from a checkpoint file as OpenAI publishes them, in the form of transformers.

Source: the names of the weights in openai/whisper (model.py) and in transformers (modeling_whisper.py).
"""

from pathlib import Path
from typing import Any

import torch

from omni_audio.checks import import_optional, require, require_file

_PREFIX = "encoder."
# in this order: `attn_ln` before `attn`
_RENAMED = (
    ("blocks.", "layers."),
    ("attn_ln.", "self_attn_layer_norm."),
    ("attn.query.", "self_attn.q_proj."),
    ("attn.key.", "self_attn.k_proj."),
    ("attn.value.", "self_attn.v_proj."),
    ("attn.out.", "self_attn.out_proj."),
    ("mlp_ln.", "final_layer_norm."),
    ("mlp.0.", "fc1."),
    ("mlp.2.", "fc2."),
    ("ln_post.", "layer_norm."),
    ("positional_embedding", "embed_positions.weight"),
)


def load_openai_encoder(path: Path) -> Any:
    """The encoder, float32, in evaluation mode.

    Raises:
        ValueError: no such file, or it is not a whole Whisper checkpoint.
    """
    require_file("Whisper checkpoint", path)
    modeling = import_optional("transformers.models.whisper.modeling_whisper", "semantic_loss.teacher")
    stored = torch.load(path, map_location="cpu", weights_only=True)
    require(
        isinstance(stored, dict) and {"dims", "model_state_dict"} <= set(stored),
        "Whisper checkpoint",
        str(path),
        "a file of OpenAI's with `dims` and `model_state_dict`",
        "Name such a file, or a folder of transformers.",
    )
    sizes = stored["dims"]
    encoder = modeling.WhisperEncoder(
        modeling.WhisperConfig(
            num_mel_bins=sizes["n_mels"],
            d_model=sizes["n_audio_state"],
            encoder_layers=sizes["n_audio_layer"],
            encoder_attention_heads=sizes["n_audio_head"],
            encoder_ffn_dim=4 * sizes["n_audio_state"],
            max_source_positions=sizes["n_audio_ctx"],
        )
    )
    weights = {
        _renamed(name.removeprefix(_PREFIX)): weight.float()
        for name, weight in stored["model_state_dict"].items()
        if name.startswith(_PREFIX)
    }
    wanted = set(encoder.state_dict())
    require(
        set(weights) == wanted,
        "Whisper checkpoint",
        str(path),
        f"all weights of the encoder; these differ: {sorted(set(weights) ^ wanted)[:3]}",
        "Take a whole checkpoint.",
    )
    encoder.load_state_dict(weights)
    return encoder.eval()


def _renamed(name: str) -> str:
    for theirs, ours in _RENAMED:
        name = name.replace(theirs, ours)
    return name
