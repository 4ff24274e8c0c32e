"""Augmentation: deterministic by its generator, finite, and each step does what it says."""

import time

import pytest
import torch
from torch import Tensor

from omni_audio.audio.augment import Augment, AugmentConfig

STEPS = ("timbre", "speed", "room", "noise", "telephone", "gain")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def clip() -> Tensor:
    time_s = torch.arange(24_000) / 16_000
    tone = sum(torch.sin(2 * torch.pi * hz * time_s) for hz in (120.0, 700.0, 5000.0))
    return 0.1 * tone * (0.6 + 0.4 * torch.sin(2 * torch.pi * 3 * time_s))


def only(step: str, **values: float) -> Augment:
    chances = {f"{name}_probability": float(name == step) for name in STEPS}
    return Augment(AugmentConfig(**chances, **values))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def band_energy(pcm_S: Tensor, low_hz: float, high_hz: float) -> float:
    power = torch.fft.rfft(pcm_S).abs().square()
    hz = torch.linspace(0, 8000, len(power))
    return float(power[(hz >= low_hz) & (hz < high_hz)].sum())


def test_same_generator_same_result_and_no_global_randomness(clip: Tensor) -> None:
    augment = Augment(AugmentConfig())
    original = clip.clone()
    state = torch.random.get_rng_state()
    for seed in range(30):
        first, second = augment(clip, seeded(seed)), augment(clip, seeded(seed))
        assert torch.equal(first, second)
        assert torch.isfinite(first).all()
        assert first.dtype == torch.float32
        assert float(first.abs().max()) <= 1.0
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(original, clip)
    assert not torch.equal(augment(clip, seeded(1)), augment(clip, seeded(2)))


def test_nothing_is_done_at_probability_zero(clip: Tensor) -> None:
    assert torch.equal(only("none")(clip, seeded(0)), clip)


@pytest.mark.parametrize("step", STEPS)
def test_each_step_changes_the_clip(clip: Tensor, step: str) -> None:
    changed = only(step)(clip, seeded(3))
    assert changed.shape != clip.shape or not torch.allclose(changed, clip)
    assert (len(changed) == len(clip)) == (step != "speed")


def test_speed_stays_in_range_and_moves_the_pitch() -> None:
    tone = torch.sin(2 * torch.pi * 400 * torch.arange(16_000) / 16_000) * 0.5
    augment = only("speed")
    lengths = set()
    for seed in range(60):
        out = augment(tone, seeded(seed))
        speed = 16_000 / len(out)
        assert 0.849 <= speed <= 1.181
        peak_hz = float(torch.fft.rfft(out).abs().argmax()) * 16_000 / len(out)
        assert peak_hz == pytest.approx(400 * speed, rel=0.01)
        lengths.add(len(out))
    assert len(lengths) > 8


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_noise_has_the_snr(clip: Tensor, snr_db: float) -> None:
    augment = only("noise", min_snr_db=snr_db, max_snr_db=snr_db)
    for seed in range(12):  # all four kinds
        noise = augment(clip, seeded(seed)) - clip
        measured = 10 * torch.log10(clip.square().mean() / noise.square().mean())
        assert float(measured) == pytest.approx(snr_db, abs=0.2)


def test_telephone_removes_what_lies_outside_the_band(clip: Tensor) -> None:
    out = only("telephone")(clip, seeded(0))
    assert band_energy(out, 4900, 5100) < 0.01 * band_energy(clip, 4900, 5100)
    assert band_energy(out, 0, 140) < 0.01 * band_energy(clip, 0, 140)
    assert band_energy(out, 650, 750) == pytest.approx(band_energy(clip, 650, 750), rel=0.1)


def test_room_keeps_the_level_and_adds_a_tail() -> None:
    click = torch.zeros(16_000)
    click[100] = 0.5
    out = only("room")(click, seeded(5))
    assert float(out.norm()) == pytest.approx(float(click.norm()), rel=1e-3)
    assert float(out[:100].abs().max()) < 1e-4  # causal
    assert float(out[300:1000].abs().max()) > 1e-4


def test_what_was_spoken_has_the_speaker_and_not_the_channel(clip: Tensor) -> None:
    everything = Augment(AugmentConfig(**{f"{name}_probability": 1.0 for name in STEPS}))
    heard, spoken = everything.heard_and_spoken(clip, seeded(4))
    assert torch.equal(heard, everything(clip, seeded(4)))
    assert heard.shape == spoken.shape
    assert len(spoken) != len(clip)
    for name in ("timbre", "speed", "gain"):
        heard, spoken = only(name).heard_and_spoken(clip, seeded(4))
        assert torch.equal(heard, spoken)
        assert heard.shape != clip.shape or not torch.equal(heard, clip)
    for name in ("room", "noise", "telephone"):
        heard, spoken = only(name).heard_and_spoken(clip, seeded(4))
        assert torch.equal(spoken, clip)
        assert not torch.equal(heard, clip)


@pytest.mark.parametrize(
    "pcm_S", [torch.zeros(16_000), torch.zeros(1), torch.ones(2), torch.full((161,), 0.3)]
)
def test_silence_and_tiny_clips_stay_finite(pcm_S: Tensor) -> None:
    augment = Augment(AugmentConfig(**{f"{name}_probability": 1.0 for name in STEPS}))
    for seed in range(8):
        out = augment(pcm_S, seeded(seed))
        assert len(out) >= 1
        assert torch.isfinite(out).all()


@pytest.mark.parametrize(
    "bad",
    [
        torch.zeros(0),
        torch.zeros(1, 100),
        torch.zeros(10, dtype=torch.int16),
        torch.tensor([0.0, float("nan")]),
    ],
)
def test_bad_clips_are_refused(bad: Tensor) -> None:
    with pytest.raises(ValueError, match="pcm_S"):
        Augment(AugmentConfig())(bad, seeded(0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("speed_probability", 1.5),
        ("noise_probability", -0.1),
        ("gain_probability", float("nan")),
        ("min_speed", 0.2),
        ("max_speed", 3.0),
        ("max_rt60_s", 0.01),
        ("max_snr_db", -10.0),
        ("telephone_high_hz", 9000.0),
        ("telephone_low_hz", 3300.0),
        ("max_gain_db", -1.0),
    ],
)
def test_bad_config_is_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        AugmentConfig(**{name: value})


def test_it_is_fast(clip: Tensor) -> None:
    augment = Augment(AugmentConfig())
    augment(clip, seeded(0))
    start = time.perf_counter()
    for seed in range(20):
        augment(clip, seeded(seed))
    assert (time.perf_counter() - start) / 20 < 0.1  # about 2 ms on one free core
