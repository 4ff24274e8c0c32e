"""Every codec behind the one interface: what goes in comes out, and the bits are counted."""

import importlib.util

import pytest
import torch

from omni_audio.audio.io import load_audio
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import import_optional
from omni_audio.evaluation.codec_memory import BARE, peak_rss_mib
from omni_audio.evaluation.codec_registry import CodecShelf, parse_spec
from omni_audio.evaluation.codec_speed import speed_ratios, spread, step_times_ms, time_codecs
from omni_audio.evaluation.signal_quality import align, find_lag_samples, si_sdr_db
from omni_audio.tokenizer.codec import (
    BaselineWeights,
    StreamingCodec,
    TokenizerCodec,
    from_pcm16,
    to_pcm16,
)
from omni_audio.tokenizer.codec2_baseline import Codec2Baseline
from omni_audio.tokenizer.encodec_baseline import EncodecBaseline
from omni_audio.tokenizer.mimi_baseline import MimiBaseline
from omni_audio.tokenizer.opus_baseline import OpusBaseline

HAS_CODEC2 = importlib.util.find_spec("pycodec2") is not None
HAS_TRANSFORMERS = importlib.util.find_spec("transformers") is not None
needs_codec2 = pytest.mark.skipif(not HAS_CODEC2, reason="pycodec2 is not installed (extra bench)")
needs_transformers = pytest.mark.skipif(
    not HAS_TRANSFORMERS, reason="transformers is not installed (extra bench)"
)


@pytest.fixture(scope="module")
def speech():
    return load_audio("tests/data/allison-vm-msgsaved.flac")


@pytest.fixture(scope="module")
def encodec():
    return EncodecBaseline(6.0)


@pytest.fixture(scope="module")
def mimi():
    from transformers import MimiConfig

    config = MimiConfig(
        hidden_size=32,
        num_filters=4,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        codebook_size=64,
        codebook_dim=16,
        vector_quantization_hidden_dimension=16,
        upsample_groups=32,
        num_quantizers=4,
    )
    return MimiBaseline(3, config=config)


def check_round_trip(codec, pcm_S):
    coded = codec.encode(pcm_S)
    decoded_S = codec.decode(coded)
    assert decoded_S.shape == pcm_S.shape
    assert decoded_S.dtype == torch.float32
    assert torch.isfinite(decoded_S).all()
    seconds = pcm_S.numel() / SAMPLE_RATE_HZ
    # the last frame is coded whole: at most 80 ms more than the clip
    assert codec.kbps * seconds * 1000 <= coded.num_bits <= codec.kbps * (seconds + 0.081) * 1000
    return decoded_S


@pytest.mark.parametrize("kept", [1, 2, 4])
def test_our_tokenizer(tiny_tokenizer, speech, kept):
    codec = TokenizerCodec(tiny_tokenizer, kept)
    decoded_S = check_round_trip(codec, speech)
    codes = tiny_tokenizer.encode(speech[None])
    whole_BS = tiny_tokenizer.decode(codes.acoustic_BFK[..., :kept])
    assert torch.equal(decoded_S, whole_BS[0, : speech.numel()])
    assert codec.kbps == tiny_tokenizer.config.kilobits_per_second(kept)


def test_our_codebooks_are_limited(tiny_tokenizer):
    with pytest.raises(ValueError, match="num_codebooks = 5"):
        TokenizerCodec(tiny_tokenizer, 5)


def test_our_stream_is_our_offline_sound(tiny_tokenizer, speech):
    codec = TokenizerCodec(tiny_tokenizer, 4)
    step = codec.open_stream()
    whole_S = speech[: speech.numel() // codec.step_samples * codec.step_samples]
    streamed_S = torch.cat([step(chunk_S) for chunk_S in whole_S.split(codec.step_samples)])
    offline_S = codec.decode(codec.encode(whole_S))
    assert streamed_S.numel() >= whole_S.numel() - 2 * codec.step_samples
    assert torch.allclose(streamed_S, offline_S[: streamed_S.numel()], atol=1e-4)


@pytest.mark.parametrize("kbps", [6, 12])
def test_opus(speech, kbps):
    codec = OpusBaseline(kbps)
    decoded_S = check_round_trip(codec, speech)
    lag = find_lag_samples([speech], [decoded_S])
    assert abs(lag) <= 3  # the pre-skip is cut
    quality = si_sdr_db(*align(speech, decoded_S, lag))
    assert quality is not None
    assert quality > 3


def test_opus_streams(speech):
    codec = OpusBaseline(6)
    step = codec.open_stream()
    chunks = [chunk for chunk in speech.split(codec.step_samples) if chunk.numel() == codec.step_samples]
    streamed_S = torch.cat([step(chunk_S) for chunk_S in chunks])
    decoded_S = codec.decode(codec.encode(speech))
    shared = decoded_S.numel() - 4 * codec.step_samples
    assert torch.allclose(streamed_S[104 : 104 + shared], decoded_S[:shared], atol=1e-5)


def test_opus_refuses_rates_that_it_does_not_hold():
    with pytest.raises(ValueError, match="opus kbps = 3"):
        OpusBaseline(3)


@needs_codec2
@pytest.mark.parametrize("kbps", [0.7, 1.2, 3.2])
def test_codec2(speech, kbps):
    codec = Codec2Baseline(kbps)
    decoded_S = check_round_trip(codec, speech)
    # the loudness goes the same way, though the waveform does not
    lag = find_lag_samples([speech], [decoded_S])
    loud = [
        part_S[: part_S.numel() // 800 * 800].view(-1, 800).std(1) for part_S in align(speech, decoded_S, lag)
    ]
    assert torch.corrcoef(torch.stack(loud))[0, 1] > 0.7
    step = codec.open_stream()
    streamed_S = torch.cat([step(chunk_S) for chunk_S in speech.split(codec.step_samples)])
    assert streamed_S.numel() > 0.9 * speech.numel()


@needs_codec2
def test_codec2_refuses_other_rates():
    with pytest.raises(ValueError, match="codec2 kbps = 6"):
        Codec2Baseline(6)


def test_encodec(encodec, speech):
    check_round_trip(encodec, speech)
    assert not encodec.is_trained
    assert encodec.num_parameters > 10_000_000
    with pytest.raises(ValueError, match="encodec kbps"):
        EncodecBaseline(2.0)


def test_encodec_without_weights(tmp_path):
    with pytest.raises(ValueError, match="use random weights"):
        EncodecBaseline(6.0, BaselineWeights.pretrained, tmp_path)


@needs_transformers
def test_mimi(mimi, speech):
    check_round_trip(mimi, speech)
    assert mimi.kbps == pytest.approx(3 * 6 * 12.5 / 1000)


@needs_transformers
def test_mimi_from_a_folder(mimi, speech, tmp_path):
    with pytest.raises(ValueError, match="use random weights"):
        MimiBaseline(3, BaselineWeights.pretrained, tmp_path / "nothing")
    mimi.model.save_pretrained(tmp_path)
    again = MimiBaseline(3, BaselineWeights.pretrained, tmp_path)
    assert again.is_trained
    assert torch.allclose(again.decode(again.encode(speech)), mimi.decode(mimi.encode(speech)), atol=1e-5)


def test_who_streams(tiny_tokenizer, encodec):
    assert isinstance(TokenizerCodec(tiny_tokenizer, 1), StreamingCodec)
    assert isinstance(OpusBaseline(6), StreamingCodec)
    assert not isinstance(encodec, StreamingCodec)


@pytest.mark.parametrize("bad_S", [torch.zeros(0), torch.zeros(1, 100)])
def test_a_clip_is_one_row_with_samples(tiny_tokenizer, bad_S):
    for codec in (TokenizerCodec(tiny_tokenizer, 1), OpusBaseline(6)):
        with pytest.raises(ValueError, match=r"pcm_S.shape"):
            codec.encode(bad_S)


def test_16_bits_there_and_back():
    pcm_S = torch.tensor([-1.0, 0.0, 0.25, 1.0])
    assert torch.allclose(from_pcm16(to_pcm16(pcm_S)), pcm_S, atol=1e-4)
    assert to_pcm16(torch.tensor([3.0]))[0] == 32767


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"package pycodec2 is missing.*omni-audio\[bench\]"):
        Codec2Baseline(1.2)
    with pytest.raises(ValueError, match=r"omni-audio\[bench\]"):
        import_optional("transformers.models", "mimi")


def test_codecs_by_name(tmp_path):
    assert parse_spec("codec2:1.2") == ("codec2", 1.2)
    assert CodecShelf(build=tmp_path).make("opus:9").kbps == 9
    for wrong in ("opus", "opus:fast", "mimi:1.5", "speex:8", "omni_audio:0"):
        with pytest.raises(ValueError, match="codec = "):
            parse_spec(wrong)


def test_memory_is_that_of_the_codec_alone(tmp_path):
    own = bytearray(b"x") * 700_000_000  # this process is large, the measured one is not
    bare, opus = (peak_rss_mib(spec, tmp_path, 1.0) for spec in (BARE, "opus:6"))
    del own
    assert 50 < bare < 700
    assert bare - 30 < opus < bare + 100
    with pytest.raises(ValueError, match="peak memory of 'opus:1'"):
        peak_rss_mib("opus:1", tmp_path, 1.0)


def test_timings(tiny_tokenizer, speech):
    codecs = {"ours": TokenizerCodec(tiny_tokenizer, 4), "opus": OpusBaseline(6)}
    before = torch.get_num_threads()
    found = time_codecs(codecs, speech, [1, 2], repeats=2)
    assert torch.get_num_threads() == before
    assert set(found) == {(name, threads) for name in codecs for threads in (1, 2)}
    assert all(len(timing.both_rtf) == 2 and min(timing.both_rtf) > 0 for timing in found.values())
    assert len(speed_ratios(found["ours", 1], found["opus", 1])) == 2
    assert spread([1.0, 3.0]) == {"median": 2.0, "q1": 1.5, "q3": 2.5, "min": 1.0, "max": 3.0}
    steps = step_times_ms(codecs, speech)
    assert len(steps["ours"]) == speech.numel() // 1280 - 1
