"""Computes mean opinion scores from the files that the raters of a listening test saved.

The test is made by `omni-audio eval suite=listening`. Raters who failed a trapping or gold clip, left clips out, gave
the same answer to everything, failed the headphone check or agree with nobody are left out, and it is said why. Scores
are those of people alone: predicted ones are another measure, and stand nowhere here.

The last line is JSON.
"""

import argparse
from pathlib import Path

EXAMPLES = """\
examples:
  omni-audio mos ratings-*.json --key runs/nano/eval/listening/key.json
  omni-audio mos answers/ --key key.json                        every .json of a folder
  omni-audio mos answers/ --key key.json --headphone-share 0    loudspeakers are allowed
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the files, the key and the limits of the screening."""
    parser.add_argument(
        "results",
        nargs="+",
        type=Path,
        metavar="RESULTS",
        help="what raters saved: files, or folders of them",
    )
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="key.json of the test")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap; default: 0")
    parser.add_argument(
        "--headphone-share",
        type=float,
        default=5 / 6,
        metavar="X",
        help="share of the headphone trials that must be right, 0 to 1; default: 5 of 6",
    )
    parser.add_argument(
        "--min-correlation",
        type=float,
        default=0.4,
        metavar="R",
        help="least correlation of a rater with the means of the others, -1 to 1; default: 0.4",
    )
    parser.add_argument(
        "--outlier-z",
        type=float,
        metavar="Z",
        help="leave out single answers Z standard deviations off the mean of their system, as 3.29; default: none",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the raters, the table and the line."""
    from omni_audio.evaluation.human_mos import METHOD, last_line, score_table, screening_text, system_scores
    from omni_audio.evaluation.human_ratings import read_key, read_raters
    from omni_audio.evaluation.human_screening import ScreeningConfig, screen

    config = ScreeningConfig(
        headphone_share=args.headphone_share,
        min_correlation=args.min_correlation,
        outlier_z=args.outlier_z,
    )
    key = read_key(args.key)
    screened = screen(read_raters(args.results, key), key, config)
    print(screening_text(screened))
    scores = system_scores(key, screened.kept, config.outlier_z, args.seed)
    print(f"\n{score_table(scores)}\n\ninterval: {METHOD}, seed {args.seed}")
    print(last_line(key, scores, screened, config, args.seed), flush=True)
    return 0
