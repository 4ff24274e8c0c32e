"""Makes a corpus by itself: FLAC files, lhotse manifests cuts-{train,dev,test}.jsonl.gz and corpus.json.

`human` is recorded people, from Debian packages that are downloaded by name (nothing is installed), whole
people held out for test. Started again, it goes on where it stopped.
"""

import argparse
from pathlib import Path

EXAMPLES = """\
examples:
  omni-audio corpus human --out runs/human
  omni-audio corpus human --out runs/human --sources asterisk-en asterisk-ru festvox-ru
  omni-audio corpus human --out runs/human --add fillets-cs fillets-nl         GPL-2.0 sources too
  omni-audio corpus human --out runs/human --packages-folder debs              no network: *.deb files lie there
  omni-audio data runs/human                                                   list what was made
"""

RESUME = "To go on, run:"

RECIPES = ("human",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the recipe, the folder and the sources."""
    parser.add_argument("recipe", choices=RECIPES, help="human: recorded people")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where to write; made if needed"
    )
    parser.add_argument(
        "--sources", nargs="+", metavar="NAME", help="what to use; default: all but the GPL-2.0 ones"
    )
    parser.add_argument(
        "--add", nargs="+", default=[], metavar="NAME", help="sources to use besides: fillets-cs, fillets-nl"
    )
    parser.add_argument(
        "--packages-folder",
        metavar="DIR",
        help="take the Debian packages from here (.deb files or unpacked) instead of downloading them",
    )


def run(args: argparse.Namespace) -> int:
    """Builds the corpus and prints the hours of every speaker."""
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
