"""Seed-TTS-eval: sentences to be spoken, word error rate by a judge and similarity to the prompt's speaker.

The builds of this project speak in a voice of their own and do not take the prompt's: the similarity says how far that
is, and stands beside that of two prompts of different speakers. The paper's figures come of other judges (Whisper large
and a WavLM of speaker verification); those here are named in the results and are not comparable with it digit by digit.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from omni_audio.audio.io import load_audio
from omni_audio.checks import require
from omni_audio.evaluation.bootstrap import mean_interval
from omni_audio.evaluation.results import Figure, Results, Sample
from omni_audio.evaluation.speaker_similarity import SpeakerEncoder
from omni_audio.evaluation.suites.base import SuiteOptions, SuiteSheet, SuiteSubject, drawn, require_part
from omni_audio.evaluation.wer import NORMALIZER, corpus_rate_percent, count_words


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """What to speak, and a recording of the speaker who is wanted."""

    name: str
    prompt: Path
    text: str


class SeedTTS:
    """Anastassiou et al. 2024, "Seed-TTS: a family of high-quality versatile speech generation models"."""

    sheet = SuiteSheet(
        title="Seed-TTS-eval",
        measures="WER of generated speech by the judge; cosine of speaker embeddings with the prompt",
        download="the test set that github.com/BytedanceSpeech/seed-tts-eval links to",
        layout="seedtts_testset, holding en/meta.lst (name|prompt text|prompt sound|text) and the sounds",
        licence="that of Common Voice, CC0, for the English part",
        parts=("en",),
        default_parts=("en",),
    )

    def __call__(self, options: SuiteOptions, subject: SuiteSubject, results: Results) -> None:
        """WER and similarity of each part."""
        judge = options.load_judge()
        remedy = "Leave eval.judge at whisper_tiny_en, or name a better one by eval.judge_folder."
        require(
            judge is not None, "eval.judge", "none", "a judge: the suite measures nothing without", remedy
        )
        assert judge is not None
        results.record["judge"] = judge.name
        for part in options.parts:
            listing = require_part(self.sheet, options.folder / part / "meta.lst")
            sentences = drawn(self.sentences(listing), options)
            bar = tqdm([one.text for one in sentences], desc=f"say {part}", unit="text")
            said = subject.say(bar, options.num_takes)
            heard = list(tqdm(judge.transcribe(said), desc=f"judge {part}", unit="clip", total=len(said)))
            counts = [count_words(one.text, text) for one, text in zip(sentences, heard, strict=True)]
            silent = sum(pcm_S.numel() == 0 for pcm_S in said)
            definition = f"WER of generated speech by {judge.name}, {options.num_takes} takes; {NORMALIZER}; "
            definition += f"{silent} texts were not spoken and count as all words deleted"
            rate = corpus_rate_percent(counts, options.seed)
            results.add(Figure.of(f"{part}_speech_wer_percent", rate, len(counts), definition))
            for one, text, count in zip(sentences, heard, counts, strict=True):
                results.samples.append(
                    Sample(kind=part, item_id=one.name, voice="", wanted=one.text, got=text, score=count.rate)
                )
            self._similarity(options, results, part, sentences, said)

    def _similarity(
        self,
        options: SuiteOptions,
        results: Results,
        part: str,
        sentences: list[Sentence],
        said: list[Tensor],
    ) -> None:
        names = (f"{part}_speaker_similarity", f"{part}_prompts_apart_similarity")
        try:
            encoder = SpeakerEncoder()
        except ValueError as error:
            for name in names:
                results.leave_out(name, str(error))
            return
        prompts = [encoder.embed(load_audio(one.prompt)) for one in sentences]
        own = [
            float(encoder.embed(pcm_S) @ prompt_D)
            for pcm_S, prompt_D in zip(said, prompts, strict=True)
            if pcm_S.numel() > 0
        ]
        if not own:
            results.leave_out(names[0], "nothing was spoken")
        else:
            what = "cosine of speaker embeddings (GE2E) of generated speech and prompt; spoken texts only"
            results.add(Figure.of(names[0], mean_interval(own, seed=options.seed), len(own), what))
        apart = [float(prompts[at] @ prompts[at - 1]) for at in range(len(prompts))]
        if len(apart) < 2:
            results.leave_out(names[1], "needs two prompts")
            return
        what = (
            "the same of each prompt and the one before it, mostly of another speaker: what no likeness gives"
        )
        results.add(Figure.of(names[1], mean_interval(apart, seed=options.seed), len(apart), what))

    def sentences(self, listing: Path) -> list[Sentence]:
        """The lines of a list.

        Raises:
            ValueError: a line has too few fields, a sound is missing, or there are no lines.
        """
        found: list[Sentence] = []
        for line in listing.read_text(encoding="utf-8").splitlines():
            fields = line.split("|")
            form = "name|prompt text|prompt sound|text"
            require(len(fields) >= 4, str(listing), line, form, self.sheet.remedy())
            prompt = require_part(self.sheet, listing.parent / fields[2])
            found.append(Sentence(name=fields[0], prompt=prompt, text=fields[3]))
        require(bool(found), str(listing), "no lines", "at least one sentence", self.sheet.remedy())
        return found
