"""The real server under load: speech in, spoken answers out, streamed over the loopback of this machine.

`omni-audio serve` runs in a process of its own. First, in a closed loop, more and more clients ask at once, each of
which sends its next request when the answer before is over; then, in an open loop, requests come at rising rates
whatever has become of those before. The requests are sound files, by turns. A listener plays each answer as it comes.

    first_audio_p50_ms, _p95_ms  from sending a request, all of it at once, to the first sound; first of --clients
    first_token_p50_ms           to the first words or sound, there too
    streams_realtime             the most clients of the closed loop, counted up from the fewest, at which every request
                                 was answered whole and 95 % of the answers were heard without an underrun; else 0
    errors_5xx                   answers with a status of 500 and above, but 503, and answers that broke off; all levels
    refused                      429 and 503: the server says that it is overloaded; all levels
    rss_growth_mib               memory of the server and its workers after the last level less that after warming up
    n                            requests in all

By level: first audio, first token, the real-time factor (seconds from sending to the end of an answer, for a second of
its sound; median), the share of answers with an underrun (sound that was due and had not come), seconds of sound a
second, and requests by status. The client runs on the same machine and takes its share of it; it needs the extra `dev`.

Writes table.md, serving.png and results.json into --out. The last line is JSON.

    python benchmarks/serving.py --quick --build runs/tiny
    python benchmarks/serving.py --build runs/nano --clients 1 2 4 8 16 --rates 0.5 1 2 4
"""

import argparse
import asyncio
import itertools
import json
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from measuring.command import benchmark_parser, load_average, parse, run_facts
from measuring.playback import play
from omni_audio.cli.builds import require_build
from omni_audio.evaluation.codec_report import markdown_table
from omni_audio.evaluation.latency import percentile
from omni_audio.evaluation.listeners import Heard, arrival_times, closed_loop, open_loop, spoken_body
from omni_audio.evaluation.live_server import LiveServer, live_server
from omni_audio.evaluation.results import digits

CLIPS = Path(__file__).parents[1] / "tests" / "data"
FORMATS = (".wav", ".flac", ".mp3")
REQUEST_TIMEOUT_S = 120.0
REALTIME_SHARE = 0.95
REFUSALS = ("429", "503")
LOOPS = {"closed": "clients at once", "open": "requests a second"}


@dataclass(slots=True)
class Level:
    """What was measured at one level of a loop; None where no answer tells.

    Attributes:
        loop: "closed" or "open".
        load: clients at once, or requests a second.
        n: requests that were sent.
        by_status: how many of them ended so.
        underrun_share: of the whole answers, those that stood still at least once.
        silent_s: seconds that they stood still in all.
        sound_per_s: seconds of sound that came a second, over all clients.
    """

    loop: str
    load: float
    n: int
    by_status: dict[str, int]
    first_audio_p50_ms: float | None
    first_audio_p95_ms: float | None
    first_token_p50_ms: float | None
    real_time_factor: float | None
    underrun_share: float | None
    silent_s: float
    sound_per_s: float

    @property
    def num_whole(self) -> int:
        return self.by_status.get("200", 0)

    @property
    def is_realtime(self) -> bool:
        """Whether every listener had its answer, and nearly all heard it without a stop."""
        return self.num_whole == self.n and (self.underrun_share or 0.0) <= 1 - REALTIME_SHARE + 1e-9


def level_of(loop: str, load: float, heard: Sequence[Heard], buffer_s: float) -> Level:
    """The figures of one level; `buffer_s` is how long a listener waits after the first sound."""
    whole = [one for one in heard if one.is_whole]
    first_audio_ms = [(one.arrivals[0][0] - one.sent_s) * 1000 for one in whole]
    first_token_ms = [
        (one.first_token_s - one.sent_s) * 1000 for one in whole if one.first_token_s is not None
    ]
    factors = [(one.ended_s - one.sent_s) / one.sound_s for one in whole if one.ended_s is not None]
    played = [play(one.arrivals, buffer_s) for one in whole]
    ends_s = [one.ended_s for one in whole if one.ended_s is not None]
    took_s = max(ends_s, default=0.0) - min((one.sent_s for one in heard), default=0.0)

    def of(values: list[float], percent: float) -> float | None:
        return percentile(values, percent) if values else None

    return Level(
        loop=loop,
        load=load,
        n=len(heard),
        by_status=dict(
            Counter("silent" if one.status == 200 and not one.is_whole else str(one.status) for one in heard)
        ),
        first_audio_p50_ms=of(first_audio_ms, 50),
        first_audio_p95_ms=of(first_audio_ms, 95),
        first_token_p50_ms=of(first_token_ms, 50),
        real_time_factor=statistics.median(factors) if factors else None,
        underrun_share=sum(one.num_underruns > 0 for one in played) / len(played) if played else None,
        silent_s=sum(one.silent_s for one in played),
        sound_per_s=sum(one.sound_s for one in whole) / took_s if whole else 0.0,
    )


def streams_realtime(levels: Sequence[Level]) -> int:
    """The most clients of the closed loop up to which every level kept up with its listeners."""
    closed = sorted((level for level in levels if level.loop == "closed"), key=lambda level: level.load)
    kept_up = list(itertools.takewhile(lambda level: level.is_realtime, closed))
    return int(kept_up[-1].load) if kept_up else 0


def figures(levels: Sequence[Level], rss_mib: Sequence[float | None]) -> dict[str, Any]:
    """The last line's figures; what was not measured is left out."""
    by_status = sum((Counter(level.by_status) for level in levels), Counter())
    first = levels[0]
    line: dict[str, Any] = {
        name: digits(value)
        for name in ("first_audio_p50_ms", "first_audio_p95_ms", "first_token_p50_ms", "real_time_factor")
        if (value := getattr(first, name)) is not None
    }
    line |= {
        "clients": first.load,
        "streams_realtime": streams_realtime(levels),
        "errors_5xx": sum(num for status, num in by_status.items() if is_server_error(status)),
        "refused": sum(by_status[status] for status in REFUSALS),
        "by_status": dict(by_status),
    }
    known = [one for one in rss_mib if one is not None]
    if len(known) == len(rss_mib) and known:
        line |= {"rss_growth_mib": digits(known[-1] - known[0]), "rss_mib": digits(max(known))}
    return line | {"n": sum(level.n for level in levels)}


def is_server_error(status: str) -> bool:
    """Whether an answer ended by the server's fault."""
    return status == "broken" or (status.isdigit() and int(status) >= 500 and status not in REFUSALS)


def table(levels: Sequence[Level]) -> str:
    """A row for each level."""
    header = ["loop", "load", "n", "by status", "first audio p50 / p95, ms", "first token p50, ms"]
    header += ["real-time factor", "underruns, % of answers", "sound, s a second"]

    def cell(value: float | None, factor: float = 1.0) -> str:
        return "-" if value is None else f"{digits(value * factor):g}"

    rows = [
        [
            f"{level.loop}, {LOOPS[level.loop]}",
            f"{level.load:g}",
            str(level.n),
            ", ".join(f"{status}: {num}" for status, num in sorted(level.by_status.items())),
            f"{cell(level.first_audio_p50_ms)} / {cell(level.first_audio_p95_ms)}",
            cell(level.first_token_p50_ms),
            cell(level.real_time_factor),
            cell(level.underrun_share, 100),
            cell(level.sound_per_s),
        ]
        for level in levels
    ]
    return markdown_table(header, rows)


def plot(levels: Sequence[Level], path: Path) -> None:
    """First audio, underruns and throughput against the load: a row for each loop; the folder must exist."""
    loops = [loop for loop in LOOPS if any(level.loop == loop for level in levels)]
    figure = Figure(figsize=(12.0, 3.2 * len(loops)), layout="constrained")
    FigureCanvasAgg(figure)
    for row, loop in enumerate(loops):
        chosen = [level for level in levels if level.loop == loop]
        panels: list[tuple[str, dict[str, list[float | None]]]] = [
            (
                "first audio, ms",
                {
                    "p50": [level.first_audio_p50_ms for level in chosen],
                    "p95": [level.first_audio_p95_ms for level in chosen],
                },
            ),
            (
                "share of requests, %",
                {
                    "answers with an underrun": [
                        None if level.underrun_share is None else 100 * level.underrun_share
                        for level in chosen
                    ],
                    "not answered whole": [100 * (1 - level.num_whole / level.n) for level in chosen],
                },
            ),
            ("sound, seconds a second", {"all clients": [level.sound_per_s for level in chosen]}),
        ]
        for column, (title, lines) in enumerate(panels, 1):
            axes = figure.add_subplot(len(loops), len(panels), row * len(panels) + column)
            for label, values in lines.items():
                points = [
                    (level.load, value)
                    for level, value in zip(chosen, values, strict=True)
                    if value is not None
                ]
                if points:
                    axes.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=1, label=label)
            axes.set_ylim(bottom=0)
            axes.set_xlabel(LOOPS[loop])
            axes.set_title(title, fontsize=10)
            axes.grid(alpha=0.3)
            if axes.lines:
                axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def read_clips(folder: Path, max_clips: int = 32) -> list[tuple[bytes, str]]:
    """The first sound files of a folder, by name, and their formats.

    Raises:
        ValueError: there is none.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix in FORMATS)[:max_clips]
    if not paths:
        raise ValueError(f"clips = {str(folder)!r} holds no {', '.join(FORMATS)}: name a folder of speech.")
    return [(path.read_bytes(), path.suffix.removeprefix(".")) for path in paths]


async def measure(server: LiveServer, args: argparse.Namespace) -> tuple[list[Level], list[float | None]]:
    """All levels one after the other, and the server's memory after warming up and after each."""
    clips = itertools.cycle(read_clips(args.clips))
    seeds = itertools.count(args.seed)

    def bodies(num: int) -> list[dict[str, Any]]:
        return [spoken_body(*next(clips), args.tokens, next(seeds)) for _ in range(num)]

    limits = httpx.Limits(max_connections=None)
    levels: list[Level] = []
    async with httpx.AsyncClient(timeout=REQUEST_TIMEOUT_S, limits=limits, trust_env=False) as client:
        await closed_loop(client, server.url, bodies(args.warm_up), 1, args.level_s)
        rss_mib = [server.rss_mib()]
        for num_clients in args.clients:
            num = max(args.requests, 2 * num_clients)
            heard = await closed_loop(client, server.url, bodies(num), num_clients, args.level_s)
            levels.append(level_of("closed", num_clients, heard, args.buffer_ms / 1000))
            rss_mib.append(server.rss_mib())
        for rate_hz in args.rates:
            is_poisson = args.arrivals == "poisson"
            times_s = arrival_times(rate_hz, args.requests, args.level_s, poisson=is_poisson, seed=args.seed)
            heard = await open_loop(client, server.url, bodies(len(times_s)), times_s)
            levels.append(level_of("open", rate_hz, heard, args.buffer_ms / 1000))
            rss_mib.append(server.rss_mib())
    return levels, rss_mib


def arguments() -> argparse.Namespace:
    parser = benchmark_parser(__doc__ or "", "few clients, few short answers: seconds on a tiny build")
    add = parser.add_argument
    add("--build", type=Path, help="build or run folder; default: the newest")
    add("--clips", type=Path, default=CLIPS, help="folder of speech (wav, flac, mp3); default: tests/data")
    add("--clients", type=int, nargs="+", help="of the closed loop; default: 1 2 4 8")
    add("--rates", type=float, nargs="*", help="requests a second of the open loop; default: 0.25 0.5 1 2")
    add("--requests", type=int, help="at each level, in the closed loop at least two a client; default: 20")
    add("--level-s", type=float, help="after which a level sends no more requests; default: 60")
    add("--tokens", type=int, help="at most, of an answer: words and frames of 80 ms; default: 100")
    add("--warm-up", type=int, help="requests before the first level; default: 4")
    add(
        "--arrivals",
        choices=["poisson", "fixed"],
        default="poisson",
        help="of the open loop; default: poisson",
    )
    add(
        "--buffer-ms",
        type=float,
        default=0.0,
        help="a listener waits so long after the first sound; default: 0",
    )
    add("--slots", type=int, default=8, help="server.num_slots; default: 8")
    add("--seed", type=int, default=0, help="of arrivals and answers; default: 0")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="further overrides of the server")
    add("--out", type=Path, default=Path("runs/bench-serving"), help="default: runs/bench-serving")
    defaults = {
        "clients": ([1, 2, 4, 8], [1, 2]),
        "rates": ([0.25, 0.5, 1.0, 2.0], [2.0]),
        "requests": (20, 4),
        "level_s": (60.0, 10.0),
        "tokens": (100, 24),
        "warm_up": (4, 1),
    }
    least = {
        "clients": 1,
        "requests": 1,
        "level_s": 0.1,
        "tokens": 2,
        "warm_up": 1,
        "buffer_ms": 0,
        "slots": 1,
    }
    args = parse(parser, defaults, least)
    if any(rate <= 0 for rate in args.rates):
        parser.error(f"rates {args.rates} are not allowed: expected numbers above 0")
    return args


def main() -> None:
    args = arguments()
    load = load_average()
    build = require_build(args.build)
    overrides = [f"server.num_slots={args.slots}", f"runtime.num_threads={args.threads}", *args.set]
    with live_server(build, overrides) as server:
        levels, rss_mib = asyncio.run(measure(server, args))
    line = figures(levels, rss_mib) | {
        "build": build.name,
        "slots": args.slots,
        "tokens": args.tokens,
        "buffer_ms": args.buffer_ms,
        "arrivals": args.arrivals,
        "seed": args.seed,
        **run_facts(args, load),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    text = table(levels)
    (args.out / "table.md").write_text(text + "\n")
    plot(levels, args.out / "serving.png")
    whole = {
        "command": " ".join(["python", *sys.argv]),
        "line": line,
        "levels": [asdict(level) for level in levels],
        "rss_mib": rss_mib,
    }
    (args.out / "results.json").write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n")
    print(text)
    print(f"written: {args.out}/table.md, serving.png, results.json")
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
