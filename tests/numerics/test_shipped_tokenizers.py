"""The tokenizers in builds/, on recorded people: their codes are used, and streams give the whole's."""

import math
from pathlib import Path

import pytest
import torch

from omni_audio.audio.io import load_audio
from omni_audio.model.build import load_tokenizer
from omni_audio.tokenizer.code_usage import code_counts, usage_perplexity
from omni_audio.tokenizer.streaming import decode_blocks, encode_blocks
from omni_audio.tokenizer.tokenizer import AudioTokenizer

ROOT = Path(__file__).parents[2]
CLIPS = sorted((ROOT / "tests" / "data").glob("*.flac"))
LEAST_ENTROPY = 0.6


@pytest.fixture(scope="module", params=sorted(path.name for path in (ROOT / "builds").glob("*-tokenizer-*")))
def shipped(request: pytest.FixtureRequest) -> AudioTokenizer:
    return load_tokenizer(ROOT / "builds" / request.param).eval()


def test_every_codebook_is_used(shipped: AudioTokenizer) -> None:
    size = shipped.config.vq.codebook_size
    codes_NK = torch.cat([shipped.acoustic_codes(load_audio(clip)[None])[0] for clip in CLIPS])
    # a share of what the codebook could have, though so few frames cannot reach all of it
    shares_K = usage_perplexity(code_counts(codes_NK, size)).log() / math.log(size)
    assert float(shares_K.min()) > LEAST_ENTROPY


def test_a_recording_streamed_is_the_recording_whole(shipped: AudioTokenizer) -> None:
    pcm_S = load_audio(CLIPS[0])
    codes = list(encode_blocks(shipped, pcm_S.split(777)))
    acoustic_BFK = torch.cat([block.acoustic_BFK for block in codes], 1)
    assert torch.equal(acoustic_BFK, shipped.acoustic_codes(pcm_S[None]))
    streamed_S = torch.cat(list(decode_blocks(shipped, acoustic_BFK.split(3, 1))))
    torch.testing.assert_close(streamed_S, shipped.decode(acoustic_BFK)[0], atol=1e-4, rtol=0)
