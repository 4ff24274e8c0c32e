"""The tokenizer: streaming equals offline, causality, gradients through the quantisers."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_tokenizer_config
from torchaudio.functional import melscale_fbanks

from omni_audio.audio.mel import LOG_FLOOR, LOG_MEAN, LOG_SCALE, LogMel, LogMelConfig
from omni_audio.audio.units import FRAME_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ
from omni_audio.tokenizer.semantic import (
    CTC_BLANK,
    FiniteScalarQuantizer,
    SemanticInput,
    ctc_to_text,
    text_to_ctc,
)
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.tokenizer.vector_quantizer import (
    ResidualVectorQuantizer,
    VectorQuantizerConfig,
    straight_through,
)
from omni_audio.tokenizer.vocoder import Vocoder, VocoderConfig


def speechlike(num_samples: int, seed: int = 0) -> torch.Tensor:
    """A noisy chirp (1, S): something with structure in time."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(num_samples) / 16000
    tone = torch.sin(2 * torch.pi * (200 + 300 * time) * time) * (torch.sin(2 * torch.pi * 4 * time) > 0)
    return (0.3 * tone + 0.01 * torch.randn(num_samples, generator=generator))[None]


def test_mel_equals_a_plain_computation() -> None:
    config = LogMelConfig()
    pcm_BS = speechlike(3200)
    mel_BTM, _ = LogMel(config)(pcm_BS)
    padded = torch.cat([torch.zeros(1, config.window_samples - HOP_SAMPLES), pcm_BS], -1)
    frames = padded.unfold(-1, config.window_samples, HOP_SAMPLES)
    spectrum = torch.fft.rfft(frames * torch.hann_window(config.window_samples)).abs()
    banks = melscale_fbanks(
        config.window_samples // 2 + 1,
        config.f_min_hz,
        config.f_max_hz,
        config.num_mels,
        16000,
        "slaney",
        "slaney",
    )
    expected = ((spectrum @ banks).clamp_min(LOG_FLOOR).log() - LOG_MEAN) / LOG_SCALE
    torch.testing.assert_close(mel_BTM, expected, atol=1e-4, rtol=1e-4)


def test_mel_does_not_depend_on_the_batch(tiny_tokenizer: AudioTokenizer) -> None:
    quiet, loud = speechlike(6400, 1) * 0.01, speechlike(6400, 2)
    together, _ = tiny_tokenizer.mel(torch.cat([quiet, loud]))
    alone, _ = tiny_tokenizer.mel(quiet)
    torch.testing.assert_close(together[:1], alone)


@pytest.fixture(
    scope="module", params=["12.5 Hz", "12.5 Hz, hop 320, columns", "25 Hz", "25 Hz, correlogram, columns"]
)
def any_tokenizer(request: pytest.FixtureRequest, tiny_tokenizer: AudioTokenizer) -> AudioTokenizer:
    """The tiny tokenizer at each frame rate, hop and kind of features that a config can ask for."""
    if request.param == "12.5 Hz":
        return tiny_tokenizer
    torch.manual_seed(0)
    config = tiny_tokenizer_config()
    if "25 Hz" in request.param and "12.5" not in request.param:
        lags = 8 if "correlogram" in request.param else 0
        config = replace(config, patch_mel_frames=4, pitch_lags_per_octave=lags)
    else:
        vocoder = replace(config.vocoder, hop_samples=320, n_fft=960, expansion=2)
        config = replace(config, vocoder=vocoder, pitch_lags_per_octave=24)
    if "columns" in request.param:
        widths = [12, 14] if config.patch_mel_frames == 8 else [12]
        semantic = replace(config.semantic, reads=SemanticInput.columns, stem_widths=widths)
        config = replace(config, semantic=semantic)
    tokenizer = AudioTokenizer(config).eval()
    for book in tokenizer.quantizer.codebooks:
        book.get_buffer("vectors").normal_()
    return tokenizer


def test_the_frame_rate_decides_frames_bits_and_samples(any_tokenizer: AudioTokenizer) -> None:
    config = any_tokenizer.config
    assert config.frame_samples * config.frame_rate_hz == SAMPLE_RATE_HZ
    codes = any_tokenizer.encode(speechlike(2 * SAMPLE_RATE_HZ))
    assert codes.semantic_BF.shape[1] == 2 * config.frame_rate_hz
    assert any_tokenizer.decode(codes.acoustic_BFK).shape == (1, 2 * SAMPLE_RATE_HZ)
    bits_a_frame = 4 * config.vq.num_codebooks + 4
    assert config.kilobits_per_second() == pytest.approx(bits_a_frame * config.frame_rate_hz / 1000)


@pytest.mark.parametrize(
    ("hop", "n_fft", "patch", "message"),
    [
        (160, 320, 8, "n_fft = 320 is not"),
        (480, 1440, 8, "hop_samples = 480 is not"),
        (320, 960, 4, "n_fft = 960 is not"),
    ],
)
def test_a_vocoder_that_cannot_work_is_refused(hop: int, n_fft: int, patch: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Vocoder(VocoderConfig(hop_samples=hop, n_fft=n_fft), 8, HOP_SAMPLES * patch)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 3000), min_size=1, max_size=8))
def test_streamed_encode_equals_offline(any_tokenizer: AudioTokenizer, cuts: list[int]) -> None:
    pcm_BS = speechlike(sum(cuts))
    state, pieces = any_tokenizer.initial_encoder_state(), []
    for chunk in pcm_BS.split(cuts, -1):
        codes, state = any_tokenizer.encode_stream(chunk, state)
        pieces.append(codes)
    whole = any_tokenizer.encode(pcm_BS)
    num_frames = sum(cuts) // any_tokenizer.config.frame_samples
    streamed = torch.cat([piece.acoustic_BFK for piece in pieces], 1)
    assert streamed.shape[1] == num_frames
    assert torch.equal(streamed, whole.acoustic_BFK[:, :num_frames])
    assert torch.equal(torch.cat([p.semantic_BF for p in pieces], 1), whole.semantic_BF[:, :num_frames])


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_streamed_decode_equals_offline(any_tokenizer: AudioTokenizer, cuts: list[int]) -> None:
    vq = any_tokenizer.config.vq
    codes_BFK = torch.randint(vq.codebook_size, (1, sum(cuts), vq.num_codebooks))
    state, pieces = any_tokenizer.initial_decoder_state(), []
    for chunk in codes_BFK.split(cuts, 1):
        pcm_BS, state = any_tokenizer.decode_stream(chunk, state)
        pieces.append(pcm_BS)
    pieces.append(any_tokenizer.vocoder.flush(state))
    torch.testing.assert_close(torch.cat(pieces, -1), any_tokenizer.decode(codes_BFK), atol=1e-4, rtol=0)


def test_first_sound_after_one_frame_and_the_stated_delay(any_tokenizer: AudioTokenizer) -> None:
    vq = any_tokenizer.config.vq
    pcm_BS, _ = any_tokenizer.decode_stream(
        torch.zeros(1, 1, vq.num_codebooks, dtype=torch.long), any_tokenizer.initial_decoder_state()
    )
    overlap = any_tokenizer.config.vocoder.overlap_samples
    assert pcm_BS.shape[1] == any_tokenizer.config.frame_samples - overlap > 0
    assert any_tokenizer.algorithmic_delay_samples == any_tokenizer.config.frame_samples + overlap


def test_no_frame_sees_the_future_by_gradient(any_tokenizer: AudioTokenizer) -> None:
    frame = any_tokenizer.config.frame_samples
    pcm_BS = speechlike(8 * frame).requires_grad_()
    patch_BFX, _ = any_tokenizer.features(pcm_BS)
    latent_BFD, _ = any_tokenizer.encoder(patch_BFX)
    # a feature for itself: the correlogram must not hide behind the mel columns
    (patch_BFX[:, 4, -1] + (latent_BFD[:, 4] * torch.arange(latent_BFD.shape[-1])).sum()).sum().backward()
    assert pcm_BS.grad is not None
    assert pcm_BS.grad[:, 5 * frame :].abs().max() == 0
    assert pcm_BS.grad[:, 4 * frame : 5 * frame].abs().max() > 0


def test_gradient_passes_straight_through_the_quantizers() -> None:
    config = VectorQuantizerConfig(num_codebooks=2, codebook_size=8, code_width=4, codebook_dropout=0.0)
    quantizer = ResidualVectorQuantizer(config, 6)
    x_BFD = torch.randn(2, 5, 6, requires_grad=True)
    quantized = quantizer(x_BFD, torch.ones(2, 5, dtype=torch.bool))
    quantized.latent_BFD.sum().backward()
    expected = (quantizer.expand.weight @ quantizer.reduce.weight).sum(0)
    torch.testing.assert_close(x_BFD.grad, expected.expand(2, 5, 6))
    values = torch.randn(1, 3, 2, requires_grad=True)
    FiniteScalarQuantizer([8, 5])(values)[0].sum().backward()
    assert values.grad is not None
    assert bool((values.grad != 0).all())
    assert torch.equal(straight_through(torch.zeros(2), torch.ones(2)), torch.ones(2))


def test_dead_codes_come_back_to_life_and_stay() -> None:
    torch.manual_seed(0)
    config = VectorQuantizerConfig(
        num_codebooks=1, codebook_size=16, code_width=2, codebook_dropout=0.0, decay=0.9
    )
    quantizer = ResidualVectorQuantizer(config, 2)
    book = quantizer.codebooks[0]
    mask = torch.ones(1, 256, dtype=torch.bool)
    with torch.no_grad():
        quantizer.reduce.weight.copy_(torch.eye(2))
        quantizer.reduce.bias.zero_()
    quantizer(torch.randn(1, 256, 2), mask)
    with torch.no_grad():
        book.vectors[4:] = 1000.0
        book.mean_sum[4:] = 1000.0
    for _ in range(60):
        quantized = quantizer(torch.randn(1, 256, 2), mask)
    assert len(quantized.codes_BFK.unique()) > 12


def test_fsq_codes_and_values_are_inverse() -> None:
    fsq = FiniteScalarQuantizer([8, 5, 3])
    codes = torch.arange(8 * 5 * 3)[None]
    values, again = fsq(torch.atanh(fsq.values(codes).clamp(-0.99, 0.99)) * 2)
    assert values.shape == (1, 120, 3)
    bounded, all_codes = fsq(torch.randn(1, 4000, 3) * 3)
    assert all_codes.min() >= 0
    assert all_codes.max() < 120
    assert len(all_codes.unique()) > 100
    torch.testing.assert_close(fsq.values(all_codes), bounded, atol=1e-5, rtol=0)
    assert again.shape == codes.shape


def test_ctc_text_round_trip() -> None:
    letters = text_to_ctc("Hello, all!")
    rows = [CTC_BLANK]
    for letter in letters.tolist():
        rows += [letter, CTC_BLANK]
    assert ctc_to_text(torch.nn.functional.one_hot(torch.tensor(rows), CTC_BLANK + 1).float()) == "hello all"


@pytest.mark.parametrize(
    ("pcm", "told"),
    [(torch.zeros(1, 0), "at least one sample"), (torch.tensor([[float("nan")] * 1280]), "NaN")],
)
def test_bad_sound_is_named(tiny_tokenizer: AudioTokenizer, pcm: torch.Tensor, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        tiny_tokenizer.encode(pcm)


def test_codes_out_of_range_are_named(tiny_tokenizer: AudioTokenizer) -> None:
    vq = tiny_tokenizer.config.vq
    with pytest.raises(ValueError, match=f"0 to {vq.codebook_size - 1}"):
        tiny_tokenizer.decode(torch.full((1, 2, vq.num_codebooks), vq.codebook_size))
    with pytest.raises(ValueError, match="codebooks"):
        tiny_tokenizer.decode(torch.zeros(1, 2, vq.num_codebooks + 1, dtype=torch.long))


def test_fewer_codebooks_decode_at_lower_rate(tiny_tokenizer: AudioTokenizer) -> None:
    codes = tiny_tokenizer.encode(speechlike(4 * FRAME_SAMPLES))
    assert tiny_tokenizer.decode(codes.acoustic_BFK[..., :1]).shape == (1, 4 * FRAME_SAMPLES)
    config = tiny_tokenizer.config
    assert config.kilobits_per_second(1, with_semantic=False) < config.kilobits_per_second()
