"""The delay pattern: rows and frames, who knows which code, cached and generated rows are those of training."""

import dataclasses
import re
from collections.abc import Callable
from unittest import mock

import pytest
import torch
from drawn_streams import drawn_codes, new_builder, run, said_by
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_model_config

from omni_audio.model.compiled import CompiledSteps
from omni_audio.model.delays import NO_CODE, CodeDelays, SaidRows
from omni_audio.model.events import AudioFrame, Finished, FinishReason, TextToken
from omni_audio.model.feeding import check_sequence
from omni_audio.model.generate import Generator
from omni_audio.model.heads import DelayHeads
from omni_audio.model.layout import CodePattern, LayoutConfig
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, SequenceBuilder, TokenSequence, pack
from omni_audio.model.text import Special, TextTokenizer
from omni_audio.model.transformer import AudioInput, OmniModel
from omni_audio.tokenizer.tokenizer import AudioCodes, AudioTokenizer

TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}
NUM_CODEBOOKS = 4
TEXT = "turn on it"


def late_layout(max_delay_frames: int | None = None, **more: object) -> LayoutConfig:
    facts: dict = {"encoder_chunk": 8, "pinned_positions": 16, **more}
    return LayoutConfig(pattern=CodePattern.delay, max_delay_frames=max_delay_frames, **facts)


def new_model(tokenizer: AudioTokenizer, seed: int = 1, **changes: object) -> OmniModel:
    torch.manual_seed(seed)
    model = OmniModel(tiny_model_config(**{"layout": late_layout(), **changes}), tokenizer.config).eval()
    model.load_codebooks(tokenizer)
    return model


@pytest.fixture(scope="module", params=[None, 1], ids=["one by one", "one frame"])
def model(request: pytest.FixtureRequest, tiny_tokenizer: AudioTokenizer) -> OmniModel:
    """Untrained; codebook k comes k frames late, or all but the first one frame late."""
    return new_model(tiny_tokenizer, layout=late_layout(request.param))


def scripted(model: OmniModel, text: TextTokenizer, codes: AudioCodes) -> TokenSequence:
    """A request and a spoken answer of three words."""
    builder = new_builder(model, text).system("be kind").user_audio(drawn_codes(model, 9, seed=7))
    num_frames = codes.semantic_BF.shape[1]
    return builder.assistant(Mode.SAY).answer_script(TEXT, codes, [2, 5, num_frames]).end().build()


def row_places(sequence: TokenSequence) -> torch.Tensor:
    """Positions of the answer's rows."""
    return (sequence.target_T & (sequence.codes_TK >= 0).any(1)).nonzero()[:, 0]


def row_logits(model: OmniModel, sequence: TokenSequence) -> torch.Tensor:
    """(R, K, C) of every row of the answer, by the full pass."""
    places_R = row_places(sequence)
    hidden_TD = model(pack([[sequence]]))[0]
    assert isinstance(model.depth, DelayHeads)
    id_RD = model.embed(sequence.ids_T[places_R])
    return model.depth.row_logits(hidden_TD[places_R - 1], id_RD, model.codebook_vectors)


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(st.integers(0, 3), max_size=7),
    num_frames=st.integers(0, 12),
    seed=st.integers(0, 99),
)
def test_rows_become_the_same_frames_again(steps: list[int], num_frames: int, seed: int) -> None:
    delays = CodeDelays((0, *torch.tensor(steps).cumsum(0).tolist()))
    generator = torch.Generator().manual_seed(seed)
    codes_FK = torch.randint(0, 50, (num_frames, len(delays.frames)), generator=generator)
    rows_RK = delays.rows(codes_FK)
    assert torch.equal(delays.whole(rows_RK), codes_FK)
    assert int((rows_RK != NO_CODE).sum()) == codes_FK.numel()
    said = SaidRows(delays)
    came = [said.push(row_K) for row_K in rows_RK]
    whole = [frame_K for frame_K in came if frame_K is not None]
    assert [frame_K.tolist() for frame_K in whole] == codes_FK.tolist()
    assert all(frame_K is None for frame_K in came[: delays.longest])
    for row, row_K in enumerate(rows_RK):
        assert torch.equal(delays.is_said(row, num_frames), row_K != NO_CODE)


def test_delays_are_those_of_the_config() -> None:
    assert LayoutConfig().delays(4).frames == (0, 0, 0, 0)
    assert late_layout().delays(4).frames == (0, 1, 2, 3)
    assert late_layout(1).delays(4).frames == (0, 1, 1, 1)
    assert late_layout().delays(1).frames == (0,)
    for make, told in (
        (lambda: LayoutConfig(max_delay_frames=2), "max_delay_frames = 2 .* null where nothing is delayed"),
        (lambda: late_layout(0), "max_delay_frames = 0 .* at least 1"),
        (lambda: late_layout(4).delays(4), "max_delay_frames = 4 .* less than the 4 codebooks"),
    ):
        with pytest.raises(ValueError, match=told):
            make()


def test_an_answer_ends_with_its_late_codes(model: OmniModel, tiny_text: TextTokenizer) -> None:
    codes = drawn_codes(model, 8)
    longest = model.delays.longest
    for build in (
        lambda builder: builder.answer_speech(TEXT, codes),
        lambda builder: builder.answer_script(TEXT, codes, [2, 5, 8]),
    ):
        builder: SequenceBuilder = build(new_builder(model, tiny_text).assistant(Mode.REPLY_AUDIO))
        sequence = builder.end().build()
        assert sequence.num_frames == 8
        end = len(sequence) - longest
        assert sequence.ids_T[end - 1 :].tolist() == [Special.END] + [Special.AUDIO] * longest
        rows_RK = sequence.codes_TK[row_places(sequence)]
        assert torch.equal(model.delays.whole(rows_RK), codes.acoustic_BFK[0])
        check_sequence(sequence, model)
    heard = new_builder(model, tiny_text).user_audio(codes).assistant(Mode.TRANSCRIBE)
    written = heard.answer_text("on").end().build()
    is_heard_T = written.codes_TK[:, 0] >= 0
    assert torch.equal(written.codes_TK[is_heard_T], codes.acoustic_BFK[0]), "heard frames bring all codes"
    assert written.ids_T[-1] == Special.END
    assert written.ids_T.tolist().count(Special.AUDIO) == 1
    spoilt = written.codes_TK.clone()
    spoilt[-1, -1] = 0
    with pytest.raises(ValueError, match=r"sequence.codes_TK = .* later ones there or at <audio>"):
        check_sequence(dataclasses.replace(written, codes_TK=spoilt), model)


def test_a_code_changes_later_rows_alone(model: OmniModel, tiny_text: TextTokenizer) -> None:
    """Head k of row r knows code c of frame f where f + delay of c < r, and only there."""
    codes = drawn_codes(model, 6)
    with torch.no_grad():
        plain_RKC = row_logits(model, scripted(model, tiny_text, codes))
        for frame in (0, 3, 5):
            for book, delay in enumerate(model.delays.frames):
                acoustic = codes.acoustic_BFK.clone()
                acoustic[0, frame, book] = (acoustic[0, frame, book] + 1) % 16
                other = dataclasses.replace(codes, acoustic_BFK=acoustic)
                moved_RKC = row_logits(model, scripted(model, tiny_text, other))
                changed_R = ((moved_RKC - plain_RKC).abs().amax((1, 2)) > 1e-7).tolist()
                assert changed_R == [row > frame + delay for row in range(len(changed_R))]


def test_gradient_shows_that_no_head_sees_its_own_row(model: OmniModel, tiny_text: TextTokenizer) -> None:
    sequence = scripted(model, tiny_text, drawn_codes(model, 6))
    fed: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        fed.append(output.detach().requires_grad_())
        return fed[0]

    handle = model.frames.register_forward_hook(keep)
    try:
        num_rows = len(row_places(sequence))
        for row in range(num_rows):
            for book in range(NUM_CODEBOOKS):
                fed.clear()
                row_logits(model, sequence)[row, book].square().sum().backward()
                assert fed[0].grad is not None
                reached_R = (fed[0].grad.abs().sum(-1) > 0)[-num_rows:].tolist()
                assert reached_R == [earlier < row for earlier in range(num_rows)]
    finally:
        handle.remove()


@torch.no_grad()
def test_cached_equals_full(model: OmniModel, tiny_text: TextTokenizer) -> None:
    sequence = scripted(model, tiny_text, drawn_codes(model, 80))  # the window is 64
    full_TD = model(pack([[sequence]]))[0]
    first = int(row_places(sequence)[0])
    for sizes in ([1] * (len(sequence) - first), [7, 1, 30]):
        generator = Generator(model, 2)
        generator.listen(1, sequence.part(0, first))
        start = first
        for size in [*sizes, len(sequence)]:
            if start < len(sequence):
                generator.listen(1, sequence.part(start, start + size))
                start += size
        torch.testing.assert_close(generator._hidden_D[1], full_TD[-1], **TOLERANCE)
    packed_TD = model(pack([[scripted(model, tiny_text, drawn_codes(model, 5)), sequence]]))[0]
    torch.testing.assert_close(packed_TD[-len(sequence) :], full_TD, **TOLERANCE)


def fed_to(model: OmniModel, work: Callable[[], None]) -> tuple[list[int], list[list[int]]]:
    """Ids and codes that single steps fed while the work was done."""
    ids: list[int] = []
    codes: list[list[int]] = []
    advance = model.advance

    def kept(ids_BT: torch.Tensor, codes_BTK: torch.Tensor, *others: object) -> torch.Tensor:
        ids.extend(ids_BT[0].tolist())
        codes.extend(codes_BTK[0].tolist())
        return advance(ids_BT, codes_BTK, *others)

    with mock.patch.object(model, "advance", kept):
        work()
    return ids, codes


@pytest.mark.parametrize("max_frames", [200, 5, 1])
@torch.no_grad()
def test_what_is_said_is_the_sequence_that_training_lays_out(
    model: OmniModel, tiny_text: TextTokenizer, max_frames: int
) -> None:
    """Rows, <end> and late codes, in a held slot: the cache is that of the same answer read whole."""
    words = tiny_text.spell_words(TEXT)
    prompt = new_builder(model, tiny_text).user_audio(drawn_codes(model, 9)).assistant(Mode.SAY).build()
    generator = Generator(model, 2)
    generator.listen(1, prompt)
    settings = {"audio_repetition_penalty": 1.5, "audio_temperature": 1.0, "seed": 5}
    generator.answer(1, GenerationRequest(mode=Mode.SAY, script=words, max_frames=max_frames, **settings))
    answer = generator.streams[1]
    events: list = []
    ids, rows = fed_to(model, lambda: events.extend(run(generator, 1)))
    frames = [event.codes_K for event in events if isinstance(event, AudioFrame)]
    semantic = [
        token - model.vocabulary.semantic_start for token in ids if model.vocabulary.is_semantic(token)
    ]
    assert len(frames) == len(semantic) <= max_frames
    reason = FinishReason.LENGTH if max_frames < 200 else FinishReason.STOP
    assert events[-1] == Finished(1, reason)
    assert NO_CODE not in set().union(*answer.sounded)
    codes = AudioCodes(torch.tensor([semantic]), torch.stack(frames)[None])
    expected_RK = model.delays.rows(codes.acoustic_BFK[0])
    said_RK = torch.tensor([row for row in rows if max(row) >= 0])
    assert torch.equal(said_RK, expected_RK)
    end = [int(Special.END)] + [int(Special.AUDIO)] * model.delays.longest
    assert ids[-len(end) :] == end
    if reason is FinishReason.STOP:
        ends = [sum(map(model.vocabulary.is_semantic, ids[:i])) for i, t in enumerate(ids) if t == 14]
        builder = new_builder(model, tiny_text).user_audio(drawn_codes(model, 9)).assistant(Mode.SAY)
        whole = builder.answer_script(TEXT, codes, [*ends, len(frames)]).end().build()
        assert whole.ids_T.tolist()[len(prompt) :] == ids
        assert whole.codes_TK.tolist()[len(prompt) :] == rows
        torch.testing.assert_close(generator._hidden_D[1], model(pack([[whole]]))[0, -1], **TOLERANCE)
    generator.listen(1, new_builder(model, tiny_text).user_text("on").assistant(Mode.SAY).build().part(1))
    generator.answer(1, GenerationRequest(mode=Mode.SAY, script=words, max_frames=4))
    assert sum(isinstance(event, AudioFrame) for event in run(generator, 1)) == 4, (
        "nothing is left of the first"
    )


def test_frames_come_late_and_interleaving_stays(model: OmniModel, tiny_text: TextTokenizer) -> None:
    prompt = new_builder(model, tiny_text).user_text("on").assistant(Mode.REPLY_AUDIO).build()
    asked = GenerationRequest(mode=Mode.REPLY_AUDIO, max_text_tokens=200, max_frames=40, temperature=1.0)
    generator = Generator(model, 1)
    generator.open(0, prompt, asked)
    num_whole = 0

    def work() -> None:
        nonlocal num_whole
        while 0 in generator.streams:
            rows = generator.streams[0].rows
            num_whole += sum(isinstance(event, AudioFrame) for event in generator.step())
            assert num_whole == max(rows.num_rows - model.delays.longest, 0)

    ids, _ = fed_to(model, work)
    vocabulary = model.vocabulary
    kinds = "".join("f" if vocabulary.is_semantic(t) else "t" if vocabulary.is_text(t) else "." for t in ids)
    n, m = model.config.layout.interleave_text_tokens, model.config.layout.interleave_frames
    num_late = model.delays.longest - 1  # the last row completes a frame and is not fed
    assert re.fullmatch(f"(t{{{n}}}f{{{m}}})*t{{0,{n}}}[.]?f*[.][.]{{{num_late}}}", kinds)
    assert num_whole == kinds.count("f") > m


def test_an_interrupted_answer_leaves_nothing_behind(model: OmniModel, tiny_text: TextTokenizer) -> None:
    prompt = new_builder(model, tiny_text).user_text("on").assistant(Mode.SAY).build()
    asked = GenerationRequest(mode=Mode.SAY, script=tiny_text.spell_words(TEXT), max_frames=6)
    generator = Generator(model, 1)
    generator.listen(0, prompt)
    generator.answer(0, asked)
    while generator.streams[0].rows.num_rows < 2:
        generator.step()
    generator.interrupt(0)
    generator.close(0)
    generator.open(0, prompt, asked)
    alone = Generator(model, 1)
    alone.open(0, prompt, asked)
    assert said_by(run(generator, 0)) == said_by(run(alone, 0))


@pytest.mark.parametrize("mode", [Mode.SAY, Mode.REPLY_AUDIO])
def test_a_stream_is_the_same_alone_and_among_others(
    model: OmniModel, tiny_text: TextTokenizer, mode: Mode
) -> None:
    def asked(kind: Mode, seed: int, max_frames: int = 12) -> GenerationRequest:
        script = tiny_text.spell_words(TEXT) if kind is Mode.SAY else []
        settings = {"temperature": 1.0, "audio_temperature": 1.0, "max_frames": max_frames}
        return GenerationRequest(mode=kind, script=script, seed=seed, **settings)

    def prompt(kind: Mode) -> TokenSequence:
        return new_builder(model, tiny_text).user_audio(drawn_codes(model, 9)).assistant(kind).build()

    alone = Generator(model, 1)
    alone.open(0, prompt(mode), asked(mode, 5))
    expected = said_by(run(alone, 0))
    assert sum(isinstance(said, tuple) for said in expected) > 4
    crowd = Generator(model, 4)
    crowd.open(0, prompt(Mode.SAY), asked(Mode.SAY, 50, 3))
    crowd.open(1, prompt(Mode.REPLY_AUDIO), asked(Mode.REPLY_AUDIO, 51, 20))
    crowd.step()
    crowd.open(2, prompt(Mode.TRANSCRIBE), asked(Mode.TRANSCRIBE, 52))
    crowd.open(3, prompt(mode), asked(mode, 5))
    assert said_by(run(crowd, 3)) == expected


@pytest.mark.parametrize("kind", list(AudioInput))
def test_every_audio_input_learns(
    kind: AudioInput, tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer
) -> None:
    model = new_model(tiny_tokenizer, audio_input=kind, hide_frames=0.3).train()
    heard = new_builder(model, tiny_text).user_audio(drawn_codes(model, 9), "on").assistant(Mode.TRANSCRIBE)
    rows = [
        [
            scripted(model, tiny_text, drawn_codes(model, 12)),
            scripted(model, tiny_text, drawn_codes(model, 5)),
        ],
        [heard.answer_text("on").end().build()],
    ]
    losses = model.losses(pack(rows, length_multiple=16, rows_multiple=4))
    (losses.text + losses.semantic + losses.acoustic + losses.hearing).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    silent = model.losses(pack([rows[1]]))
    assert silent.acoustic.detach() == 0
    model.eval()
    exact, rounded = (model.losses(pack(rows, n, m)) for n, m in ((1, 1), (16, 4)))
    for name in ("text", "semantic", "acoustic", "hearing"):
        torch.testing.assert_close(getattr(rounded, name), getattr(exact, name), **TOLERANCE)


@torch.no_grad()
def test_loss_is_that_of_the_codes_that_are_said(model: OmniModel, tiny_text: TextTokenizer) -> None:
    sequence = scripted(model, tiny_text, drawn_codes(model, 6))
    log_probs_RKC = row_logits(model, sequence).log_softmax(-1)
    total = weight = 0.0
    for row, place in enumerate(row_places(sequence).tolist()):
        for book, code in enumerate(sequence.codes_TK[place].tolist()):
            if code != NO_CODE:
                total -= 0.6**book * float(log_probs_RKC[row, book, code])
                weight += 0.6**book
    assert weight == pytest.approx(6 * sum(0.6**book for book in range(NUM_CODEBOOKS)))
    losses = model.losses(pack([[sequence]]))
    assert float(losses.acoustic) == pytest.approx(total / weight, rel=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert model.losses(pack([[sequence]])).acoustic.dtype is torch.float32


@pytest.mark.parametrize("pattern", ["depth", "one by one", "one frame"])
def test_an_overfitted_network_says_what_it_was_trained_on(
    pattern: str, tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer
) -> None:
    layout = {"interleave_text_tokens": 2, "interleave_frames": 3}
    kinds = {"one by one": late_layout(None, **layout), "one frame": late_layout(1, **layout)}
    plain = LayoutConfig(encoder_chunk=8, pinned_positions=16, **layout)
    model = new_model(tiny_tokenizer, layout=kinds.get(pattern, plain)).train()
    codes = drawn_codes(model, 12, seed=4)
    ids = tiny_text.encode(TEXT)
    assert len(ids) > 4, "several groups of frames"

    def asked() -> SequenceBuilder:
        return new_builder(model, tiny_text).user_text("on").assistant(Mode.REPLY_AUDIO)

    batch = pack([[asked().answer_speech(TEXT, codes).end().build()]])
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.0)
    for _ in range(150):
        losses = model.losses(batch)
        optimiser.zero_grad()
        loss = losses.text + losses.semantic + losses.acoustic
        loss.backward()
        optimiser.step()
        if loss.detach() < 0.03:
            break
    generator = Generator(model.eval(), 1)
    request = GenerationRequest(mode=Mode.REPLY_AUDIO, audio_temperature=0.0)
    generator.open(0, asked().build(), request)
    events = run(generator, 0)
    assert [event.id for event in events if isinstance(event, TextToken)] == ids
    frames = [event.codes_K.tolist() for event in events if isinstance(event, AudioFrame)]
    assert frames == codes.acoustic_BFK[0].tolist()
    assert events[-1] == Finished(0, FinishReason.STOP)


def test_compiled_steps_are_refused(model: OmniModel) -> None:
    with pytest.raises(ValueError, match=r"runtime.compile = True .* model.layout.pattern=delay"):
        CompiledSteps(model, backend="eager")
