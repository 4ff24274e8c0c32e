"""What each figure measures."""

from omni_audio.evaluation.bootstrap import Interval
from omni_audio.evaluation.reference import REFERENCES
from omni_audio.evaluation.results import Figure
from omni_audio.evaluation.wer import NORMALIZER

DEFINITIONS: dict[str, str] = {
    "wer_percent": f"Assistant.transcribe on held-out voices and wordings, corpus-level WER; {NORMALIZER}.",
    "cer_percent": "As wer_percent, in characters, spaces counted.",
    "human_wer_percent": "Assistant.transcribe on recorded human clips, corpus-level WER, same normaliser.",
    "tool_exact_percent": (
        "Spoken requests with a call due: one call, strict JSON, its name and all arguments equal as "
        "typed trees. What may come next in a call is limited to the schemas of the offered tools; a call that "
        "is cut off is wrong."
    ),
    "tool_schema_valid_percent": (
        "Turns of talks in which calls were made: all of them parse, name an offered tool and satisfy its schema."
    ),
    "compliance_percent": (
        "Turns of talks with instructions that code can check in a text: the answer complies with all of them."
    ),
    "abstention_percent": "Turns of talks that no offered tool serves: no call, and the answer says that it cannot.",
    "ask_back_percent": (
        "Turns of talks in which a required argument is missing: no call, and one question for exactly that argument."
    ),
    "talk_percent": (
        "Talks whose turns are all right: calls, abstention, questions and instructions; each turn asked with the due "
        "turns before it."
    ),
    "tool_name_percent": "As tool_exact_percent, the function's name only.",
    "tool_parsed_percent": (
        "Replies to spoken requests with a call due whose calls all parse as strict JSON; a reply without "
        "a call counts as parsed."
    ),
    "no_call_percent": "Spoken requests with no call due where none was made, tools offered.",
    "answer_exact_percent": (
        "Spoken requests with no call due: no call made and the answer's words equal the key's."
    ),
    "instruction_percent": (
        "All spoken requests, tools offered: the due call exactly right, or, where none is due, no call "
        "and the answer's words right."
    ),
    "shuffled_tool_exact_percent": (
        "Control: the same replies scored against the key of another item; near 0 for a model that acts "
        "on what it hears."
    ),
    "tool_exact_text_percent": "The same requests as tool_exact_percent given as text.",
    "voice_gap_points": "tool_exact_text_percent minus tool_exact_percent on the same items, paired.",
    "untrained_wer_percent": (
        "Control: wer_percent of the same architecture with random weights, fewer items; transcripts that do not "
        "end are cut at 64 text ids."
    ),
    "untrained_tool_exact_percent": (
        "Control: tool_exact_percent of the same architecture with random weights; answers that do not end are "
        "cut at 64 text ids."
    ),
    "stopped_percent": (
        "Text answers to spoken requests that end by a stop token of their own, not by the limit of text ids."
    ),
    "nf4_wer_percent": "wer_percent with weights in NF4, same items.",
    "nf4_wer_change_points": "nf4_wer_percent minus wer_percent, same items, paired.",
    "nf4_tool_exact_percent": "tool_exact_percent with weights in NF4, same items.",
    "nf4_tool_exact_change_points": "nf4_tool_exact_percent minus tool_exact_percent, same items, paired.",
    "nf4_stopped_percent": "stopped_percent with weights in NF4, same items.",
    "nf4_stopped_change_points": "nf4_stopped_percent minus stopped_percent, same items, paired.",
    "speech_wer_percent": (
        "Independent judge on say(answer text of test items) against that text; of num_takes takes the build keeps the "
        "one that its own letters read best, and the judge hears that one alone."
    ),
    "one_take_speech_wer_percent": "As speech_wer_percent with one take of each text.",
    "unseen_speech_wer_percent": (
        "Independent judge on say(request text of test items), wordings held out of training; takes as in "
        "speech_wer_percent."
    ),
    "reply_speech_wer_percent": (
        "Independent judge on spoken replies against the model's own transcript of them."
    ),
    "resynthesis_wer_percent": (
        "Independent judge on tokenizer decode(encode(recorded answer)) against its text; the tokenizer trained "
        "on recordings of these answers."
    ),
    "source_wer_percent": (
        "Independent judge on the recorded answers themselves: the floor of the three above."
    ),
    "request_resynthesis_wer_percent": (
        "Independent judge on tokenizer decode(encode(request)): voices and wordings that the tokenizer never "
        "heard."
    ),
    "request_source_wer_percent": "Independent judge on those requests themselves.",
    "first_audio_ms": (
        "One stream: from the end of the request (all of it handed over at once) to the first PCM chunk "
        "of the spoken reply, median. Includes encoding the whole request."
    ),
    "first_audio_p95_ms": "As first_audio_ms, 95th percentile.",
    "reply_rtf": "One stream: seconds computed per second of spoken reply; below 1 is faster than real time.",
    "encode_rtf": "Tokenizer encode of requests, seconds computed per second of sound.",
    "decode_rtf": "Tokenizer decode of requests, seconds computed per second of sound.",
    "kbps": (
        "Bits of the codes as emitted (acoustic codebooks kept and the semantic code), per second of sound."
    ),
    "compression_ratio": "256 kbit/s (16 kHz, 16 bit PCM) over kbps.",
    "fp16_weight_bytes": "Tokenizer and model weights at 16 bit, counted from the state dicts.",
    "fp32_weight_bytes": "The same at 32 bit.",
    "nf4_weight_bytes": (
        "The same build in NF4: packed weights with their scales, and what stays unpacked (tokenizer, "
        "embeddings, norms) at 16 bit."
    ),
    "memory_saving_percent": "How far nf4_weight_bytes lies below fp16_weight_bytes.",
    "nf4_loaded_bytes": "Weights of the NF4 build as they stand in memory here.",
    "loaded_saving_percent": "How far nf4_loaded_bytes lies below fp32_weight_bytes.",
}

DEFINITIONS |= {
    f"{name}_text_percent": f"The same talks as {name}_percent with every turn of the user typed."
    for name in (
        "tool_name", "tool_parsed", "no_call", "tool_schema_valid", "compliance", "abstention", "ask_back", "talk",
    )
}  # fmt: skip
DEFINITIONS |= {
    "silent_wer_percent": "Control: wer_percent with silence of the same length for every request, fewer items.",
    "silent_tool_exact_percent": (
        "Control: tool_exact_percent with silence of the same length for every turn of the user, fewer talks."
    ),
    "noise20_wer_percent": (
        "As wer_percent on fewer items, noise of the kinds of training added 20 dB below the speech, seeds fixed."
    ),
    "noise10_wer_percent": "As noise20_wer_percent, 10 dB below.",
    "noise0_wer_percent": "As noise20_wer_percent, as loud as the speech.",
    "telephone_wer_percent": "As wer_percent on the items of noise20_wer_percent, 300 to 3400 Hz and mu-law.",
    "clean_wer_percent": "As wer_percent on the items of noise20_wer_percent, as recorded.",
    "first_token_p50_ms": (
        "Streamed chat completions with a spoken reply, one at a time, from `omni-audio serve` in a process of its own "
        "over loopback: from sending a spoken request of about 3 s, all at once, to the first word or sound; median."
    ),
    "first_token_p95_ms": "As first_token_p50_ms, 95th percentile.",
    "first_audio_p50_ms": "As first_token_p50_ms, to the first sound.",
    "first_audio_p95_ms": "As first_audio_p50_ms, 95th percentile.",
    "predicted_mos": "DNSMOS P.835, overall, 1 to 5, of speech from the texts of test answers; predicted, no listener.",
    "predicted_mos_source": "The same of the source voice's recordings of these texts.",
    "predicted_mos_of_source_percent": "predicted_mos in percent of predicted_mos_source, paired.",
    "distill_mos": "DistillMOS, 1 to 5, of the clips of predicted_mos; predicted, no listener.",
    "distill_mos_source": "The same of the source voice's recordings of these texts.",
    "distill_mos_of_source_percent": "distill_mos in percent of distill_mos_source, paired.",
    "turn_similarity": (
        "Cosine of Resemblyzer embeddings: each spoken reply to a turn against the mean of the other replies."
    ),
    "source_turn_similarity": "The same of the source voice: each recorded answer against the mean of the others.",
    "source_turn_similarity_p05": "Its 5th percentile: the edge of the source's own spread.",
    "source_voice_similarity": "Each spoken reply against the mean of the source voice's recorded answers.",
    "nf4_memory_ratio": "nf4_weight_bytes over fp16_weight_bytes.",
    "server_mib": (
        "Resident memory of the server's process and its decoder after some replies; weights as the build stores "
        "them, held in 32 bit."
    ),
    "nf4_server_mib": "The same with weights in NF4.",
    "stream_cache_mib": "Keys, values and places that one more slot takes, 32 bit, the server's default.",
    "stream_cache_int8_mib": "The same with server.kv_format=int8.",
    "stream_marginal_mib": "Resident memory of the most live replies measured less that of the fewest, by reply.",
    "real_time_streams": (
        "Spoken replies at once whose steps take at most a frame (80 ms) at the 95th percentile, sound included; "
        "random weights of the build's shape."
    ),
    "speed_wer_change_points": (
        "The largest change of speech_wer_percent at speeds 0.5 to 2 against speed 1, same speech, paired."
    ),
    "speed_duration_error_percent": "The largest median error of duration among the speeds 0.25 to 4.",
    "speed_f0_shift_percent": "The largest median change of pitch among the speeds 0.25 to 4, either way.",
}


def make_figure(name: str, interval: Interval, n: int, note: str = "") -> Figure:
    """A figure with its definition and reference from this file.

    Args:
        name: a key of DEFINITIONS.
        interval: value and ends in the unit of the name.
        n: items measured.
        note: facts of this run, added to the definition.
    """
    reference = REFERENCES.get(name)
    return Figure.of(
        name,
        interval,
        n,
        f"{DEFINITIONS[name]} {note}".strip(),
        None if reference is None else reference.value,
        "" if reference is None else reference.definition,
    )


def make_count(name: str, value: float, n: int = 1, note: str = "") -> Figure:
    """A figure that is counted, not sampled: no interval."""
    reference = REFERENCES.get(name)
    return Figure(
        name=name,
        value=value,
        n=n,
        low=None,
        high=None,
        definition=f"{DEFINITIONS[name]} {note}".strip(),
        reference=None if reference is None else reference.value,
        reference_definition="" if reference is None else reference.definition,
    )
