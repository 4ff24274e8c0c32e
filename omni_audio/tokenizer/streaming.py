"""Sounds of any length through the tokenizer, block by block: what comes out equals whole encode() and decode()."""

from collections.abc import Iterable, Iterator

from torch import Tensor

from omni_audio.tokenizer.tokenizer import AudioCodes, AudioTokenizer


def encode_blocks(tokenizer: AudioTokenizer, blocks: Iterable[Tensor]) -> Iterator[AudioCodes]:
    """Codes of one sound, at least a frame at a time; the last frame is filled with zeros.

    Args:
        tokenizer: in evaluation mode.
        blocks: (S,) 16 kHz samples in [-1, 1], one after the other, of any sizes.

    Raises:
        ValueError: a sample is NaN or infinite.
    """
    state = tokenizer.initial_encoder_state()
    for pcm_S in blocks:
        codes, state = tokenizer.encode_stream(pcm_S[None], state)
        if codes.semantic_BF.shape[1] > 0:
            yield codes
    num_rest = state.rest_BS.shape[1]
    if num_rest > 0:
        yield tokenizer.encode_stream(
            state.rest_BS.new_zeros(1, tokenizer.config.frame_samples - num_rest), state
        )[0]


def decode_blocks(tokenizer: AudioTokenizer, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
    """Samples (S,) of one sound, as they are complete; `frame_samples` a frame in all.

    Args:
        tokenizer: in evaluation mode.
        blocks: (1, F, K') acoustic codes, one after the other, F >= 1, with the K' coarse codebooks that are kept.

    Raises:
        ValueError: too many codebooks, or a code out of range.
    """
    state = tokenizer.initial_decoder_state()
    for acoustic_BFK in blocks:
        pcm_BS, state = tokenizer.decode_stream(acoustic_BFK, state)
        yield pcm_BS[0]
    yield tokenizer.vocoder.flush(state)[0]
