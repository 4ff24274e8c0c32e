"""Codec suites: a folder of sounds through the tokenizer, by the measures of benchmarks/tokenizer.py."""

from pathlib import Path

from tqdm import tqdm

from omni_audio.audio.formats import SOUND_SUFFIXES
from omni_audio.audio.io import load_audio
from omni_audio.checks import require
from omni_audio.evaluation.codec_clips import SpeechClip
from omni_audio.evaluation.codec_quality import Instruments, codec_row, hear, open_instruments, original_row
from omni_audio.evaluation.codec_report import quality_table
from omni_audio.evaluation.judge import JudgeKind
from omni_audio.evaluation.results import Figure, Results
from omni_audio.evaluation.speech import HumanClip, load_human_clips
from omni_audio.evaluation.suites.base import SuiteOptions, SuiteSheet, SuiteSubject, drawn, figure_name
from omni_audio.tokenizer.codec import TokenizerCodec

LISTING = "transcripts.jsonl"


class CodecSuite:
    """Any set of recordings: VCTK, DAPS, LibriTTS, the clips of Codec-SUPERB."""

    sheet = SuiteSheet(
        title="codec suites",
        measures="the tokenizer with all and with half of its codebooks: STOI, PESQ, SI-SDR, mel distance, "
        "predicted MOS, speaker similarity, WER by the judge",
        download="recordings of speech, such as VCTK, DAPS or the test-clean of LibriTTS",
        layout=f"DIR, holding sound files at any depth; with {LISTING} (file, text, speaker) words are judged too",
        licence="that of the recordings",
    )

    def __call__(self, options: SuiteOptions, subject: SuiteSubject, results: Results) -> None:
        """A figure for each measure and operating point, and for the recordings themselves."""
        judge = options.load_judge()
        tools: Instruments = open_instruments(JudgeKind.none)
        tools.judge = judge
        if judge is not None:
            tools.absent.pop("wer_percent", None)
            results.record["judge"] = judge.name
        clips = self.clips(options)
        originals = hear(clips, [clip.pcm_S for clip in clips], tools, 1)
        rows = [original_row("suite", clips, originals)]
        tokenizer = subject.tokenizer.cpu()
        num = tokenizer.config.vq.num_codebooks
        for kept in tqdm(sorted({num, max(1, num // 2)}), desc="codec", unit="point"):
            codec = TokenizerCodec(tokenizer, kept)
            row = codec_row("suite", codec, clips, originals, tools, 1)
            row.codec = f"{row.codec}_{kept}"
            rows.append(row)
        for row in rows:
            for measure, score in row.scores.items():
                results.add(
                    Figure(
                        name=figure_name(row.codec, measure),
                        value=score.value,
                        low=score.low,
                        high=score.high,
                        n=score.n,
                        definition=f"{measure} of {row.codec} at {row.kbps:.3g} kbit/s; see signal_quality.py",
                    )
                )
        for name, reason in tools.absent.items():
            results.leave_out(name, reason)
        print(quality_table(rows))

    def clips(self, options: SuiteOptions) -> list[SpeechClip]:
        """The recordings that are drawn.

        Raises:
            ValueError: there are none, or too few.
        """
        folder = options.folder
        found = [(Path(folder), clip) for clip in self._listed(folder)]
        return [
            SpeechClip(
                str(clip.path.relative_to(root)), clip.speaker, clip.text or None, load_audio(clip.path)
            )
            for root, clip in drawn(found, options)
        ]

    def _listed(self, folder: Path) -> list[HumanClip]:
        if (folder / LISTING).is_file():
            return load_human_clips(folder)
        found = [
            HumanClip(path, "", path.parent.name)
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower().removeprefix(".") in SOUND_SUFFIXES and path.is_file()
        ]
        require(bool(found), self.sheet.title, str(folder), "a folder with sound files", self.sheet.remedy())
        return found
