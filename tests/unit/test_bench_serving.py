"""The benchmark of the server: what a listener hears, when requests are sent, what figures say; one real run."""

import asyncio
import base64
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import serving as bench_serving
from serving import figures, level_of, plot, read_clips, streams_realtime, table

from measuring.playback import Playback, play
from omni_audio.evaluation.latency import percentile
from omni_audio.evaluation.listeners import (
    BROKEN,
    BYTES_PER_S,
    UNREACHED,
    Heard,
    arrival_times,
    closed_loop,
    listen,
    open_loop,
    spoken_body,
    take_line,
)
from omni_audio.evaluation.resident import rss_mib_of


@pytest.mark.parametrize(
    ("arrivals", "buffer_s", "expected"),
    [
        ([(5.0, 1.0), (5.9, 1.0), (7.0, 1.0)], 0.0, Playback(0, 0.0)),
        ([(5.0, 1.0), (6.5, 1.0), (7.6, 1.0)], 0.0, Playback(2, 0.6)),
        ([(5.0, 1.0), (6.5, 1.0), (7.6, 1.0)], 0.5, Playback(1, 0.1)),
        ([(5.0, 1.0), (6.5, 1.0), (7.6, 1.0)], 0.6, Playback(0, 0.0)),
        ([(5.0, 0.1), (5.2, 0.0), (5.3, 0.1)], 0.0, Playback(1, 0.2)),
        ([(5.0, 1.0)], 0.0, Playback(0, 0.0)),
        ([], 0.0, Playback(0, 0.0)),
    ],
)
def test_a_listener_stands_still_where_the_sound_has_not_come(arrivals, buffer_s, expected):
    found = play([*arrivals], buffer_s)
    assert found.num_underruns == expected.num_underruns
    assert found.silent_s == pytest.approx(expected.silent_s)


def test_percentiles_are_values_that_were_measured():
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, percent) for percent in (50, 95, 100)] == [50, 95, 100]
    assert percentile([3.0], 95) == 3.0
    assert percentile([9.0, 1.0], 50) == 1.0


def test_arrivals_are_drawn_by_seed_at_the_rate():
    drawn = arrival_times(4.0, 4000, 1e9, poisson=True, seed=1)
    assert drawn == arrival_times(4.0, 4000, 1e9, poisson=True, seed=1)
    assert drawn != arrival_times(4.0, 4000, 1e9, poisson=True, seed=2)
    assert len(drawn) / drawn[-1] == pytest.approx(4.0, rel=0.05)
    gaps = [later - one for one, later in itertools.pairwise(drawn)]
    assert sum(gap > 0.25 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.03), (
        "exp(-1) of the gaps"
    )
    assert arrival_times(2.0, 4, 1e9, poisson=False, seed=1) == [0.0, 0.5, 1.0, 1.5]
    assert arrival_times(2.0, 100, 1.2, poisson=False, seed=1) == [0.0, 0.5, 1.0]


def heard_at(sent_s, first_s, num_pieces, every_s, status=200):
    """An answer in pieces of 0.1 s."""
    arrivals = [(first_s + every_s * number, 0.1) for number in range(num_pieces)]
    ended_s = arrivals[-1][0] if arrivals and status == 200 else None
    return Heard(sent_s, status, first_s - 0.01 if arrivals else None, arrivals, ended_s)


def test_figures_of_a_level():
    heard = [
        heard_at(0.0, 0.2, 10, 0.05),
        heard_at(1.0, 1.4, 10, 0.2),
        heard_at(2.0, 2.0, 0, 0.0, status=503),
        heard_at(2.0, 2.1, 3, 0.0, status=BROKEN),
        heard_at(3.0, 3.0, 0, 0.0),
    ]
    level = level_of("closed", 2, heard, 0.0)
    assert level.by_status == {"200": 2, "503": 1, "broken": 1, "silent": 1}
    assert (level.n, level.num_whole, level.is_realtime) == (5, 2, False)
    assert level.first_audio_p50_ms == pytest.approx(200)
    assert level.first_audio_p95_ms == pytest.approx(400)
    assert level.first_token_p50_ms == pytest.approx(190)
    assert level.real_time_factor == pytest.approx((0.65 + 2.2) / 2)
    assert level.underrun_share == 0.5
    assert level.silent_s == pytest.approx(0.9)
    assert level.sound_per_s == pytest.approx(2.0 / 3.2)
    empty = level_of("open", 1.0, [heard_at(0.0, 0.0, 0, 0.0, status=UNREACHED)], 0.0)
    assert (empty.first_audio_p50_ms, empty.real_time_factor, empty.sound_per_s) == (None, None, 0.0)
    assert level_of("closed", 1, heard[1:2], 1.0).underrun_share == 0.0


def levels_of(*underruns, loop="closed"):
    """Levels of 1, 2, 3, ... clients; so many of 20 answers stand still."""
    return [
        level_of(loop, number, [heard_at(0.0, 0.2, 5, 0.15 if k < bad else 0.05) for k in range(20)], 0.0)
        for number, bad in enumerate(underruns, 1)
    ]


def test_streams_in_real_time_are_counted_up_to_the_first_level_that_fails():
    assert streams_realtime(levels_of(0, 1, 0)) == 3, "one of twenty may stand still"
    assert streams_realtime(levels_of(0, 2, 0)) == 1
    assert streams_realtime(levels_of(2, 0)) == 0
    assert streams_realtime(levels_of(0, loop="open")) == 0


def test_the_last_line_counts_errors_and_refusals_apart():
    levels = levels_of(0, 0)
    levels[1].by_status = {"200": 10, "503": 3, "429": 1, "500": 2, "broken": 1, "unreached": 3}
    line = figures(levels, [100.0, 130.0, 112.0])
    assert (line["errors_5xx"], line["refused"], line["n"]) == (3, 4, 40)
    assert (line["rss_growth_mib"], line["rss_mib"]) == (12.0, 130.0)
    assert line["first_audio_p50_ms"] == line["first_audio_p95_ms"] == 200.0
    assert line["streams_realtime"] == 1
    assert "rss_growth_mib" not in figures(levels, [100.0, None, 112.0])
    assert json.loads(json.dumps(line, allow_nan=False)) == line


def test_table_and_plot(tmp_path):
    levels = [*levels_of(0, 20), level_of("open", 0.5, [heard_at(0.0, 0.0, 0, 0.0, status=503)], 0.0)]
    rows = table(levels).splitlines()
    assert len(rows) == 2 + 3
    assert "503: 1" in rows[-1]
    assert "- / -" in rows[-1]
    plot(levels, tmp_path / "serving.png")
    assert (tmp_path / "serving.png").read_bytes().startswith(b"\x89PNG")


def event(content):
    return f"data: {json.dumps(content)}"


def test_events_become_words_and_seconds():
    heard = Heard(0.0, BROKEN)
    sound = base64.b64encode(bytes(BYTES_PER_S // 2)).decode()
    for now_s, line in enumerate(
        [
            event({"choices": [{"delta": {"role": "assistant", "audio": {"id": "x"}}}]}),
            "",
            event({"choices": [{"delta": {"audio": {"transcript": "hi"}}}]}),
            event({"choices": [{"delta": {"audio": {"data": sound}}}]}),
            event({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
            event({"choices": [], "usage": {}}),
        ]
    ):
        take_line(heard, line, float(now_s))
    assert (heard.first_token_s, heard.arrivals, heard.status, heard.is_whole) == (
        2.0,
        [(3.0, 0.5)],
        BROKEN,
        False,
    )
    take_line(heard, "data: [DONE]", 9.0)
    assert (heard.ended_s, heard.status, heard.is_whole) == (9.0, 200, True)


class Loops:
    """Counts requests that are at work at once; each takes 20 ms, those with an odd seed are refused."""

    def __init__(self):
        self.now, self.most, self.seeds = 0, 0, []

    async def answer(self, request):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.02)
        self.now -= 1
        seed = json.loads(request.content)["seed"]
        self.seeds.append(seed)
        return httpx.Response(503) if seed % 2 else httpx.Response(200, text="data: [DONE]\n\n")

    def run(self, loop):
        async def with_client():
            async with httpx.AsyncClient(transport=httpx.MockTransport(self.answer)) as client:
                return await loop(client)

        return asyncio.run(with_client())


BODIES = [spoken_body(b"sound", "wav", 5, seed) for seed in range(10)]


def test_a_closed_loop_keeps_its_number_of_requests():
    loops = Loops()
    heard = loops.run(lambda client: closed_loop(client, "http://x", BODIES, 3, 60.0))
    assert loops.most == 3
    assert sorted(loops.seeds) == list(range(10))
    assert [one.status for one in heard].count(503) == 5
    nothing = loops.run(lambda client: closed_loop(client, "http://x", BODIES, 3, -1.0))
    assert nothing == []


def test_an_open_loop_waits_for_no_answer():
    loops = Loops()
    start_s = time.perf_counter()
    heard = loops.run(lambda client: open_loop(client, "http://x", BODIES, [0.0] * 9 + [0.15]))
    assert time.perf_counter() - start_s >= 0.15
    assert loops.most == 9
    assert heard[-1].sent_s - heard[0].sent_s == pytest.approx(0.15, abs=0.1)


def test_a_server_that_is_not_there_is_counted():
    async def ask():
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            return await listen(client, "http://127.0.0.1:9", BODIES[0])

    assert asyncio.run(ask()).status == UNREACHED


def test_clips_are_those_of_the_folder(tmp_path):
    clips = read_clips(bench_serving.CLIPS)
    assert len(clips) == 8
    assert {form for _, form in clips} == {"flac"}
    with pytest.raises(ValueError, match="holds no"):
        read_clips(tmp_path)


def test_memory_is_that_of_a_process_and_its_children():
    script = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytearray(60 << 20); input()'])"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE)
    try:
        deadline_s = time.monotonic() + 60
        while (rss_mib_of(parent.pid) or 0) < 60:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
    finally:
        parent.communicate(b"\n")
    assert rss_mib_of(parent.pid) is None


def test_a_real_server_is_measured(tiny_build, tmp_path):
    root = Path(__file__).parents[2]
    command = [
        sys.executable, "benchmarks/serving.py", "--quick", "--build", str(tiny_build), "--threads", "1",
        "--requests", "2", "--tokens", "16", "--out", str(tmp_path), "--slots", "2",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["n"] == 2 + 4 + 2
    assert line["errors_5xx"] == 0
    assert line["by_status"] == {"200": 8}
    assert 0 < line["first_token_p50_ms"] <= line["first_audio_p50_ms"] <= line["first_audio_p95_ms"]
    assert line["rss_mib"] > 50
    assert {"streams_realtime", "rss_growth_mib", "build"} <= line.keys()
    assert (tmp_path / "serving.png").stat().st_size > 1000
    levels = json.loads((tmp_path / "results.json").read_text())["levels"]
    assert [(level["loop"], level["load"]) for level in levels] == [
        ("closed", 1),
        ("closed", 2),
        ("open", 2.0),
    ]
