"""The one sequence format: text, speech, tools and answers as positions of one stream."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import torch
from torch import Tensor

from omni_audio.checks import require
from omni_audio.model.delays import NO_CODE
from omni_audio.model.layout import LayoutConfig
from omni_audio.model.text import Special, TextTokenizer, Vocabulary
from omni_audio.tokenizer.semantic import text_to_ctc
from omni_audio.tokenizer.tokenizer import AudioCodes

NO_CHUNK = -1


class Mode(Enum):
    """What the assistant is asked to do."""

    TRANSCRIBE = "transcribe"
    SAY = "say"
    REPLY_TEXT = "reply_text"
    REPLY_AUDIO = "reply_audio"

    @property
    def special(self) -> Special:
        return Special[self.name]


@dataclass(slots=True)
class HeardSpan:
    """A spoken request inside a row: its first frame, the position behind its last, and its letters (CTC targets)."""

    start: int
    stop: int
    letters: Tensor

    def shifted(self, offset: int) -> "HeardSpan":
        """The same span `offset` positions further on."""
        return HeardSpan(self.start + offset, self.stop + offset, self.letters)


@dataclass(slots=True)
class TokenSequence:
    """One document.

    ids (T,); codes (T, K), -1 where there is no sound; states (T, S) of the heard frames, 0 elsewhere; chunk (T,)
    number of the encoder chunk, -1 in decoder mode; pinned (T,) bool, stays attendable beyond the window; target (T,)
    bool, the id is to be predicted; heard: the spoken requests whose words are known.
    """

    ids_T: Tensor
    codes_TK: Tensor
    states_TS: Tensor
    chunk_T: Tensor
    pinned_T: Tensor
    target_T: Tensor
    heard: list[HeardSpan] = field(default_factory=list)

    def __len__(self) -> int:
        return self.ids_T.shape[0]

    @property
    def num_frames(self) -> int:
        """Positions that hold sound, 80 ms each."""
        return int((self.codes_TK[:, 0] != NO_CODE).sum())

    def part(self, start: int, stop: int | None = None) -> "TokenSequence":
        """Positions `start` to `stop`, of the same storage; heard spans, which training alone needs, are left out."""
        return self._with(lambda name: getattr(self, name)[start:stop])

    def followed_by(self, other: "TokenSequence") -> "TokenSequence":
        """These positions and then the other's, without heard spans."""
        return self._with(lambda name: torch.cat([getattr(self, name), getattr(other, name)]))

    def _with(self, tensor_of: Callable[[str], Tensor]) -> "TokenSequence":
        names = ("ids_T", "codes_TK", "states_TS", "chunk_T", "pinned_T", "target_T")
        return dataclasses.replace(self, heard=[], **{name: tensor_of(name) for name in names})


@dataclass(slots=True)
class SequenceBuilder:
    """Appends segments in the order of the stream; `build()` gives the tensors.

    `state_width`: how wide the semantic level's states are that the network hears; 0 where it hears codes alone.
    """

    text: TextTokenizer
    vocabulary: Vocabulary
    num_codebooks: int
    layout: LayoutConfig
    state_width: int = 0
    ids: list[int] = field(default_factory=list)
    codes: list[list[int]] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)
    pinned: list[bool] = field(default_factory=list)
    targets: list[bool] = field(default_factory=list)
    num_chunks: int = 0
    heard: list[HeardSpan] = field(default_factory=list)
    states: list[tuple[int, Tensor]] = field(default_factory=list)
    late: list[list[int]] = field(default_factory=list)
    """Codes of the last spoken frames that are said behind the answer's end."""

    def __post_init__(self) -> None:
        self._decoder([Special.BOS], target=False)
        self.pinned[0] = True

    def system(self, text: str) -> "SequenceBuilder":
        """Instructions or the names of the offered tools; pinned as far as `pinned_positions` reaches."""
        start = len(self.ids)
        self._encoder([Special.SYSTEM, *self.text.encode(text), Special.END])
        for i in range(start, min(len(self.ids), self.layout.pinned_positions)):
            self.pinned[i] = True
        return self

    def user_text(self, text: str) -> "SequenceBuilder":
        self._encoder([Special.USER, *self.text.encode(text), Special.END])
        return self

    def user_audio(self, codes: AudioCodes, words: str | None = None) -> "SequenceBuilder":
        """Codes of one utterance, semantic (1, F) and acoustic (1, F, K); in training also the words it says.

        Raises:
            ValueError: the codes are not of this build's tokenizer, or come without the states that the network hears.
        """
        frames = self._frame_ids(codes)
        if self.state_width > 0:
            if codes.states_BFD is None or codes.states_BFD.shape[-1] != self.state_width:
                raise ValueError(
                    f"codes.states_BFD is {None if codes.states_BFD is None else tuple(codes.states_BFD.shape)}: "
                    f"expected states of width {self.state_width}. Take codes from AudioTokenizer.encode or understand."
                )
            self.states.append((len(self.ids) + 2, codes.states_BFD[0]))
        if words is not None:
            start = len(self.ids) + 2
            self.heard.append(HeardSpan(start, start + len(frames), text_to_ctc(words)))
        none = [NO_CODE] * self.num_codebooks
        self._encoder(
            [Special.USER, Special.AUDIO, *frames, Special.END],
            [none, none, *codes.acoustic_BFK[0].tolist(), none],
        )
        return self

    def tool_result(self, text: str) -> "SequenceBuilder":
        self._encoder([Special.TOOL, *self.text.encode(text), Special.END])
        return self

    def assistant(self, mode: Mode) -> "SequenceBuilder":
        """Opens an assistant segment: the prompt ends here when the rest is to be generated."""
        self._decoder([Special.ASSISTANT, mode.special], target=False)
        return self

    def answer_text(self, text: str) -> "SequenceBuilder":
        self._decoder(self.text.encode(text))
        return self

    def answer_tool_call(self, call_json: str) -> "SequenceBuilder":
        self._decoder([Special.TOOL_CALL, *self.text.encode(call_json)])
        return self

    def answer_speech(self, text: str, codes: AudioCodes) -> "SequenceBuilder":
        """Interleaved answer: n text ids, m frames, ..., text end, the rest of the frames.

        Raises:
            ValueError: the sound is over before its transcript is.
        """
        words = self.text.encode(text)
        frames, acoustic = self._spoken(codes, codes.acoustic_BFK.shape[1])
        size, done = self.layout.interleave_text_tokens, 0
        for said in range(0, len(words), size):
            if said > 0:
                stop = done + self.layout.interleave_frames
                if stop >= len(frames):
                    raise ValueError(
                        f"text of {len(words)} ids outlasts its {len(frames)} frames: expected the transcript to lead "
                        f"the sound. Raise model.layout.interleave_text_tokens = {size} or drop the item."
                    )
                self._decoder(frames[done:stop], acoustic[done:stop])
                done = stop
            self._decoder(words[said : said + size])
        self._decoder([Special.TEXT_END])
        self._decoder(frames[done:], acoustic[done:])
        return self

    def answer_script(self, text: str, codes: AudioCodes, word_ends: list[int]) -> "SequenceBuilder":
        """A given text (Mode.SAY): letters, frames of a word, <next_word>, more letters, frames of the next word, ...

        The letters are no target; the frames and the end of each word are to be predicted.

        Args:
            text: what is said.
            codes: the sound of it.
            word_ends: the frame behind each word (data.alignment.word_ends).

        Raises:
            ValueError: other than one end for each word.
        """
        words = self.text.spell_words(text)
        require(
            len(word_ends) == len(words),
            "word_ends",
            len(word_ends),
            f"{len(words)}, one for each word of {text!r}",
            "Align the text.",
        )
        frames, acoustic = self._spoken(codes, word_ends[-1])
        start = 0
        for piece, stop in zip(self.layout.script_pieces(words), word_ends, strict=True):
            if start > 0:
                self._decoder([Special.NEXT_WORD])
            self._decoder(piece, target=False)
            self._decoder(frames[start:stop], acoustic[start:stop])
            start = stop
        return self

    def end(self) -> "SequenceBuilder":
        """Closes an answer; codes that are late come behind its end, each with an <audio>."""
        self._decoder([Special.END])
        self._decoder([Special.AUDIO] * len(self.late), self.late)
        self.late = []
        return self

    def build(self) -> TokenSequence:
        states_TS = torch.zeros(len(self.ids), self.state_width)
        for start, states_FS in self.states:
            states_TS[start : start + len(states_FS)] = states_FS
        return TokenSequence(
            torch.tensor(self.ids),
            torch.tensor(self.codes),
            states_TS,
            torch.tensor(self.chunks),
            torch.tensor(self.pinned),
            torch.tensor(self.targets),
            self.heard,
        )

    def _frame_ids(self, codes: AudioCodes) -> list[int]:
        if codes.semantic_BF.shape[0] != 1 or codes.acoustic_BFK.shape[-1] != self.num_codebooks:
            raise ValueError(
                f"codes have shapes {tuple(codes.semantic_BF.shape)}, {tuple(codes.acoustic_BFK.shape)}: expected one "
                f"utterance with {self.num_codebooks} codebooks. Use codes of this build's tokenizer."
            )
        return [self.vocabulary.semantic_start + code for code in codes.semantic_BF[0].tolist()]

    def _spoken(self, codes: AudioCodes, num_frames: int) -> tuple[list[int], list[list[int]]]:
        """Ids of an answer's first frames, and the codes that are said with each."""
        frames = self._frame_ids(codes)[:num_frames]
        rows = self.layout.delays(self.num_codebooks).rows(codes.acoustic_BFK[0, : len(frames)]).tolist()
        self.late = rows[len(frames) :]
        return frames, rows[: len(frames)]

    def _decoder(self, ids: list[int], codes: list[list[int]] | None = None, target: bool = True) -> None:
        self._append(ids, codes, [NO_CHUNK] * len(ids), target)

    def _encoder(self, ids: list[int], codes: list[list[int]] | None = None) -> None:
        chunks = [NO_CHUNK] * len(ids)
        if self.layout.prefix_is_bidirectional:
            chunks = [self.num_chunks + i // self.layout.encoder_chunk for i in range(len(ids))]
            self.num_chunks = chunks[-1] + 1
        self._append(ids, codes, chunks, False)

    def _append(self, ids: list[int], codes: list[list[int]] | None, chunks: list[int], target: bool) -> None:
        self.ids += [int(token) for token in ids]
        self.codes += codes if codes is not None else [[NO_CODE] * self.num_codebooks for _ in ids]
        self.chunks += chunks
        self.pinned += [False] * len(ids)
        self.targets += [target] * len(ids)


@dataclass(slots=True)
class SequenceBatch:
    """Rows of documents, padded or packed: the fields of TokenSequence with a batch axis.

    Besides, each position's place in its document (for the rotary angle) and the document's number (-1: padding).
    """

    ids_BT: Tensor
    codes_BTK: Tensor
    states_BTS: Tensor
    chunk_BT: Tensor
    pinned_BT: Tensor
    target_BT: Tensor
    position_BT: Tensor
    document_BT: Tensor
    heard: list[list[HeardSpan]]


def _spans(row: list[TokenSequence]) -> list[HeardSpan]:
    """Heard spans of the documents, at their places in the row."""
    spans, offset = [], 0
    for document in row:
        spans += [span.shifted(offset) for span in document.heard]
        offset += len(document)
    return spans


def first_fit(documents: list[TokenSequence], capacity: int) -> list[list[TokenSequence]]:
    """Rows of documents: the longest first, each into the first row that has room for it.

    Raises:
        ValueError: a document is longer than `capacity` positions.
    """
    rows: list[list[TokenSequence]] = []
    room: list[int] = []
    for document in sorted(documents, key=len, reverse=True):
        if len(document) > capacity:
            raise ValueError(
                f"a document has {len(document)} positions: expected at most capacity = {capacity}. Raise it."
            )
        place = next((i for i, left in enumerate(room) if left >= len(document)), len(rows))
        if place == len(rows):
            rows.append([])
            room.append(capacity)
        rows[place].append(document)
        room[place] -= len(document)
    return rows


def pack(rows: list[list[TokenSequence]], length_multiple: int = 1, rows_multiple: int = 1) -> SequenceBatch:
    """Packs documents: each inner list becomes one row, rows are padded to the longest.

    A list of one document a row is plain padding. Length and number of rows are filled up to the multiples given, so
    that batches come in few shapes.

    Raises:
        ValueError: no rows, or a row without documents.
    """
    if not rows or any(not row for row in rows):
        raise ValueError(
            "rows is empty or has an empty row: expected at least one document a row. Drop empty rows."
        )
    length = max(sum(len(document) for document in row) for row in rows)
    length += -length % length_multiple
    num_empty = -len(rows) % rows_multiple

    def padded(pieces: list[Tensor], fill: float) -> Tensor:
        joined = torch.cat(pieces)
        missing = joined.new_full((length - joined.shape[0], *joined.shape[1:]), fill)
        return torch.cat([joined, missing])

    def stacked(per_row: list[list[Tensor]], fill: float) -> Tensor:
        filled = torch.stack([padded(pieces, fill) for pieces in per_row])
        return torch.cat([filled, filled.new_full((num_empty, *filled.shape[1:]), fill)])

    return SequenceBatch(
        ids_BT=stacked([[d.ids_T for d in row] for row in rows], Special.PAD),
        codes_BTK=stacked([[d.codes_TK for d in row] for row in rows], NO_CODE),
        states_BTS=stacked([[d.states_TS for d in row] for row in rows], 0.0),
        chunk_BT=stacked([[d.chunk_T for d in row] for row in rows], NO_CHUNK),
        pinned_BT=stacked([[d.pinned_T for d in row] for row in rows], False),
        target_BT=stacked([[d.target_T for d in row] for row in rows], False),
        position_BT=stacked([[torch.arange(len(d)) for d in row] for row in rows], 0),
        document_BT=stacked([[torch.full((len(d),), i) for i, d in enumerate(row)] for row in rows], -1),
        heard=[_spans(row) for row in rows] + [[] for _ in range(num_empty)],
    )
