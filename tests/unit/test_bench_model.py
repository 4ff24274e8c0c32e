"""The benchmarks of the network at tiny size: what they report, and that ratios are those of the medians."""

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable

import grammar as bench_grammar
import joint_decoding as bench_joint_decoding
import model as bench_model
import one_row as bench_one_row
import pytest
import streams as bench_streams
import torch

from measuring import our_ways
from measuring.limits import bandwidth_case, gemm_case, step_bytes
from measuring.timing import Case, Way, time_ways
from measuring.untrained import STACK, Weights, stack_parameters, untrained_model, with_weights
from omni_audio.evaluation.latency import percentile
from omni_audio.evaluation.streams import frames_of_step, open_full
from omni_audio.model.feeding import check_sequence
from omni_audio.model.generate import Generator
from omni_audio.model.kv_store import KVFormat
from omni_audio.model.text import Special
from omni_audio.model.transformer import OmniModel


@pytest.fixture(scope="module")
def model() -> OmniModel:
    return untrained_model("tiny", hears_states=False)


@pytest.fixture(scope="module")
def peer(model: OmniModel):
    pytest.importorskip("transformers", reason="needs the extra `bench`")
    return bench_model.mistral_like(model)


def drawn_case(kind: str, **facts: object) -> Case:
    times = {
        ("ours", "a"): [1.0, 2.0, 9.0],
        ("transformers", "b"): [8.0, 8.0],
        ("transformers", "c"): [4.0, 4.0],
    }
    return bench_model.finished(kind, facts, times)


def test_ways_run_in_turn_and_times_are_of_a_step():
    ran: list[str] = []
    ways = [Way("x", name, lambda name=name: ran.append(name), num_steps=1000) for name in "ab"]
    times = time_ways(ways, repeats=2, warm_up=1)
    assert "".join(ran) == "baabba"
    assert {way: len(found) for way, found in times.items()} == {("x", "a"): 2, ("x", "b"): 2}
    with pytest.raises(ValueError, match="repeats = 1 is not allowed"):
        time_ways(ways, repeats=1)


def test_a_ratio_is_that_of_the_medians_of_the_fastest_ways():
    case = drawn_case("decode", batch=1)
    assert case.best("transformers") == ("transformers", "c")
    assert case.figures["ratio"] == case.ratio("ours", "transformers") == 2.0 / 4.0
    assert case.plain()["ms"]["ours a"]["median"] == 2.0
    assert {"q1", "q3"} < case.plain()["ms"]["transformers b"].keys()


def test_limits_are_held_against_medians():
    memory = Case("memory bandwidth", {}, {}, {"gb_per_s": 10.0})
    gemm = Case("gemm peak", {"dtype": "float32"}, {}, {"gflops": 50.0})
    decode = drawn_case("decode", dtype="float32", batch=1, weight_bytes=10_000_000)
    train = drawn_case("train", dtype="float32", flops=25e6)
    bench_model.add_limits([memory, gemm, decode, train])
    assert decode.figures["bandwidth_fraction"] == pytest.approx(1.0 / 2.0)
    assert train.figures["gemm_fraction"] == pytest.approx(0.5 / 2.0)


def test_headline_takes_the_first_format_batch_one_and_the_longest_prompt():
    cases = [
        drawn_case("prefill", dtype="float32", length=8),
        drawn_case("prefill", dtype="float32", length=16),
        drawn_case("prefill", dtype="bfloat16", length=32),
        drawn_case("decode", dtype="float32", batch=4, context=8),
        drawn_case("decode", dtype="float32", batch=1, context=8),
        drawn_case("decode", dtype="float32", batch=1, context=24),
        drawn_case("decode", dtype="float32", batch=4, context=24),
    ]
    for number, case in enumerate(cases):
        case.figures |= {"ratio": float(number), "bandwidth_fraction": 0.0}
    line = bench_model.headline(cases)
    assert (line["prefill_vs_transformers"], line["decode_vs_transformers"]) == (1.0, 4.0)
    assert line["long_decode_vs_transformers"] == 5.0
    assert "train_step_vs_transformers" not in line


def test_measured_limits_are_positive():
    assert bandwidth_case(1, repeats=2).figures["gb_per_s"] > 0
    assert gemm_case(16, torch.bfloat16, repeats=2).figures["gflops"] > 0


def test_nf4_step_is_measured_in_three_formats(model: OmniModel):
    case = bench_model.measure_nf4(model, batch=1, context=8, num_steps=2, repeats=2)
    medians = {side: statistics.median(times) for (side, _), times in case.times_ms.items()}
    assert medians.keys() == {"float32", "bfloat16", "nf4"}
    assert case.figures["nf4_vs_fp32_step"] == medians["nf4"] / medians["float32"]
    assert case.figures["nf4_vs_bf16_step"] == medians["nf4"] / medians["bfloat16"]
    assert 4 < case.figures["nf4_bits_per_param"] < 4.6, "tiny layers share the values of the codes"
    assert 0.2 < case.figures["nf4_memory_ratio"] < 0.8
    assert case.facts["nf4_weight_bytes"] < case.facts["bfloat16_weight_bytes"] < step_bytes(model)
    assert all(parameter.dtype is torch.float32 for parameter in model.parameters())


def test_every_run_of_decode_steps_begins_at_the_same_place(model: OmniModel):
    """What the first run left behind its beginning is the future of the second, and hidden."""
    ids_BT = torch.randint(20, 60, (2, 9))
    way = our_ways.decode_way(model, ids_BT, 3, torch.float32)
    seen: list[torch.Tensor] = []
    keep = model.norm.register_forward_hook(lambda *passed: seen.append(passed[-1]))
    for _ in range(2):
        way.prepare()
        way.run()
    keep.remove()
    assert len(seen) == 6
    for first, second in zip(seen[:3], seen[3:], strict=True):
        torch.testing.assert_close(first, second)
    assert not torch.allclose(seen[0], seen[1])


def pinned_seen(model: OmniModel, run: Callable[[], object]) -> list[bool]:
    """Of each pass of the stack, whether pinned keys were met by turns of their own."""
    seen: list[bool] = []
    keep = model.blocks[0].register_forward_pre_hook(
        lambda _, passed: seen.append(passed[1].pinned_BL is not None)
    )
    run()
    keep.remove()
    return seen


@pytest.mark.parametrize("windows", [1, 2])
def test_a_decode_step_meets_the_pinned_start_as_a_real_stream_does(model: OmniModel, windows: int):
    shape = model.config
    length = shape.window if windows == 1 else shape.num_places + shape.window
    ids_BT = torch.randint(20, 60, (2, length))
    way = our_ways.decode_way(model, ids_BT, 3, torch.float32)
    assert pinned_seen(model, way.run) == [windows == 2] * 3


def test_prefill_and_training_meet_the_pinned_start_behind_the_places():
    model = untrained_model("tiny", hears_states=False)
    ids_BT = torch.randint(20, 60, (1, model.config.num_places + 1))
    assert pinned_seen(model, our_ways.prefill_way(model, ids_BT, torch.float32).run) == [True]
    assert pinned_seen(model, our_ways.train_ways(model, ids_BT, torch.float32)[0].run) == [True]


def test_default_contexts_are_the_window_and_beyond_the_places(
    model: OmniModel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "argv", ["model.py", "--quick", "--no-train", "--no-nf4"])
    args = bench_model.arguments()
    args.bandwidth_mib, args.gemm_size = 1, 16
    monkeypatch.setattr(bench_model, "untrained_model", lambda *_, **__: model)
    monkeypatch.setattr(bench_model, "mistral_like", lambda _: torch.nn.Linear(1, 1))
    contexts: list[int] = []

    def measure(ours, theirs, dtype, batch, context, *_):
        contexts.append(context)
        return drawn_case("decode", dtype=dtype, batch=batch, context=context, weight_bytes=1)

    monkeypatch.setattr(bench_model, "measure_decode", measure)
    bench_model.measure_preset("tiny", args)
    assert contexts == [model.config.window, model.config.num_places + model.config.window]


def test_the_peer_has_the_shape_of_our_stack(model: OmniModel, peer):
    ours = sum(p.numel() for name in STACK for p in model.get_submodule(name).parameters())
    digits = model.head.digits.weight.numel()
    assert sum(p.numel() for p in peer.parameters()) == ours - digits, "the peer has no digits of codes"
    config, shape = peer.config, model.config
    assert (config.sliding_window, config.num_attention_heads) == (shape.window, shape.num_heads)
    assert config.num_key_value_heads == shape.num_heads


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_prefill_and_decode_are_measured_beside_the_peer(model: OmniModel, peer, dtype: str):
    ours, theirs = with_weights(model, Weights(dtype)), peer.to(bench_model.DTYPES[dtype])
    window = model.config.window
    prefill = bench_model.measure_prefill(ours, theirs, dtype, window + 5, repeats=2)
    decode = bench_model.measure_decode(ours, theirs, dtype, 2, window, num_steps=2, repeats=2)
    peer.float()
    for case in (prefill, decode):
        best = {side: case.median_ms(side) for side in ("ours", "transformers")}
        assert case.figures["ratio"] == best["ours"] / best["transformers"]
        json.dumps(case.plain(), allow_nan=False)
    ways = {name for side, name in decode.times_ms if side == "transformers"}
    assert ways == {"sdpa, dynamic cache", "sdpa, static cache"}
    assert prefill.figures["ours_tokens_per_s"] > 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_compiled_steps_are_measured_beside_the_peer(model: OmniModel, peer):
    case = bench_model.measure_compiled(model, peer, 1, model.config.window, num_steps=2, repeats=2)
    assert {side for side, _ in case.times_ms} == {
        "ours", "ours, as written", "ours, int4", "transformers", "transformers, compiled",
    }  # fmt: skip
    assert case.figures["ratio"] == case.median_ms("ours") / case.median_ms("transformers")
    assert case.figures["compiled_int4_vs_transformers"] == case.ratio("ours, int4", "transformers")
    bench_model.add_limits([case, Case("memory bandwidth", {}, {}, {"gb_per_s": 1.0})])
    assert case.figures["bandwidth_fraction"] > 0
    assert {"compiled_vs_transformers", "compiled_vs_compiled"} <= bench_model.headline([case]).keys()


def test_what_grammars_cost_is_part_of_a_step():
    line = bench_grammar.measure(untrained_model("tiny"), num_streams=2, num_steps=3)
    assert 0 < line["grammar_share"] < 1
    assert 0 < 2 * line["grammar_us"] / 1000 < line["step_ms"]


def test_turning_masks_around_counts_as_the_grammars(monkeypatch: pytest.MonkeyPatch):
    slow_s, from_numpy = 0.02, torch.from_numpy

    def slow(array):
        time.sleep(slow_s)
        return from_numpy(array)

    monkeypatch.setattr(torch, "from_numpy", slow)
    line = bench_grammar.measure(untrained_model("tiny"), num_streams=2, num_steps=3)
    assert 2 * line["grammar_us"] >= slow_s * 1e6


def test_a_training_step_changes_the_stack_alone(peer):
    model = untrained_model("tiny", hears_states=False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    case = bench_model.measure_train(model, peer, "float32", rows=2, length=16, repeats=2)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name, _ in model.named_parameters() if name.split(".")[0] in STACK}
    assert len(case.times_ms) == 4
    assert case.figures["ratio"] == case.ratio("ours", "transformers")
    assert case.facts["flops"] > 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.filterwarnings("ignore:The .grad attribute", "ignore:Torchinductor does not support")
def test_compiled_training_steps_are_measured_beside_the_peer(peer):
    model = untrained_model("tiny", hears_states=False)
    case = bench_model.measure_compiled_train(model, peer, "float32", rows=2, length=16, repeats=2)
    assert {side for side, _ in case.times_ms} == {"ours", "transformers", "transformers, compiled"}
    assert case.figures["ratio"] == case.ratio("ours", "transformers")
    assert case.figures["compiled_vs_compiled"] == case.ratio("ours", "transformers, compiled")
    assert {"compiled_train_vs_transformers", "compiled_train_vs_compiled"} <= bench_model.headline(
        [case]
    ).keys()


def test_stack_parameters_are_the_trained_ones():
    model = untrained_model("tiny", hears_states=False)
    chosen = {id(parameter) for parameter in stack_parameters(model)}
    assert chosen == {id(p) for p in model.parameters() if p.requires_grad}


def test_a_missing_peer_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["model.py", "--quick"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        SystemExit, match=r"error: .*transformers is missing.*pip install 'omni-audio\[bench\]'"
    ):
        bench_model.main()


def test_shapes_are_rows_and_length():
    assert bench_model.shape_of("12x128") == (12, 128)
    for text in ("12", "x128", "0x8", "axb"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected ROWSxLENGTH"):
            bench_model.shape_of(text)


def test_streams_are_measured_and_each_step_gives_each_a_frame():
    model = bench_streams.speaking_model("tiny")
    prompt = bench_streams.spoken_request(model, num_frames=5)
    found, reached_limit = bench_streams.raise_streams(
        lambda number: bench_streams.measure(model, number, prompt, 3, 2), max_streams=3, limit_ms=1e9
    )
    line = bench_streams.stream_line(found, reached_limit, limit_ms=1e9)
    assert (line["streams"], line["reached_limit"]) == (3, False)
    assert list(line["p95_step_ms"]) == list(line["first_audio_ms"]) == ["1", "2", "3"]
    assert line["cache_mib_per_stream"] > 0
    json.dumps(line, allow_nan=False)
    assert bench_streams.table(line).count("\n") == 4


def test_the_request_that_is_heard_fills_the_ring_and_is_a_stream():
    model = bench_streams.speaking_model("tiny")
    prompt = bench_streams.spoken_request(model, num_frames=5)
    filled = bench_streams.filling_request(model, prompt)
    check_sequence(filled, model)
    least = model.config.num_places + model.config.window
    assert least <= len(filled) < least + len(prompt)
    assert filled.ids_T.tolist().count(Special.BOS) == 1
    num_turns = filled.ids_T.tolist().count(Special.ASSISTANT)
    assert filled.ids_T.tolist().count(Special.END) == 2 * num_turns - 1, (
        "of hearing, and of interrupted answers"
    )
    runs = torch.unique_consecutive(filled.chunk_T[filled.chunk_T >= 0])
    assert runs.tolist() == list(range(num_turns)), "no turn sees another's chunk"


@pytest.mark.parametrize("kv_format", KVFormat)
def test_streams_are_timed_with_full_rings(kv_format: KVFormat):
    model = bench_streams.speaking_model("tiny")
    prompt = bench_streams.spoken_request(model, num_frames=5)
    generator = Generator(model, 3, kv_format=kv_format)
    open_full(generator, prompt)
    cache = generator.cache
    assert cache.length_S.tolist() == [len(bench_streams.filling_request(model, prompt))] * 3
    while len(frames_of_step(generator)) < 3:
        pass
    assert len(cache.length_S.unique()) == 1, "all are in step"
    assert bool((cache.position_SL[:, cache.num_pinned_places :] >= 0).all())
    assert cache.pinned_SL.nonzero().tolist() == [[slot, 0] for slot in range(3)]
    for numbers in cache.keys.parts:
        assert bool((numbers[:, :, :, cache.num_pinned_places :].abs().amax(-1) > 0).all())


def test_sound_is_measured_both_ways_beside_the_step():
    model = bench_streams.speaking_model("tiny")
    prompt = bench_streams.spoken_request(model, num_frames=5)
    cases = [bench_joint_decoding.measure(model, number, prompt, repeats=2) for number in (1, 3)]
    line = bench_joint_decoding.figures(cases)
    assert list(line["alone_over_together"]) == ["1", "3"]
    assert all(0 < share < 1 for share in [*line["share_alone"].values(), *line["share_together"].values()])
    assert bench_joint_decoding.table(line).count("\n") == 3
    json.dumps([case.plain() for case in cases], allow_nan=False)


def drawn_streams(number: int, step_ms: float) -> bench_streams.StreamFigures:
    return bench_streams.StreamFigures(number, [step_ms] * 20, [1.0], 2.0 * number, 100.0 + 3 * number)


def test_the_number_of_streams_doubles_and_then_closes_in():
    found, reached_limit = bench_streams.raise_streams(lambda n: drawn_streams(n, 6.0 * n), max_streams=64)
    assert [one.num_streams for one in found] == [1, 2, 4, 8, 12, 13, 14, 16]
    line = bench_streams.stream_line(found, reached_limit)
    assert (line["streams"], line["reached_limit"]) == (13, True)
    assert (line["marginal_mib_per_stream"], line["cache_mib_per_stream"]) == (3.0, 2.0)
    assert line["p95_step_ms"]["14"] == 84.0


def test_sixteen_streams_are_put_beside_one():
    found, _ = bench_streams.search(lambda n: drawn_streams(n, 2.0 + 0.5 * n), max_streams=16)
    assert bench_streams.step_16_vs_1(found) == 4.0
    found, reached_limit = bench_streams.search(lambda n: drawn_streams(n, 30.0 * n), max_streams=20)
    assert [one.num_streams for one in found] == [1, 2, 3, 4, 16]
    assert (bench_streams.step_16_vs_1(found), reached_limit) == (16.0, True)
    assert bench_streams.stream_line(found, reached_limit)["streams"] == 2
    found, _ = bench_streams.search(lambda n: drawn_streams(n, 30.0 * n), max_streams=8)
    assert bench_streams.step_16_vs_1(found) is None


def test_no_stream_in_time_is_said():
    found, reached_limit = bench_streams.raise_streams(lambda n: drawn_streams(n, 100.0), max_streams=8)
    assert [one.num_streams for one in found] == [1]
    assert bench_streams.stream_line(found, reached_limit)["streams"] == 0


def test_p95_is_not_passed_by_95_percent():
    assert percentile([float(i) for i in range(1, 101)], 95) == 95.0
    assert percentile([3.0], 95) == 3.0


def test_one_row_products_are_measured_in_every_format():
    cases = [bench_one_row.measure(shape, pool_mib=0.0, repeats=2) for shape in ((64, 64), (128, 192))]
    line = bench_one_row.figures(cases)
    assert {name.rsplit("_", 1)[0] for name in line if name.endswith("_bits")} == {*bench_one_row.FORMATS} - {
        "fp32"
    }
    assert (line["bf16_bits"], line["int4_32_bits"], line["int4_64_bits"]) == (16.0, 5.0, 4.5)
    assert 0 < line["bf16_error"] < line["int8_error"] < line["int4_32_error"] < 0.15
    assert all(line[f"{name}_over_fp32"] > 0 for name in ("bf16", "nf4", "int8", "int4_32"))
    assert bench_one_row.table(cases).count("\n") == 3
    for text in ("64", "63x64", "64x65", "0x64"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected"):
            bench_one_row.shape_of(text)
