"""What the codes of a tokenizer hold: usage of every codebook, words from the semantic codes alone, phones.

Clips are the held-out voices of a corpus folder, and recorded people (tests/data) beside them. Words and letters are
those of greedy CTC on the semantic codes, after the normaliser of omni_audio/evaluation/wer.py; intervals are 95 %
bootstrap intervals over clips. Usage and phones are of the corpus clips alone. Phones come from eSpeak NG, which says
when it speaks which; a frame of 80 ms bears the phone that covers most of it, stress left out, silence among the
phones. Clips of other engines' voices, and of people, have none. Purities have no interval: drawing clips again repeats
frames, which raises them; the shuffled row says what chance gives.

Writes table.md, codes.png and results.json into --out. The last line is JSON.

    python benchmarks/semantic_report.py --build builds/omni-audio-tokenizer-nano4-2026-11-22 --corpus runs/nano/corpus
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

import omni_audio
from omni_audio.checks import require_positive
from omni_audio.cli.builds import require_build
from omni_audio.evaluation.codec_clips import SpeechClip, clips_of_corpus, clips_of_folder
from omni_audio.evaluation.semantic_codes import CodedClip, code_clip, label_clips, phone_counts
from omni_audio.evaluation.semantic_report import (
    letters_rows,
    phone_rows,
    plot_codes,
    rates,
    semantic_tables,
    summary,
    usage_rows,
)
from omni_audio.evaluation.wer import NORMALIZER
from omni_audio.model.build import load_tokenizer
from omni_audio.record import device_description, git_state, package_versions
from omni_audio.tokenizer.tokenizer import AudioTokenizer

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("torch", "espeakng-loader", "whisper-normalizer", "jiwer")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--build", type=Path, required=True, help="folder with a tokenizer, or a run folder")
    add("--corpus", type=Path, required=True, help="corpus folder, e.g. runs/nano/corpus")
    add("--split", default="test", help="of the corpus; default: test")
    add(
        "--human",
        type=Path,
        default=ROOT / "tests/data",
        help="folder of recorded people; default: tests/data",
    )
    add("--no-human", action="store_true", help="leave recorded people out")
    add("--quick", action="store_true", help="14 clips of the corpus")
    add("--num-clips", type=int, help="of the corpus, voices in turn; default: 1000, or 14 with --quick")
    add(
        "--out",
        type=Path,
        default=ROOT / "runs/semantic-report",
        help="folder; default: runs/semantic-report",
    )
    args = parser.parse_args()
    if args.num_clips is None:
        args.num_clips = 14 if args.quick else 1000
    require_positive("--num-clips", args.num_clips)
    return args


def coded(tokenizer: AudioTokenizer, clips: list[SpeechClip], name: str) -> list[CodedClip]:
    return [code_clip(tokenizer, clip) for clip in tqdm(clips, desc=name, unit="clip")]


def main() -> None:
    args = arguments()
    build = require_build(args.build, needs_model=False)
    tokenizer = load_tokenizer(build)
    clips = coded(tokenizer, clips_of_corpus(args.corpus, args.split, args.num_clips), args.split)
    people = [] if args.no_human else coded(tokenizer, clips_of_folder(args.human, args.num_clips), "human")

    usage = usage_rows(clips, tokenizer.config)
    letters = letters_rows(f"{args.split}, all voices", clips)
    labelled, absent = label_clips(clips, 1 / tokenizer.config.frame_rate_hz)
    phones = phone_rows(labelled) if labelled else {}
    recorded = letters_rows("recorded people", people)

    line = {**summary(usage, letters, phones), "n": len(clips)}
    if recorded:
        line |= {**rates("human_semantic_ctc", recorded[0]), "n_human": recorded[0].words.n}
    line |= {
        "num_frames": sum(len(clip.semantic_F) for clip in clips),
        "n_phone_clips": len(labelled),
        "split": args.split,
        "build": build.name,
        **device_description(),
        **git_state(Path(omni_audio.__file__).parent),
    }
    tables = semantic_tables(usage, [*letters, *recorded[:1]], phones) + "\n"
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "table.md").write_text(tables)
    plot_codes(usage, phone_counts(labelled, -1) if labelled else None, args.out / "codes.png")
    whole = {
        "command": " ".join(["python", *sys.argv]),
        "line": line,
        "usage": [asdict(row) for row in usage],
        "letters": [asdict(row) for row in (*letters, *recorded)],
        "phones": {name: asdict(row) for name, row in phones.items()},
        "absent": {f"phones of {voice}": reason for voice, reason in absent.items()},
        "normalizer": NORMALIZER,
        "packages": package_versions(PACKAGES),
    }
    (args.out / "results.json").write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n")
    print(tables)
    for name, reason in whole["absent"].items():
        print(f"not measured: {name}: {reason}")
    print(f"written: {args.out}/table.md, codes.png, results.json")
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
