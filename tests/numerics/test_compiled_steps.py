"""Compiled decode steps compute what the network as it is written computes, and say the same."""

import copy
import shutil
from collections.abc import Callable

import pytest
import torch
import torch._dynamo
from drawn_streams import document, drawn_codes, long_talk, said_by
from torch import Tensor

from omni_audio.model.compiled import CompiledSteps
from omni_audio.model.events import Event
from omni_audio.model.generate import Generator
from omni_audio.model.kv_cache import KVCache
from omni_audio.model.kv_store import KVFormat
from omni_audio.model.lora import LoraConfig, add_lora
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import NO_CHUNK, NO_CODE, Mode
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.weight_quant.int4 import pack_model

COMPILED = [pytest.mark.slow, pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")]
BACKENDS = ["eager", pytest.param("inductor", marks=COMPILED)]


@pytest.fixture(autouse=True)
def forget_forms():
    """What one test compiled is no form of another one's."""
    yield
    torch._dynamo.reset()


def written_step(model: OmniModel, ids: list[int], codes_BK: Tensor, cache: KVCache, slots: list[int]):
    """The reference: states (B, D) and logits (B, V)."""
    none_B1 = torch.full((len(slots), 1), NO_CHUNK)
    hidden_BTD = model.advance(
        torch.tensor(ids)[:, None],
        codes_BK[:, None],
        none_B1,
        torch.zeros_like(none_B1, dtype=torch.bool),
        cache,
        torch.tensor(slots),
    )
    return hidden_BTD[:, 0], model.head(hidden_BTD[:, 0])


def filled(model: OmniModel, text: TextTokenizer, kv_format: KVFormat) -> KVCache:
    """Three slots: a ring that went round and forgot all but the pinned prompt, a short prompt, and nothing at all."""
    generator = Generator(model, 3, 64, kv_format)
    generator.listen(0, long_talk(model, text, 6).build())
    generator.listen(1, document(model, text, 4, Mode.REPLY_AUDIO))
    assert generator.cache.length_S[0] > 2 * model.config.num_places
    return generator.cache


def tensors(cache: KVCache) -> list[Tensor]:
    marks = [cache.position_SL, cache.chunk_SL, cache.pinned_SL, cache.length_S, cache.origin_S]
    return [*cache.keys.parts, *cache.values.parts, *marks]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kv_format", list(KVFormat))
def test_a_step_is_the_written_one_and_leaves_the_same_cache(
    backend: str, kv_format: KVFormat, tiny_model: OmniModel, tiny_text: TextTokenizer
) -> None:
    """Text and frames, one row, two, and three in any order; round the ring; other slots stay as they were."""
    steps = CompiledSteps(tiny_model, backend)
    expected = filled(tiny_model, tiny_text, kv_format)
    got = copy.deepcopy(expected)
    vocabulary, num_codebooks = tiny_model.vocabulary, tiny_model.depth.num_codebooks
    rounding = 1e-5 if kv_format is KVFormat.float32 else 2e-2  # one that falls to the other side of a half
    drawn = drawn_codes(tiny_model, 100)
    for number, slots in enumerate([[0], [1], [1, 0], [2, 0, 1]] + [[0, 1]] * tiny_model.config.window):
        ids, codes_BK = [], torch.full((len(slots), num_codebooks), NO_CODE)
        for row in range(len(slots)):
            if (number + row) % 3 == 0:
                ids.append(vocabulary.text_start + number % 7)
            else:
                ids.append(vocabulary.semantic_start + int(drawn.semantic_BF[0, number]))
                codes_BK[row] = drawn.acoustic_BFK[0, number + row]
        untouched = [slot for slot in range(3) if slot not in slots]
        before = got.keys.numbers[:, untouched].clone()
        wanted = written_step(tiny_model, ids, codes_BK, expected, slots)
        for mine, theirs in zip(steps.advance(ids, codes_BK, got, slots), wanted, strict=True):
            torch.testing.assert_close(mine, theirs, atol=rounding, rtol=rounding)
        assert torch.equal(got.keys.numbers[:, untouched], before)
    for mine, theirs in zip(tensors(got), tensors(expected), strict=True):
        if mine.dtype == torch.int8:
            assert (mine.int() - theirs.int()).abs().max() <= 1
        else:
            torch.testing.assert_close(mine, theirs, atol=rounding, rtol=rounding)


@pytest.mark.parametrize("backend", BACKENDS)
def test_codes_have_the_logits_of_the_depth_decoder(backend: str, tiny_model: OmniModel) -> None:
    steps = CompiledSteps(tiny_model, backend)
    torch.manual_seed(0)
    for num_rows in (1, 3):
        hidden_MD = torch.randn(num_rows, tiny_model.config.width)
        ids = [tiny_model.vocabulary.semantic_start + row for row in range(num_rows)]
        heard: list[list[Tensor]] = [[], []]

        def choosing(seen: list[Tensor]) -> Callable[[int, Tensor], Tensor]:
            def choose(stage: int, logits_MC: Tensor) -> Tensor:
                assert stage == len(seen)
                seen.append(logits_MC)
                return (stage * 3 + torch.arange(logits_MC.shape[0])) % logits_MC.shape[1]

            return choose

        semantic_MD = tiny_model.embed(torch.tensor(ids))
        vectors_KCV = tiny_model.codebook_vectors
        expected = tiny_model.depth.generate(hidden_MD, semantic_MD, vectors_KCV, choosing(heard[0]))
        assert torch.equal(steps.codes(hidden_MD, ids, choosing(heard[1])), expected)
        torch.testing.assert_close(torch.stack(heard[1]), torch.stack(heard[0]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("backend", "weights"),
    [("eager", "float32"), *[pytest.param("inductor", kind, marks=COMPILED) for kind in ("float32", "int4")]],
)
def test_streams_say_the_same(
    backend: str, weights: str, tiny_model: OmniModel, tiny_text: TextTokenizer
) -> None:
    """One in a slot of its own, one in a slot that is held; after a warm-up nothing is compiled anew.

    As in the engine, which makes a generator anew, and steps it, in inference mode.
    """
    model = copy.deepcopy(tiny_model)
    if weights == "int4":
        pack_model(model)
    steps = CompiledSteps(model, backend)
    assert steps.warm_up(2) > 0
    prompt = document(model, tiny_text, 9, Mode.REPLY_AUDIO)
    said = []
    for its_steps in (None, steps):
        events: list[list[Event]] = [[], []]
        with torch.inference_mode(), torch.compiler.set_stance("fail_on_recompile"):
            generator = Generator(model, 2, steps=its_steps)
            generator.listen(1, prompt)
            generator.open(0, prompt, answer_of(0))
            generator.answer(1, answer_of(1))
            while generator.streams:
                for event in generator.step():
                    events[event.slot].append(event)
        said.append([said_by(one) for one in events])
    assert said[0] == said[1]
    assert said[0][0] != said[0][1]
    assert all(any(isinstance(item, tuple) for item in one) for one in said[0]), "sound"


def test_a_form_that_was_not_warmed_up_is_told_of_once(
    tiny_model: OmniModel, caplog: pytest.LogCaptureFixture
) -> None:
    steps = CompiledSteps(copy.deepcopy(tiny_model), backend="eager")
    none_BK = torch.full((2, steps.model.depth.num_codebooks), -1)

    def warnings_after(num_slots: int, num_rows: int) -> list[str]:
        caplog.clear()
        cache, ids = steps.model.empty_cache(num_slots), [1] * num_rows
        steps.advance(ids, none_BK[:num_rows], cache, list(range(num_rows)))
        return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]

    steps.warm_up(2)
    assert warnings_after(2, 1) == warnings_after(2, 2) == []
    (told,) = warnings_after(3, 2)
    assert "the decode step of 2 streams was not warmed up" in told
    assert warnings_after(3, 2) == [], "once"


def answer_of(seed: int) -> GenerationRequest:
    return GenerationRequest(
        mode=Mode.REPLY_AUDIO,
        temperature=1.0,
        audio_temperature=1.0,
        seed=seed,
        max_text_tokens=8,
        max_frames=8,
    )


def test_adapters_are_not_compiled(tiny_model: OmniModel) -> None:
    model = copy.deepcopy(tiny_model)
    add_lora(model, LoraConfig())
    with pytest.raises(
        ValueError, match=r"runtime\.compile = \['blocks.0.*false for NF4 weights and adapters.*int4"
    ):
        CompiledSteps(model)


def test_steps_are_for_the_model_that_they_were_made_of(tiny_model: OmniModel) -> None:
    steps = CompiledSteps(copy.deepcopy(tiny_model), backend="eager")
    with pytest.raises(ValueError, match="steps = 'compiled steps of another model'"):
        Generator(tiny_model, steps=steps)
    Generator(steps.model, steps=steps)
