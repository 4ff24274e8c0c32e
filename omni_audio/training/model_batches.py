"""What the network is trained and validated on: the cuts of a corpus, and what makes batches of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lhotse import CutSet

from omni_audio.data.alignment import align
from omni_audio.data.codes_cache import CodesCache
from omni_audio.data.corpora.manifests import CorpusPaths, each_cut, load_cuts, load_drills
from omni_audio.data.corpora.talks import typed_talks
from omni_audio.data.model_data import ModelCollate, by_voice
from omni_audio.data.speech_cuts import answer_cuts
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer

if TYPE_CHECKING:
    from omni_audio.config.schema import RootConfig

TRAINED_SPLITS = ("train", "dev")


def model_batches(
    config: "RootConfig",
    paths: CorpusPaths,
    folders: Mapping[str, Path],
    tokenizer: AudioTokenizer,
    text: TextTokenizer,
    model: OmniModel,
) -> list[tuple[CutSet, ModelCollate]]:
    """The cuts of train and of dev, and the collate of each.

    Args:
        config: of the run.
        paths: of its corpus.
        folders: of its stages; `codes` and `semantic` are done.
        tokenizer: of the run; it aligns what is to be said.
        text: the vocabulary of texts.
        model: the network that learns from them.

    Raises:
        ValueError: an item cannot be laid out; it is named.
    """
    mix, output_voice = config.data.tasks, config.data.corpus.output_voice
    drills = load_drills(paths)
    own_drills, heard_drills = by_voice(drills, output_voice)
    if mix.say == 0 or mix.own_voice == 0:
        own_drills, heard_drills = [], drills  # nothing would say them
    typed = typed_talks(mix.num_typed_talks, config.data.corpus.seed) if mix.typed_talks > 0 else []
    batches = []
    for split in TRAINED_SPLITS:
        is_train, cuts = split == "train", load_cuts(paths, split)
        codes = CodesCache.load(folders["codes"] / split, folders["semantic"] / split)
        own_voice = [*by_voice(each_cut(cuts), output_voice)[0], *(own_drills if is_train else [])]
        said = [*answer_cuts(cuts), *own_voice] if mix.say > 0 else []
        collate = ModelCollate(
            codes,
            text,
            model.vocabulary,
            config.model.layout,
            mix,
            config.seed,
            model.state_width,
            augmented=is_train,
            own_voice=own_voice,
            word_ends=align(tokenizer, codes, said),
            typed=typed if is_train else (),
        )
        collate.check_answers(cuts)
        heard = [*each_cut(cuts), *(heard_drills if is_train else [])]
        batches.append((CutSet.from_cuts(heard), collate))
    return batches
