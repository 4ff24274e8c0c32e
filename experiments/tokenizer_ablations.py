"""Ablations of the tokenizer at a small budget, several seeds each, on held-out recorded people.

Factors: letters that teach the acoustic codes too, the adversarial phase, and 25 instead of 12.5 frames a second at the
bit rate of the acoustic codes (4 instead of 8 codebooks). `adversarial` and `25 Hz` stand against `base`, `letters on`
against `letters off`. Needs what
experiment=tokenizer needs, and the corpus of a run of it, which all arms share.

Leaves a run folder for each arm and seed in --runs, where what is done is not done again, and prints a table of means
with the least and the most of the seeds; the last line is JSON.

    python experiments/tokenizer_ablations.py --corpus runs/tokenizer/corpus --seeds 0 1 2
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean

from omni_audio.evaluation.codec_report import markdown_table
from omni_audio.evaluation.results import format_number

ROOT = Path(__file__).resolve().parents[1]
SOUND = "stages=[corpus,tokenizer]"
WORDS = "stages=[corpus,tokenizer,codes,semantic]"
WHOLE = [
    "tokenizer_loss.whole_utterances=true",
    "data.speech_cuts.train=[]",
    "data.speech_cuts.is_balanced=false",
]
ARMS = {
    "base": [SOUND],
    "adversarial": [SOUND, "+ablation/adversarial=on"],
    "25 Hz": [SOUND, "tokenizer.patch_mel_frames=4", "tokenizer.vq.num_codebooks=4"],
    "letters off": [WORDS, *WHOLE, "+ablation/letters=off"],
    "letters on": [WORDS, *WHOLE, "+ablation/letters=on", "tokenizer_loss.ctc_weight=0.3"],
}
"""`letters` learn from whole utterances that have a transcript, all others from pieces of all speech."""
FIGURES = (
    "kbps",
    "stoi",
    "pesq_wb",
    "dnsmos",
    "distillmos",
    "wer_percent",
    "semantic_ctc_wer_percent_synthetic",
)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--corpus", type=Path, required=True, help="corpus folder of a run of experiment=tokenizer")
    add("--arms", nargs="+", choices=list(ARMS), default=list(ARMS), help="default: all")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    add("--steps", type=int, default=600, help="of the sound; default: 600")
    add("--adversarial-steps", type=int, default=400, help="of the adversarial phase; default: 400")
    add("--semantic-steps", type=int, default=1000, help="of the semantic level; default: 1000")
    add("--human-cuts", type=Path, default=Path("runs/people/cuts-test.jsonl.gz"), help="held-out people")
    add("--num-clips", type=int, default=24, help="clips that are judged; default: 24")
    add("--runs", type=Path, default=Path("runs/ablations"), help="default: runs/ablations")
    return parser.parse_args()


def train(args: argparse.Namespace, arm: str, seed: int) -> Path:
    """Trains one arm with one seed, unless it is trained; returns the folder of its build."""
    run = args.runs / f"{arm.replace(' ', '')}-{seed}"
    run.mkdir(parents=True, exist_ok=True)
    corpus = run / "corpus"
    if not corpus.is_symlink():
        corpus.symlink_to(args.corpus.resolve(), target_is_directory=True)
    asked = json.loads((args.corpus / "corpus.json").read_text())["config"]
    command = [sys.executable, "-m", "omni_audio.cli.main", "train", "experiment=tokenizer"]
    command += [
        f"name={run.name}",
        f"run_dir={run}",
        f"seed={seed}",
        f"tokenizer_training.max_steps={args.steps}",
    ]
    command += [f"semantic_training.max_steps={args.semantic_steps}"]
    command += [f"adversarial.training.max_steps={args.adversarial_steps}"]
    command += ["adversarial.training.batch_duration_s=13.44", *ARMS[arm]]
    command += [f"data.corpus.{name}={value}" for name, value in asked.items() if value is not None]
    subprocess.run(command, cwd=Path.cwd(), check=True)
    stage = "semantic" if WORDS in ARMS[arm] else "tokenizer"
    return run / stage / "tokenizer_build"


def judge(args: argparse.Namespace, arm: str, build: Path) -> dict[str, float]:
    """The figures of a build, from the last line of the benchmark; speed is not the question here."""
    out = build.parent / "benchmark"
    command = [
        sys.executable,
        str(ROOT / "benchmarks/tokenizer.py"),
        "--build",
        str(build),
        "--out",
        str(out),
    ]
    command += ["--human-cuts", str(args.human_cuts), "--languages", "en", "--num-clips", str(args.num_clips)]
    command += [
        "--synthetic",
        str(args.corpus),
        "--points",
        f"omni_audio:{4 if arm == '25 Hz' else 8}",
        "--threads",
        "1",
    ]
    command += ["--repeats", "2", "--clip-s", "1", "--no-memory"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    line = json.loads(done.stdout.splitlines()[-1])
    return {name: line[name] for name in FIGURES if name in line}


def main() -> None:
    """Trains and judges every arm with every seed."""
    args = arguments()
    found = {arm: [judge(args, arm, train(args, arm, seed)) for seed in args.seeds] for arm in args.arms}
    rows = [
        [arm, *(_cell([line[name] for line in lines if name in line]) for name in FIGURES)]
        for arm, lines in found.items()
    ]
    print(markdown_table(["arm", *FIGURES], rows))
    print(json.dumps({"seeds": args.seeds, "steps": args.steps, "n": args.num_clips, "arms": found}))


def _cell(values: list[float]) -> str:
    """Mean, least and most."""
    if not values:
        return "-"
    return f"{format_number(fmean(values))} [{format_number(min(values))}, {format_number(max(values))}]"


if __name__ == "__main__":
    main()
