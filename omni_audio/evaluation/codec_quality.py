"""Quality of codecs on clips: signal measures, predicted MOS, what an independent recogniser hears, the speaker.

A measure that was not taken (its package is missing, the clip is too short for it) is absent; n says how many clips a
figure is made of. Intervals are 95 % bootstrap intervals over the clips.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import import_optional
from omni_audio.evaluation.bootstrap import Interval, mean_interval, ratio_interval
from omni_audio.evaluation.codec_clips import SpeechClip
from omni_audio.evaluation.judge import Judge, JudgeKind, load_judge
from omni_audio.evaluation.predicted_mos import DistillMos, Dnsmos, PredictedMos
from omni_audio.evaluation.semantic_codes import code_clip
from omni_audio.evaluation.signal_quality import (
    align,
    find_lag_samples,
    mel_distance,
    pesq_wb,
    si_sdr_db,
    stoi,
)
from omni_audio.evaluation.speaker_similarity import SpeakerEncoder
from omni_audio.evaluation.wer import ErrorCounts, corpus_rate_percent, count_words
from omni_audio.tokenizer.codec import Codec
from omni_audio.tokenizer.tokenizer import AudioTokenizer


@dataclass(frozen=True, slots=True)
class Score:
    """A figure with the ends of its interval and the number of clips."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, interval: Interval, n: int) -> "Score":
        """An interval over n clips."""
        return cls(interval.value, interval.low, interval.high, n)


@dataclass(kw_only=True, slots=True)
class Instruments:
    """What measures; a part that could not be loaded is missing here and named in `absent` with the reason."""

    signal: dict[str, Callable[[Tensor, Tensor], float | None]] = field(default_factory=dict)
    mos: list[PredictedMos] = field(default_factory=list)
    speaker: SpeakerEncoder | None = None
    judge: Judge | None = None
    absent: dict[str, str] = field(default_factory=dict)


def open_instruments(
    judge: JudgeKind, judge_folder: Path | None = None, judge_threads: int = 1
) -> Instruments:
    """Loads everything whose package is installed."""
    found = Instruments(signal={"si_sdr_db": si_sdr_db, "mel_distance": mel_distance})

    def attempt(name: str, load: Callable[[], None]) -> None:
        try:
            load()
        except ValueError as error:
            found.absent[name] = str(error)

    def load_stoi() -> None:
        import_optional("pystoi", "stoi")
        found.signal["stoi"] = stoi

    def load_pesq() -> None:
        import_optional("pesq", "pesq_wb")
        found.signal["pesq_wb"] = pesq_wb

    def load_speaker() -> None:
        found.speaker = SpeakerEncoder()

    def load_recogniser() -> None:
        found.judge = load_judge(judge, judge_folder, judge_threads)

    attempt("stoi", load_stoi)
    attempt("pesq_wb", load_pesq)
    attempt("dnsmos", lambda: found.mos.append(Dnsmos()))
    attempt("distillmos", lambda: found.mos.append(DistillMos()))
    attempt("speaker_similarity", load_speaker)
    attempt("wer_percent", load_recogniser)
    if judge is JudgeKind.none:
        found.absent["wer_percent"] = "judge is none"
    return found


@dataclass(slots=True)
class Heard:
    """One clip as the judges that need no original hear it."""

    mos: dict[str, float]
    words: ErrorCounts | None
    voice_D: Tensor | None


def hear(
    clips: Sequence[SpeechClip], pcms: Sequence[Tensor], tools: Instruments, workers: int
) -> list[Heard]:
    """Every clip by every judge, `workers` clips at a time; words are compared with those of `clips`."""

    def one(pcm_S: Tensor) -> Heard:
        return Heard(
            {mos.name: mos.score(pcm_S) for mos in tools.mos},
            None,
            None if tools.speaker is None else tools.speaker.embed(pcm_S),
        )

    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(one, pcms))
    if tools.judge is not None:
        for clip, heard, text in zip(clips, found, tools.judge.transcribe(pcms), strict=True):
            heard.words = None if clip.text is None else count_words(clip.text, text)
    return found


@dataclass(kw_only=True, slots=True)
class QualityRow:
    """One codec at one operating point on one set of clips; `codec` is `original` for the clips themselves."""

    clips: str
    codec: str
    kbps: float
    n: int
    scores: dict[str, Score] = field(default_factory=dict)
    lag_ms: float | None = None


def original_row(name: str, clips: Sequence[SpeechClip], heard: Sequence[Heard]) -> QualityRow:
    """The clips themselves, 16-bit PCM; `speaker_similarity` is that of two different clips of one speaker."""
    row = QualityRow(clips=name, codec="original", kbps=SAMPLE_RATE_HZ * 16 / 1000, n=len(heard))
    _add_heard(row, heard)
    _add_mean(row, "speaker_similarity", same_speaker_similarities(clips, heard))
    return row


def same_speaker_similarities(clips: Sequence[SpeechClip], heard: Sequence[Heard]) -> list[float]:
    """Cosine of each clip's voice and that of the next clip of the same speaker, where there is one."""
    last: dict[str, Tensor] = {}
    found = []
    for clip, now in zip(clips, heard, strict=True):
        if now.voice_D is None:
            continue
        if clip.voice in last:
            found.append(float(now.voice_D @ last[clip.voice]))
        last[clip.voice] = now.voice_D
    return found


def codec_row(
    name: str,
    codec: Codec,
    clips: Sequence[SpeechClip],
    originals: Sequence[Heard],
    tools: Instruments,
    workers: int,
) -> QualityRow:
    """Encodes, decodes and scores every clip.

    Args:
        name: of the set of clips.
        codec: trained; random weights say nothing.
        clips: at least one.
        originals: `hear` of the clips themselves.
        tools: what measures.
        workers: clips heard at a time.
    """
    coded = [codec.encode(clip.pcm_S) for clip in clips]
    decoded = [codec.decode(code) for code in coded]
    lag = find_lag_samples([clip.pcm_S for clip in clips], decoded)
    row = QualityRow(
        clips=name, codec=codec.name, kbps=codec.kbps, n=len(clips), lag_ms=lag * 1000 / SAMPLE_RATE_HZ
    )
    seconds = [code.num_samples / SAMPLE_RATE_HZ for code in coded]
    bits = [float(code.num_bits) for code in coded]
    row.scores["measured_kbps"] = Score.of(ratio_interval(bits, seconds, 0.001), len(clips))
    pairs = [align(clip.pcm_S, pcm_S, lag) for clip, pcm_S in zip(clips, decoded, strict=True)]
    for metric, measure in tools.signal.items():
        _add_mean(row, metric, [measure(*pair) for pair in pairs])
    heard = hear(clips, decoded, tools, workers)
    _add_heard(row, heard)
    _add_beside_original(row, heard, originals)
    _add_share_of_speaker(row, same_speaker_similarities(clips, originals))
    return row


def _add_share_of_speaker(row: QualityRow, similarities: Sequence[float]) -> None:
    """Speaker similarity as a share of that of two clips of one speaker; the interval has the worst of both ends."""
    found = row.scores.get("speaker_similarity")
    if found is None or not similarities:
        return
    level = mean_interval(similarities)
    if level.low > 0:
        row.scores["speaker_similarity_ratio"] = Score(
            found.value / level.value, found.low / level.high, found.high / level.low, found.n
        )


def _add_mean(row: QualityRow, metric: str, values: Sequence[float | None]) -> None:
    found = [value for value in values if value is not None]
    if found:
        row.scores[metric] = Score.of(mean_interval(found), len(found))


def _add_heard(row: QualityRow, heard: Sequence[Heard]) -> None:
    for metric in heard[0].mos:
        _add_mean(row, metric, [clip.mos[metric] for clip in heard])
    counts = [clip.words for clip in heard if clip.words is not None]
    if sum(count.num_units for count in counts) > 0:
        row.scores["wer_percent"] = Score.of(corpus_rate_percent(counts), len(counts))


def _add_beside_original(row: QualityRow, heard: Sequence[Heard], originals: Sequence[Heard]) -> None:
    """What compares a decoded clip with its original, clip by clip."""
    pairs = list(zip(heard, originals, strict=True))
    similar = [
        float(now.voice_D @ before.voice_D)
        for now, before in pairs
        if now.voice_D is not None and before.voice_D is not None
    ]
    _add_mean(row, "speaker_similarity", similar)
    for metric in heard[0].mos:
        ratio = ratio_interval([now.mos[metric] for now, _ in pairs], [old.mos[metric] for _, old in pairs])
        row.scores[f"{metric}_ratio"] = Score.of(ratio, len(pairs))
    words = [(now.words, old.words) for now, old in pairs if now.words is not None and old.words is not None]
    if sum(old.num_units for _, old in words) > 0:
        more = [float(now.errors - old.errors) for now, old in words]
        delta = ratio_interval(more, [float(old.num_units) for _, old in words], 100.0)
        row.scores["wer_delta_points"] = Score.of(delta, len(words))


def semantic_ctc_wer(tokenizer: AudioTokenizer, clips: Sequence[SpeechClip]) -> Score | None:
    """WER, percent, of the letters that the semantic codes alone give, by the CTC head they were taught with.

    None where no clip has a transcript.
    """
    coded = [code_clip(tokenizer, clip) for clip in clips if clip.text is not None]
    counts = [clip.words for clip in coded if clip.words is not None]
    if sum(count.num_units for count in counts) == 0:
        return None
    return Score.of(corpus_rate_percent(counts), len(counts))
