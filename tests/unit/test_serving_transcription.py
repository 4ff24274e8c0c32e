"""Forms, the fields of a request for a transcript, and the words of the answer; no server."""

import asyncio
import time

import pytest
from plans import DecoderHere
from sound_files import encoded

from omni_audio.model.logprobs import TokenLogprobs
from omni_audio.model.sequence import Mode
from omni_audio.serving.errors import ApiError
from omni_audio.serving.multipart import MAX_FIELD_BYTES, MAX_PARTS, Form, FormFile, parse_multipart
from omni_audio.serving.pieces import EndPiece, TextPiece
from omni_audio.serving.settings import RequestLimits
from omni_audio.serving.transcript import Transcript, trimmed_pieces
from omni_audio.serving.transcription_request import parse_transcription_request, plan_transcription

TYPE = "multipart/form-data; boundary=XX"


def part(disposition, content):
    return b"--XX\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n" + content + b"\r\n"


def body(*parts):
    return b"".join(parts) + b"--XX--\r\n"


def test_a_form_comes_apart_byte_for_byte():
    sound = b"\r\n--X\r\n\x00\xff--XX" + bytes(range(256)) * 300 + b"\r\n"
    form = parse_multipart(
        body(
            part(b'name="file"; filename="a \xc3\xa9.wav"\r\nContent-Type: audio/wav', sound),
            part(b'name="prompt"', "naïve\r\n".encode()),
            part(b'name="empty"', b""),
            part(b'name="more[]"', b"one"),
            part(b'name="more[]"', b"two"),
        ),
        TYPE,
    )
    assert form.file("file") == FormFile("a é.wav", sound)
    assert form.text("prompt") == "naïve\r\n"
    assert form.text("empty") is form.text("nothing") is None
    assert form.fields["more[]"] == ["one", "two"]


FIELD = part(b'name="a"', b"b")


@pytest.mark.parametrize(
    ("content", "content_type", "said"),
    [
        (body(FIELD), "multipart/form-data", "boundary"),
        (body(FIELD), "multipart/form-data; boundary=", "boundary"),
        (body(FIELD), "multipart/form-data; boundary=" + "x" * 1000, "oundary"),
        (body(FIELD), "multipart/form-data; boundary=other", "expected|Expected"),
        (b"", TYPE, "ends before"),
        (FIELD, TYPE, "ends before"),
        (FIELD + b"--XX", TYPE, "ends before"),
        (body(part(b'filename="a"', b"b")), TYPE, "no name"),
        (b"--XX\r\n\r\nb\r\n--XX--", TYPE, "no name"),
        (body(part(b'name="a\xff"', b"b")), TYPE, "UTF-8"),
        (body(part(b'name="a"', b"\xff")), TYPE, "UTF-8"),
        (body(*[FIELD] * (MAX_PARTS + 1)), TYPE, "parts"),
        (body(part(b'name="a"', b"b" * (MAX_FIELD_BYTES + 1))), TYPE, "longer"),
        (b"--XX\r\n" + b"x" * 100_000 + b": y\r\n\r\nb\r\n--XX--", TYPE, "header"),
    ],
)
def test_a_broken_form_is_a_400(content, content_type, said):
    with pytest.raises(ApiError, match=said) as caught:
        parse_multipart(content, content_type)
    assert caught.value.status == 400


def test_a_hostile_body_is_refused_at_once():
    start_s = time.monotonic()
    for filler in (b"\r\n--XXy", b"\r\n--X", b"\r\n", b"\r\n--XX\r\n\r\n"):
        content = FIELD + filler * (16 * 2**20 // len(filler))
        with pytest.raises(ApiError):
            parse_multipart(content, TYPE)
    assert time.monotonic() - start_s < 4


def form(file=True, **fields):
    files = {"file": [FormFile("a.wav", encoded("WAV"))]} if file else {}
    given = {"model": "m"} | fields
    return Form({name: [value] for name, value in given.items() if value is not None}, files)


def test_defaults_and_values():
    plain = parse_transcription_request(form())
    assert (plain.model, plain.temperature, plain.response_format, plain.is_stream) == (
        "m", 0.0, "json", False,
    )  # fmt: skip
    full = parse_transcription_request(
        form(
            temperature="5e-1", response_format="text", stream="true", language="en-GB", prompt="x", user="y"
        )
    )
    assert (full.temperature, full.response_format, full.is_stream) == (0.5, "text", True)


def test_times_are_of_segments_unless_words_are_asked_for():
    verbose = form(response_format="verbose_json")
    assert parse_transcription_request(verbose).granularities == ("segment",)
    for given, granularities in (
        (["word"], ("word",)),
        (["word", "segment", "word"], ("segment", "word")),
        ([""], ("segment",)),
    ):
        verbose.fields["timestamp_granularities[]"] = given
        assert parse_transcription_request(verbose).granularities == granularities


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"file": False}, "file", "missing_required_parameter"),
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": ""}, "model", "missing_required_parameter"),
        ({"model": "m" * 257}, "model", "invalid_value"),
        *[
            ({"temperature": text}, "temperature", "invalid_value")
            for text in ("-0.1", "1.01", "2", "nan", "inf", "1e999", "true", "0,5", "1_0", " 1", "\u0661")
        ],
        ({"response_format": "diarized_json"}, "response_format", "unsupported_value"),
        *[
            ({"response_format": text, "stream": "true"}, "stream", "unsupported_value")
            for text in ("srt", "vtt", "verbose_json")
        ],
        ({"response_format": "xml"}, "response_format", "invalid_value"),
        ({"stream": "True"}, "stream", "invalid_value"),
        ({"stream": "1"}, "stream", "invalid_value"),
        ({"language": "english"}, "language", "invalid_value"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities", "invalid_value"),
        (
            {"timestamp_granularities": "segment", "response_format": "srt"},
            "timestamp_granularities",
            "invalid_value",
        ),
        (
            {"timestamp_granularities[]": "words", "response_format": "verbose_json"},
            "timestamp_granularities",
            "invalid_value",
        ),
        ({"include[]": "logprobs"}, "include", "unsupported_value"),
    ],
)
def test_a_bad_field_is_a_400_that_names_it(fields, param, code):
    with pytest.raises(ApiError) as caught:
        parse_transcription_request(form(**fields))
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


def test_a_field_twice_and_a_field_that_should_be_a_file():
    twice, text, two = form(), form(file=False), form()
    twice.fields["model"].append("n")
    text.fields["file"] = ["words"]
    two.files["file"] *= 2
    two_models = form(model=None)
    two_models.files["model"] = [FormFile("m", b"m")]
    for broken, param in ((twice, "model"), (text, "file"), (two, "file"), (two_models, "model")):
        with pytest.raises(ApiError) as caught:
            parse_transcription_request(broken)
        assert (caught.value.status, caught.value.param) == (400, param)


def test_the_plan_is_the_transcribe_mode_with_a_limit_by_length():
    plan = plan_transcription(parse_transcription_request(form()), RequestLimits(), DecoderHere())
    assert plan.mode is Mode.TRANSCRIBE
    assert [len(turn.pcm_S) for turn in plan.turns] == [16_000]
    assert (plan.generation.temperature, plan.generation.seed) == (0.0, 0)
    assert plan.generation.max_text_tokens == 64 + 25
    bounded = plan_transcription(
        parse_transcription_request(form()), RequestLimits(max_text_tokens=10), DecoderHere()
    )
    assert bounded.generation.max_text_tokens == 10
    warm = plan_transcription(
        parse_transcription_request(form(temperature="1")), RequestLimits(), DecoderHere()
    )
    assert warm.generation.temperature == 1.0


@pytest.mark.parametrize(
    ("name", "data", "limits"),
    [
        ("a.wav", b"", RequestLimits()),
        ("a.wav", b"some words, no sound at all", RequestLimits()),
        ("", b"some words, no sound at all", RequestLimits()),
        ("a.wav", encoded("WAV")[:44], RequestLimits()),
        ("a.mp3", encoded("WAV"), RequestLimits()),
        ("a.wav", encoded("WAV"), RequestLimits(max_input_audio_s=0.9)),
    ],
)
def test_a_file_that_cannot_be_heard_is_a_400(name, data, limits):
    request = form(file=False)
    request.files["file"] = [FormFile(name, data)]
    with pytest.raises(ApiError) as caught:
        plan_transcription(parse_transcription_request(request), limits, DecoderHere())
    assert (caught.value.status, caught.value.param) == (400, "file")
    assert caught.value.code == "invalid_audio"


@pytest.mark.parametrize("name", ["", "blob", "a.WAV", "a.bin", "../../x.wave"])
def test_a_name_that_tells_nothing_leaves_it_to_the_bytes(name):
    request = form(file=False)
    request.files["file"] = [FormFile(name, encoded("WAV"))]
    plan = plan_transcription(parse_transcription_request(request), RequestLimits(), DecoderHere())
    assert len(plan.turns[0].pcm_S) == 16_000


def collected(pieces):
    async def given():
        for piece in pieces:
            yield piece

    async def collect():
        return [piece async for piece in trimmed_pieces(given())]

    return asyncio.run(collect())


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([" ", " a", " b ", "\n", " "], ["a", " b"]),
        (["a", " ", " ", "b"], ["a", "  b"]),
        (["  ", "\n"], []),
        ([], []),
    ],
)
def test_words_come_without_blanks_around_them(texts, expected):
    *words, end = collected([*(TextPiece(text) for text in texts), EndPiece("length")])
    assert [piece.text for piece in words] == expected
    transcript = Transcript()
    for piece in (*words, end):
        transcript.take(piece)
    assert (transcript.text, transcript.finish_reason) == ("".join(expected), "length")
    assert transcript.logprobs_between(0, 1) == []


def test_tokens_stay_with_their_letters():
    def piece(text, *logprobs):
        return TextPiece(text, [TokenLogprobs(b"", logprob, []) for logprob in logprobs])

    transcript = Transcript()
    given = [
        piece(" ", -1),
        piece("tu", -2),
        piece("rn", -3),
        piece(" it ", -4, -5),
        piece("off", -6),
        piece(" ", -7),
    ]
    for each in collected([*given, EndPiece("stop")]):
        transcript.take(each)
    assert transcript.text == "turn it off"
    for start, end, expected in (
        (0, 4, [-1, -2, -3]),
        (0, 2, [-1, -2]),
        (3, 4, [-3]),
        (5, 7, [-4, -5]),
        (8, 11, [-6]),
        (0, 11, [-1, -2, -3, -4, -5, -6]),
    ):
        assert transcript.logprobs_between(start, end) == expected
