"""A listening test for people, in the manner of ITU-T P.808 (absolute category rating), made of a build and its corpus.

What is rated, for the same texts: the recorded answers of the source voice (`source`, the upper anchor), what the
tokenizer makes of them (`resynthesis`), the speech of the build and of further builds under their names, and recordings
under strong modulated noise (`degraded`, the lower anchor). Between them stand clips that check the rater: two trapping
clips, which break off into beeps that are to be counted, and two gold clips, one plainly good and one plainly bad.

Source: ITU-T P.808 (2021), annex A; Naderi and Cutler 2020, "An open source implementation of ITU-T recommendation
P.808 with validation".
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from omni_audio.audio.io import load_audio
from omni_audio.checks import require
from omni_audio.evaluation.items import EvalItem, load_items
from omni_audio.evaluation.listening_files import Clip, ListeningTest, write_test
from omni_audio.evaluation.listening_format import Role
from omni_audio.evaluation.listening_sounds import NUM_TONES, modulated_noise, trapping_clip
from omni_audio.evaluation.record import run_record
from omni_audio.evaluation.speech import load_human_clips
from omni_audio.evaluation.subject import Subject
from omni_audio.evaluation.talk_items import holds_talks, load_talks, turn_items

if TYPE_CHECKING:
    from omni_audio.evaluation.harness import EvalConfig

SOURCE, RESYNTHESIS, DEGRADED = "source", "resynthesis", "degraded"
GOLD_Q_DB = 0.0
TRAINING_Q_DB = (10.0, 20.0)
"""The middle of the scale; both ends are there too."""
NUM_TRAPS = 2
HIGHEST = (4, 5)
HIGHEST_OF_SOURCE = (3, 4, 5)
LOWEST = (1, 2)


@dataclass(kw_only=True, slots=True)
class ListeningConfig:
    """A listening test; build, corpus, split, takes and seed are those of the evaluation.

    Attributes:
        output: folder of the test; None: `listening` in the folder of the evaluation.
        systems: further builds to rate, by their folders.
        num_texts: texts that each system says; a rater hears all of them by all systems.
        degraded_q_db: of the lower anchor, the level of the speech above its noise in dB.
        num_headphone_trials: of the headphone check; 0 leaves it out.
        gold_folder: recordings of people (`transcripts.jsonl`) of undoubted quality, for the good gold clip. None takes
            one of the source voice, which is then accepted from 3 on instead of 4.
    """

    output: str | None = None
    systems: list[str] = field(default_factory=list)
    num_texts: int = 10
    degraded_q_db: float = 5.0
    num_headphone_trials: int = 6
    gold_folder: str | None = None

    def __post_init__(self) -> None:
        require(self.num_texts >= 1, "listening.num_texts", self.num_texts, "at least 1", "Use 10.")
        trials = self.num_headphone_trials
        require(trials >= 0, "listening.num_headphone_trials", trials, "0 or more", "Use 6, or 0 for none.")
        q_db = self.degraded_q_db
        allowed = "-10 to 20 dB"
        require(-10 <= q_db <= 20, "listening.degraded_q_db", q_db, allowed, "Use 5: a strong anchor.")


def make_listening_test(
    config: ListeningConfig, eval_config: "EvalConfig", load: Callable[[Path], Subject]
) -> Path:
    """Lets every system say the texts and writes the test.

    Args:
        config: of the test.
        eval_config: build, corpus, split, output, takes and seed.
        load: build folder -> the system under test.

    Returns:
        The key's path.

    Raises:
        ValueError: the corpus has too few different answers that are spoken, two systems have one name, or the folder
            holds a test already.
    """
    builds = system_names([eval_config.build, *config.systems])
    drawn = spoken_items(Path(eval_config.corpus), eval_config.split, eval_config.seed)
    allowed = f"fewer than the {len(drawn)} different spoken answers of the corpus"
    remedy = "Lower it, or make a larger corpus."
    require(config.num_texts < len(drawn), "listening.num_texts", config.num_texts, allowed, remedy)
    items, others = drawn[: config.num_texts], drawn[config.num_texts :]
    texts, recorded = [item.answer for item in items], [item.answer_pcm() for item in items]
    said: dict[str, list[Tensor]] = {SOURCE: recorded}
    for name, folder in builds.items():
        subject = load(folder)
        if RESYNTHESIS not in said:
            said[RESYNTHESIS] = [subject.decode(subject.encode(pcm_S)) for pcm_S in recorded]
        said[name] = subject.say(texts, eval_config.num_takes)
    said[DEGRADED] = [
        modulated_noise(pcm_S, config.degraded_q_db, eval_config.seed + number)
        for number, pcm_S in enumerate(recorded)
    ]
    clips = [
        Clip(role=Role.rated, system=system, text=text, pcm_S=pcm_S)
        for system, sounds in said.items()
        for text, pcm_S in zip(texts, sounds, strict=True)
    ]
    draw = random.Random(f"listening checks {eval_config.seed}")
    gold_folder = None if config.gold_folder is None else Path(config.gold_folder)
    clips += _checks(others, gold_folder, draw, eval_config.seed)
    systems = {name: {"kind": name} for name in said} | {
        name: {"kind": "build", "folder": str(folder)} for name, folder in builds.items()
    }
    test = ListeningTest(
        clips=clips,
        systems=systems,
        headphone_trials=[_trial(draw) for _ in range(config.num_headphone_trials)],
        record=run_record(eval_config) | {"listening": config},
    )
    output = Path(eval_config.output) / "listening" if config.output is None else Path(config.output)
    return write_test(test, output, eval_config.seed)


def system_names(folders: Sequence[str]) -> dict[str, Path]:
    """Builds by the names of their folders.

    Raises:
        ValueError: two have one name, or one has that of another system.
    """
    names = [Path(folder).resolve().name for folder in folders]
    reserved = {SOURCE, RESYNTHESIS, DEGRADED}
    ok = len(set(names)) == len(names) and not reserved & set(names)
    allowed = f"builds with different names, none of {', '.join(sorted(reserved))}"
    require(ok, "listening.systems", names, allowed, "Rename a build's folder.")
    return {name: Path(folder) for name, folder in zip(names, folders, strict=True)}


def spoken_items(corpus: Path, split: str, seed: int) -> list[EvalItem]:
    """Items of a corpus with a spoken answer, each answer once, in a drawn order."""
    if holds_talks(corpus):
        found = turn_items(load_talks(corpus, split, None, seed), spoken_answer=True)
    else:
        found = load_items(corpus, split, None, seed)
    return list({item.answer: item for item in reversed(found)}.values())[::-1]


def _checks(
    others: Sequence[EvalItem], gold_folder: Path | None, draw: random.Random, seed: int
) -> list[Clip]:
    """Clips that are not rated, of texts that no system says; they take turns where there are few."""

    def clip(place: int, role: Role, q_db: float | None = None, accepted: tuple[int, ...] = ()) -> Clip:
        item = others[place % len(others)]
        pcm_S = item.answer_pcm()
        if q_db is not None:
            pcm_S = modulated_noise(pcm_S, q_db, seed - 1 - place)
        return Clip(role=role, system=SOURCE, text=item.answer, pcm_S=pcm_S, accepted=accepted)

    def trap(place: int, role: Role, num_beeps: int) -> Clip:
        item = others[place % len(others)]
        pcm_S = trapping_clip(item.answer_pcm(), num_beeps)
        return Clip(role=role, system=SOURCE, text=item.answer, pcm_S=pcm_S, accepted=(num_beeps,))

    gold = clip(2, Role.gold, accepted=HIGHEST_OF_SOURCE)
    if gold_folder is not None:
        human = draw.choice(load_human_clips(gold_folder))
        gold = Clip(
            role=Role.gold,
            system="gold",
            text=human.text,
            pcm_S=load_audio(human.path),
            accepted=HIGHEST,
        )
    beeps = draw.sample(range(1, 6), NUM_TRAPS + 1)
    middle = [clip(4 + place, Role.training, q_db) for place, q_db in enumerate(TRAINING_Q_DB)]
    return [
        clip(0, Role.volume),
        clip(1, Role.training),
        clip(2, Role.training, GOLD_Q_DB),
        *middle,
        trap(3, Role.training, beeps.pop()),
        gold,
        clip(3, Role.gold, GOLD_Q_DB, LOWEST),
        *(trap(6 + place, Role.trap, num_beeps) for place, num_beeps in enumerate(beeps)),
    ]


def _trial(draw: random.Random) -> tuple[int, int]:
    quietest, opposed = draw.sample(range(NUM_TONES), 2)
    return quietest, opposed
