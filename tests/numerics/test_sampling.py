"""Sampling: each filter keeps what it says, in the order of the reference; a stream's draws are its own."""

from collections import Counter
from collections.abc import Iterable

import pytest
import torch
from drawn_streams import document, run, said_by
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_audio.model.events import AudioFrame, TextToken
from omni_audio.model.generate import Generator
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sampling import Sampler, choose
from omni_audio.model.sequence import Mode
from omni_audio.model.text import NUM_SPECIAL, TextTokenizer
from omni_audio.model.transformer import OmniModel

NEVER = float("-inf")
LOGITS = st.lists(st.floats(-6, 6, width=32), min_size=1, max_size=24)


def chosen(sampler: Sampler, logits: list[float], seen: Iterable[int] = ()) -> int:
    return choose([sampler], torch.tensor([logits]), [Counter(seen)])[0]


def drawn(logits: list[float], num: int = 120, seen: tuple[int, ...] = (), **settings_: object) -> set[int]:
    """Ids that `num` draws gave."""
    sampler = Sampler(seed=1, **settings_)
    return {chosen(sampler, logits, seen) for _ in range(num)}


def reference(logits: list[float], seen: set[int], settings_: dict, edge: float = 0.0) -> dict[int, float]:
    """Probabilities written out, id by id: penalty, temperature, top-k, top-p, min-p.

    `edge` widens each filter, since rounding decides at its very edge.
    """
    penalty = settings_["repetition_penalty"]
    score = {
        i: (x / penalty if x > 0 else x * penalty) if i in seen else x
        for i, x in enumerate(logits)
        if x != NEVER
    }
    score = {i: x / settings_["temperature"] for i, x in score.items()}
    if settings_["top_k"] is not None:
        least = sorted(score.values(), reverse=True)[: settings_["top_k"]][-1]
        score = {i: x for i, x in score.items() if x >= least - edge}
    best = max(score.values())
    weight = {i: 2.718281828459045 ** (x - best) for i, x in score.items()}
    total = sum(weight.values())
    before = {i: sum(other for other in weight.values() if other > w + edge) for i, w in weight.items()}
    kept = {i: w / total for i, w in weight.items() if before[i] / total <= settings_["top_p"] + edge}
    most = max(kept.values())
    kept = {i: p for i, p in kept.items() if p >= (settings_["min_p"] - edge) * most}
    return {i: p / sum(kept.values()) for i, p in kept.items()}


@settings(max_examples=80, deadline=None)
@given(
    logits=LOGITS,
    seen=st.sets(st.integers(0, 23)),
    temperature=st.floats(0.05, 2),
    top_k=st.none() | st.integers(1, 30),
    top_p=st.sampled_from([0.0, 0.31, 0.62, 0.93, 1.0]),
    min_p=st.sampled_from([0.0, 0.013, 0.11, 0.7]),
    repetition_penalty=st.sampled_from([0.8, 1.0, 1.3, 3.0]),
)
def test_draws_come_from_the_reference(logits: list[float], seen: set[int], **settings_: object) -> None:
    seen = {i for i in seen if i < len(logits)}
    found = drawn(logits, 25, tuple(seen), **settings_)
    expected = reference(logits, seen, settings_, edge=1e-4)
    assert found <= set(expected)
    assert {i for i, p in expected.items() if p > 0.6} <= found


def test_frequencies_are_the_reference_probabilities() -> None:
    logits = [2.0, 1.5, 1.0, 0.0, -1.0, NEVER]
    settings_ = {"temperature": 0.9, "top_k": 4, "top_p": 0.93, "min_p": 0.05, "repetition_penalty": 1.5}
    sampler = Sampler(seed=7, **settings_)
    draws = torch.tensor([chosen(sampler, logits, {0}) for _ in range(4000)])
    expected = reference(logits, {0}, settings_)
    for token in range(len(logits)):
        assert abs(float((draws == token).float().mean()) - expected.get(token, 0.0)) < 0.03


def test_each_filter_keeps_what_it_says() -> None:
    logits = [3.0, 2.9, 1.0, 0.0, NEVER]
    assert drawn(logits, temperature=2.0) == {0, 1, 2, 3}
    assert drawn(logits, temperature=2.0, top_p=0.6) == {0, 1}
    assert drawn(logits, temperature=2.0, top_k=3) == {0, 1, 2}
    assert drawn(logits, temperature=2.0, top_k=1) == {0}
    assert drawn([1.0, 2.0, 2.0, 0.0], temperature=1.0, top_k=1) == {1, 2}
    assert drawn(logits, temperature=2.0, min_p=0.3) == {0, 1, 2}
    assert drawn(logits, temperature=1.0, min_p=0.3) == {0, 1}
    assert drawn(logits, temperature=2.0, top_p=0.0) == drawn(logits, temperature=2.0, min_p=1.0) == {0}
    assert drawn(logits, num=1) == {0}


def test_the_penalty_weakens_what_was_seen_greedy_too() -> None:
    logits = [3.0, 2.0, -0.1, -0.15]
    assert chosen(Sampler(repetition_penalty=1.6), logits, {0}) == 1
    assert chosen(Sampler(repetition_penalty=1.6), logits, {0, 1}) == 0
    assert chosen(Sampler(repetition_penalty=2.0), logits[2:], {0}) == 1
    assert chosen(Sampler(repetition_penalty=0.5), logits, {1}) == 1
    assert chosen(Sampler(repetition_penalty=9.0), [NEVER, 1.0], {0, 1}) == 1
    assert chosen(Sampler(), logits, {0}) == 0


def test_what_is_added_and_subtracted() -> None:
    logits = [3.0, 2.0, 1.0, NEVER]
    assert chosen(Sampler(presence_penalty=1.5), logits, [0]) == 1
    assert chosen(Sampler(presence_penalty=1.5), logits, [0, 0, 0, 1]) == 0
    assert chosen(Sampler(frequency_penalty=0.6), logits, [0]) == 0
    assert chosen(Sampler(frequency_penalty=0.6), logits, [0, 0]) == 1
    assert chosen(Sampler(frequency_penalty=1.0, presence_penalty=0.5), logits, [0, 0, 1]) == 2
    assert chosen(Sampler(frequency_penalty=-2.0), logits, [2, 2]) == 2
    assert chosen(Sampler(bias={2: 2.5}), logits) == 2
    assert chosen(Sampler(bias={0: -100.0, 3: 100.0}), logits) == 1, "what is forbidden stays so"
    assert drawn([0.0, 0.0, 0.0], temperature=1.0, bias={1: 100.0}) == {1}


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.floats(0, 2)), min_size=2, max_size=9),
    seed=st.integers(0, 99),
)
def test_a_row_is_drawn_alike_whatever_lies_beside_it(rows: list[tuple[int, float]], seed: int) -> None:
    def samplers() -> list[Sampler]:
        return [
            Sampler(
                temperature=0.0 if temperature < 0.1 else temperature,
                top_k=(None, 3)[kind % 2],
                top_p=(1.0, 0.8)[kind // 2],
                min_p=(0.0, 0.1)[kind % 2],
                repetition_penalty=(1.0, 1.4)[kind // 2],
                frequency_penalty=(0.0, 0.7)[kind % 2],
                bias=({}, {3: 1.5, 20: -4.0})[kind // 2],
                seed=seed + i,
            )
            for i, (kind, temperature) in enumerate(rows)
        ]

    logits_BV = torch.randn(len(rows), 50, generator=torch.Generator().manual_seed(seed)) * 3
    seen = [Counter([*range(i), *range(0, i, 2)]) for i in range(len(rows))]
    together, alone = samplers(), samplers()
    for _ in range(5):
        apart = [choose([s], logits_BV[i : i + 1], [seen[i]])[0] for i, s in enumerate(alone)]
        assert choose(together, logits_BV, seen) == apart


@pytest.mark.parametrize("logits", [[NEVER, NEVER], [1.0, float("nan")]])
def test_nothing_to_draw_from_is_named(logits: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^logits = 'NaN or none that is finite' is not allowed"):
        chosen(Sampler(temperature=1.0), logits)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 1e-9),
        ("temperature", 2.1),
        ("temperature", float("nan")),
        ("top_k", 0),
        ("top_p", 1.1),
        ("min_p", -0.1),
        ("min_p", float("nan")),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", float("inf")),
    ],
)
def test_settings_out_of_range_are_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} = .* is not allowed: expected "):
        Sampler(**{name: value})
    with pytest.raises(ValueError, match=f"^audio_{name} = .* is not allowed: expected "):
        GenerationRequest(mode=Mode.REPLY_AUDIO, **{f"audio_{name}": value})


def test_seeds_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match=r"^seed = "):
        GenerationRequest(mode=Mode.REPLY_AUDIO, seed=2**64)


# ---- in streams ----


def answered(model: OmniModel, text: TextTokenizer, num_frames: int = 12, **settings_: object) -> list:
    mode = settings_.pop("mode", Mode.REPLY_TEXT)
    facts = {"max_text_tokens": 40, "max_frames": 24, **settings_}
    generator = Generator(model, 1)
    generator.open(0, document(model, text, num_frames, mode), GenerationRequest(mode=mode, **facts))
    return run(generator, 0)


def test_the_text_penalty_is_over_the_answers_own_text(
    tiny_model: OmniModel, tiny_text: TextTokenizer
) -> None:
    plain = [e.id for e in answered(tiny_model, tiny_text) if isinstance(e, TextToken)]
    other = [
        e.id for e in answered(tiny_model, tiny_text, repetition_penalty=10.0) if isinstance(e, TextToken)
    ]
    assert other[0] == plain[0], "nothing was said before the first id"
    assert len(set(other)) > len(set(plain))


@pytest.mark.parametrize("penalty", ["repetition_penalty", "audio_repetition_penalty"])
def test_each_penalty_keeps_to_its_own_ids(
    tiny_model: OmniModel, tiny_text: TextTokenizer, penalty: str
) -> None:
    """A greedy spoken reply; where the text is fixed, the text's penalty changes no frame, the sound's does."""
    script = [list(range(NUM_SPECIAL + 10, NUM_SPECIAL + 16))]
    facts = {"mode": Mode.SAY, "script": script, "audio_temperature": 0.0}
    plain = said_by(answered(tiny_model, tiny_text, **facts))
    other = said_by(answered(tiny_model, tiny_text, **facts, **{penalty: 10.0}))
    assert (other == plain) == (penalty == "repetition_penalty")


def test_text_ids_are_counted_and_biased(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    """Greedy: a bias makes one id come for ever, and a penalty on how often it came ends that."""
    token = NUM_SPECIAL + 17

    def said(**settings_: object) -> list[int]:
        return [e.id for e in answered(tiny_model, tiny_text, **settings_) if isinstance(e, TextToken)]

    assert said(bias={token: 100.0}) == [token] * 40
    assert token not in said(bias={token: -100.0})
    counted = said(bias={token: 12.0}, frequency_penalty=1.0)
    assert counted[0] == token
    assert len(set(counted)) > 1
    spoken = {"mode": Mode.REPLY_AUDIO, "temperature": 0.0}
    words = [
        e.id
        for e in answered(tiny_model, tiny_text, bias={token: 100.0}, **spoken)
        if isinstance(e, TextToken)
    ]
    assert set(words) == {token}
    with pytest.raises(ValueError, match=r"^bias = 1 is not allowed: expected ids of text"):
        said(bias={1: 5.0})


def different_requests() -> list[GenerationRequest]:
    """Sixteen, each with its own mode, seed and settings."""
    modes = [Mode.REPLY_AUDIO, Mode.REPLY_TEXT, Mode.TRANSCRIBE, Mode.SAY]
    script = [[NUM_SPECIAL + 3 + i] for i in range(9)]
    return [
        GenerationRequest(
            mode=modes[i % 4],
            script=script if modes[i % 4] is Mode.SAY else [],
            temperature=(0.0, 0.7, 1.0, 1.6)[i // 4],
            top_k=(None, 50, 8, None)[(i // 2) % 4],
            top_p=(1.0, 0.9)[i % 2],
            min_p=(0.0, 0.02, 0.0)[i % 3],
            repetition_penalty=(1.0, 1.2, 1.0, 2.0, 0.9)[i % 5],
            audio_temperature=(0.8, 0.0, 1.2)[i % 3],
            audio_top_k=(None, 5)[(i // 3) % 2],
            audio_min_p=(0.0, 0.05)[(i // 5) % 2],
            audio_repetition_penalty=(1.0, 1.3)[(i // 4) % 2],
            seed=1000 + i,
            max_text_tokens=14 + i,
            max_frames=12 + i,
        )
        for i in range(16)
    ]


def test_a_stream_is_the_same_bytes_alone_and_among_fifteen(
    tiny_model: OmniModel, tiny_text: TextTokenizer
) -> None:
    """Prompts of all lengths, below and beyond the window; streams come in at different steps and end apart."""
    requests = different_requests()
    prompts = [
        document(tiny_model, tiny_text, 3 + 11 * i, request.mode) for i, request in enumerate(requests)
    ]
    alone = []
    for prompt, request in zip(prompts, requests, strict=True):
        generator = Generator(tiny_model, 1)
        generator.open(0, prompt, request)
        alone.append(said_by(run(generator, 0)))
    crowd = Generator(tiny_model, 16)
    events: dict[int, list] = {slot: [] for slot in range(16)}
    waiting = list(enumerate(zip(prompts, requests, strict=True)))
    while waiting or crowd.streams:
        for slot, (prompt, request) in waiting[:3]:
            crowd.open(15 - slot, prompt, request)
        del waiting[:3]
        for event in crowd.step():
            events[15 - event.slot].append(event)
    assert [said_by(events[i]) for i in range(16)] == alone
    assert any(isinstance(event, AudioFrame) for event in events[0])
    assert len({str(said) for said in alone}) == 16
