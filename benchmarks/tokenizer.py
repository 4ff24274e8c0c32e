"""The audio tokenizer beside EnCodec, Mimi, Opus and Codec2: quality against bit rate, and speed.

Quality is measured on recorded people (tests/data, or a lhotse cuts file) and, where a corpus is named, on its
held-out synthetic voices. Learned peers have random weights unless --weights pretrained: then their speed is measured,
which random weights do not change, and no quality. STOI, PESQ, SI-SDR and mel distance compare aligned signals
(omni_audio/evaluation/signal_quality.py says how). A measure whose package is missing is left out and named;
`pip install 'omni-audio[bench]'` installs them.

Speed: real-time factors of one stream, whole clips, codecs in turn in one process, at one thread and at two.

Writes table.md, quality.png and results.json into --out. The last line is JSON: figures with all codebooks on the
recorded people; those on the synthetic voices end in _synthetic.

    python benchmarks/tokenizer.py --quick
    python benchmarks/tokenizer.py --human-cuts runs/human/cuts-test.jsonl.gz --synthetic runs/nano/corpus
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

import omni_audio
from measuring.command import load_average
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require
from omni_audio.cli.builds import newest_build, require_build
from omni_audio.evaluation.codec_clips import SpeechClip, clips_of_corpus, clips_of_cuts, clips_of_folder
from omni_audio.evaluation.codec_memory import BARE, peak_rss_mib
from omni_audio.evaluation.codec_quality import (
    Instruments,
    QualityRow,
    codec_row,
    hear,
    open_instruments,
    original_row,
    semantic_ctc_wer,
)
from omni_audio.evaluation.codec_registry import LEARNED_PEERS, CodecShelf, parse_spec
from omni_audio.evaluation.codec_report import markdown_table, plot_quality, quality_table
from omni_audio.evaluation.codec_speed import speed_ratios, spread, step_times_ms, time_codecs
from omni_audio.evaluation.judge import JudgeKind
from omni_audio.evaluation.results import format_number
from omni_audio.record import device_description, git_state, package_versions, usable_cores
from omni_audio.tokenizer.codec import BaselineWeights, Codec

ROOT = Path(__file__).resolve().parents[1]
CLASSICAL = ("opus:6", "opus:9", "opus:12", "codec2:0.7", "codec2:1.2", "codec2:3.2")
LEARNED = ("encodec:1.5", "encodec:3", "encodec:6", "mimi:4", "mimi:8")
QUICK_CLASSICAL = ("opus:6", "codec2:1.2")
SPEED_PEERS = ("encodec:6", "mimi:8", "opus:6", "codec2:1.2")
HEADLINE = (
    "stoi",
    "pesq_wb",
    "si_sdr_db",
    "mel_distance",
    "dnsmos",
    "dnsmos_ratio",
    "distillmos",
    "distillmos_ratio",
    "wer_percent",
    "wer_delta_points",
    "speaker_similarity",
    "speaker_similarity_ratio",
)
PACKAGES = (
    "torch",
    "pystoi",
    "pesq",
    "speechmos",
    "distillmos",
    "resemblyzer",
    "encodec",
    "transformers",
    "av",
    "pycodec2",
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="four clips and few repeats: under a minute on two cores")
    add(
        "--build",
        type=Path,
        help="folder with our tokenizer; default: the newest builds/omni-audio-tokenizer-*",
    )
    add(
        "--human",
        type=Path,
        default=ROOT / "tests/data",
        help="folder with transcripts.jsonl; default: tests/data",
    )
    add("--human-cuts", type=Path, help="lhotse cuts of held-out people, in place of --human")
    add(
        "--languages",
        nargs="+",
        help="of --human-cuts, e.g. en; default: all; words are judged in English only",
    )
    add(
        "--synthetic",
        type=Path,
        help="corpus folder whose split `test` is also measured, e.g. runs/nano/corpus",
    )
    add("--num-clips", type=int, help="clips of each set; default: 40, or 4 with --quick")
    add("--points", nargs="+", help="operating points for quality, e.g. omni_audio:8 opus:6; default: all")
    add(
        "--weights",
        choices=[kind.value for kind in BaselineWeights],
        default="random",
        help="of learned peers",
    )
    add(
        "--encodec-folder",
        type=Path,
        help="with EnCodec's weights, for --weights pretrained; default: the hub",
    )
    add("--mimi-folder", type=Path, help="with Mimi's weights, for --weights pretrained; default: the hub")
    add(
        "--judge",
        choices=[kind.value for kind in JudgeKind],
        default="whisper_tiny_en",
        help="hears the words",
    )
    add("--judge-folder", type=Path, help="CTranslate2 Whisper model, for --judge folder")
    add("--workers", type=int, default=usable_cores(), help="clips judged at a time; default: all cores")
    add(
        "--threads",
        type=int,
        nargs="+",
        default=[1, 2],
        help="threads that speed is measured at; default: 1 2",
    )
    add("--clip-s", type=float, help="seconds of sound for speed; default: 4, or 2 with --quick")
    add("--repeats", type=int, help="of the speed measurement; default: 20, or 5 with --quick")
    add("--no-memory", action="store_true", help="leave peak memory out (--quick does)")
    add(
        "--out",
        type=Path,
        default=ROOT / "runs/bench-tokenizer",
        help="folder; default: runs/bench-tokenizer",
    )
    args = parser.parse_args()
    args.num_clips = (4 if args.quick else 40) if args.num_clips is None else args.num_clips
    args.clip_s = (2.0 if args.quick else 4.0) if args.clip_s is None else args.clip_s
    args.repeats = (5 if args.quick else 20) if args.repeats is None else args.repeats
    for name, least in (("num_clips", 1), ("repeats", 2), ("workers", 1), ("clip_s", 0.5)):
        if getattr(args, name) < least:
            parser.error(f"{name} {getattr(args, name):g} is not allowed: expected at least {least:g}")
    return args


def our_build(build: Path | None) -> Path:
    if build is not None:
        return require_build(build, needs_model=False)
    found = newest_build(ROOT, ("builds/omni-audio-tokenizer-*",), needs_model=False)
    require(
        found is not None, "build", None, "a folder builds/omni-audio-tokenizer-*", "Name one with --build."
    )
    assert found is not None
    return found


def clip_sets(args: argparse.Namespace) -> dict[str, list[SpeechClip]]:
    if args.human_cuts is not None:
        sets = {"human": clips_of_cuts(args.human_cuts, args.num_clips, languages=args.languages)}
    else:
        sets = {"human": clips_of_folder(args.human, args.num_clips)}
    if args.synthetic is not None:
        sets["synthetic"] = clips_of_corpus(args.synthetic, "test", args.num_clips)
    return sets


def quality_points(args: argparse.Namespace, num_codebooks: int) -> list[str]:
    if args.points is not None:
        return args.points
    if args.quick:
        return [*(f"omni_audio:{number}" for number in (num_codebooks // 2, num_codebooks)), *QUICK_CLASSICAL]
    learned = LEARNED if args.weights == BaselineWeights.pretrained.value else ()
    return [*(f"omni_audio:{number}" for number in range(1, num_codebooks + 1)), *CLASSICAL, *learned]


def open_codecs(shelf: CodecShelf, specs: list[str], absent: dict[str, str]) -> dict[str, Codec]:
    """Those whose packages are there; the reasons of the others go to `absent`."""
    codecs: dict[str, Codec] = {}
    for spec in specs:
        parse_spec(spec)
        try:
            codecs[spec] = shelf.make(spec)
        except ValueError as error:
            if "is missing" not in str(error):
                raise
            absent[spec] = str(error)
    return codecs


def measure_quality(
    codecs: dict[str, Codec], sets: dict[str, list[SpeechClip]], tools: Instruments, workers: int
) -> list[QualityRow]:
    rows: list[QualityRow] = []
    torch.set_num_threads(1)  # the workers share the cores
    for name, clips in sets.items():
        originals = hear(clips, [clip.pcm_S for clip in clips], tools, workers)
        rows.append(original_row(name, clips, originals))
        for codec in tqdm(codecs.values(), desc=f"quality, {name}", unit="codec"):
            rows.append(codec_row(name, codec, clips, originals, tools, workers))
    return rows


def speed_clip(sets: dict[str, list[SpeechClip]], clip_s: float) -> Tensor:
    """(S,) the clips one after the other, from the start again where they are too few."""
    joined_S = torch.cat([clip.pcm_S for clips in sets.values() for clip in clips])
    num_samples = int(clip_s * SAMPLE_RATE_HZ)
    return joined_S.repeat(-(-num_samples // joined_S.numel()))[:num_samples]


def measure_speed(codecs: dict[str, Codec], pcm_S: Tensor, args: argparse.Namespace) -> dict[str, dict]:
    """spec -> rtf at each number of threads, step time, parameters; of peers also our speed against theirs."""
    timings = time_codecs(codecs, pcm_S, args.threads, args.repeats)
    torch.set_num_threads(1)
    steps = step_times_ms(codecs, pcm_S)
    ours = next(iter(codecs))
    found: dict[str, dict] = {}
    for spec, codec in codecs.items():
        facts: dict = {"kbps": codec.kbps}
        if codec.num_parameters is not None:
            facts["parameters"] = codec.num_parameters
        for threads in args.threads:
            timing = timings[spec, threads]
            facts[f"encode_rtf_{threads}"] = spread(timing.encode_rtf)
            facts[f"decode_rtf_{threads}"] = spread(timing.decode_rtf)
            if spec != ours:
                facts[f"our_speed_{threads}"] = spread(speed_ratios(timings[ours, threads], timing))
        if spec in steps:
            facts["step_ms"] = spread(steps[spec])
            facts["step_audio_ms"] = 1000 * codec.step_samples / SAMPLE_RATE_HZ  # pyright: ignore
        found[spec] = facts
    return found


def measure_memory(speed: dict[str, dict], build: Path, clip_s: float, absent: dict[str, str]) -> float:
    """Adds the peak memory of each codec; returns that of a process without one."""
    for spec in tqdm(speed, desc="peak memory", unit="codec"):
        try:
            speed[spec]["peak_rss_mib"] = peak_rss_mib(spec, build, clip_s)
        except ValueError as error:
            absent[f"peak_rss_mib of {spec}"] = str(error)
    return peak_rss_mib(BARE, build, clip_s)


def speed_table(speed: dict[str, dict], threads: list[int]) -> str:
    header = ["codec", "kbit/s", "parameters"]
    for number in threads:
        header += [
            f"encode rtf, {number} thr.",
            f"decode rtf, {number} thr.",
            f"ours is faster, {number} thr.",
        ]
    rows: list[list[str]] = []
    for spec, facts in speed.items():
        row = [spec, format_number(facts["kbps"]), str(facts.get("parameters", "-"))]
        for number in threads:
            for name in ("encode_rtf", "decode_rtf", "our_speed"):
                found = facts.get(f"{name}_{number}")
                row.append(f"{found['median']:g} [{found['q1']:g}, {found['q3']:g}]" if found else "-")
        step = facts.get("step_ms")
        row.append(f"{step['median']:g} of {facts['step_audio_ms']:g}" if step else "-")
        row.append(f"{facts['peak_rss_mib']:.0f}" if "peak_rss_mib" in facts else "-")
        rows.append(row)
    return markdown_table([*header, "step, ms", "peak RSS, MiB"], rows)


def last_line(rows: list[QualityRow], speed: dict[str, dict], num_codebooks: int, args) -> dict[str, object]:
    """Our figures with all codebooks, and our speed; what was not measured is not there."""
    line: dict[str, object] = {
        "kbps": speed[f"omni_audio:{num_codebooks}"]["kbps"],
        "codebooks": num_codebooks,
    }
    most = max(args.threads)
    for peer, name in (("encodec:6", "encodec"), ("mimi:8", "mimi")):
        if peer in speed:
            for threads in args.threads:
                ratio = speed[peer][f"our_speed_{threads}"]
                line[f"speed_vs_{name}_{threads}_threads"] = ratio["median"]
            line[f"speed_vs_{name}"] = speed[peer][f"our_speed_{most}"]["median"]
            line[f"speed_vs_{name}_spread"] = speed[peer][f"our_speed_{most}"]
    for row in rows:
        ending = "" if row.clips == "human" else f"_{row.clips}"
        if row.codec == "omni_audio" and row.kbps == line["kbps"]:
            line |= {
                f"{name}{ending}": _digits(row.scores[name].value) for name in HEADLINE if name in row.scores
            }
            line[f"n{ending}"] = row.n
        if row.codec == "original" and "wer_percent" in row.scores:
            line[f"source_wer_percent{ending}"] = _digits(row.scores["wer_percent"].value)
    return line


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def main() -> None:
    args = arguments()
    load = load_average()
    build = our_build(args.build)
    shelf = CodecShelf(
        build=build,
        weights=BaselineWeights(args.weights),
        encodec_folder=args.encodec_folder,
        mimi_folder=args.mimi_folder,
    )
    tokenizer = shelf.tokenizer()
    num_codebooks = tokenizer.config.vq.num_codebooks
    sets = clip_sets(args)
    tools = open_instruments(JudgeKind(args.judge), args.judge_folder, args.workers)
    absent = tools.absent
    points = open_codecs(shelf, quality_points(args, num_codebooks), absent)
    for spec in [spec for spec, codec in points.items() if not codec.is_trained]:
        absent[f"quality of {spec}"] = "random weights say nothing about quality"
        del points[spec]
    rows = measure_quality(points, sets, tools, args.workers)
    del points

    timed = open_codecs(shelf, [f"omni_audio:{num_codebooks}", *SPEED_PEERS], absent)
    pcm_S = speed_clip(sets, args.clip_s)
    speed = measure_speed(timed, pcm_S, args)
    line = last_line(rows, speed, num_codebooks, args)
    for name, clips in sets.items():
        score = semantic_ctc_wer(tokenizer, clips)
        if score is not None:
            line["semantic_ctc_wer_percent" + ("" if name == "human" else f"_{name}")] = _digits(score.value)
    del timed
    if args.quick or args.no_memory:
        absent["peak_rss_mib"] = "--quick and --no-memory leave it out"
    else:
        line["bare_peak_rss_mib"] = round(measure_memory(speed, build, args.clip_s, absent))
    if args.weights == BaselineWeights.random.value:
        absent[f"quality of {' and '.join(LEARNED_PEERS)}"] = "random weights; --weights pretrained has it"

    torch.set_num_threads(max(args.threads))
    line |= {
        "load_average": load,
        "repeats": args.repeats,
        "clip_s": args.clip_s,
        "build": build.name,
        "weights": args.weights,
    }
    if tools.judge is not None:
        line["judge"] = tools.judge.name
    line |= {**device_description(), **git_state(Path(omni_audio.__file__).parent)}
    tables = f"{quality_table(rows)}\n\n{speed_table(speed, args.threads)}\n"
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "table.md").write_text(tables)
    plot_quality(rows, args.out / "quality.png")
    whole = {
        "command": " ".join(["python", *sys.argv]),
        "line": line,
        "quality": [asdict(row) for row in rows],
        "speed": speed,
        "absent": absent,
        "packages": package_versions(PACKAGES),
    }
    (args.out / "results.json").write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n")
    print(tables)
    for name, reason in absent.items():
        print(f"not measured: {name}: {reason}")
    print(f"written: {args.out}/table.md, quality.png, results.json")
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
