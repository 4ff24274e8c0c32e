"""What stands in for a build and a judge where public suites are tested."""

import json

import torch

from omni_audio.evaluation.subject import TextAnswer
from omni_audio.evaluation.suites.base import SuiteOptions
from omni_audio.evaluation.suites.runner import checked_parts, run

HZ = 16_000


def tone(seconds=0.5):
    return 0.3 * torch.sin(torch.arange(int(seconds * HZ)) * 0.2)


class Scripted:
    """Gives what it is told, in order; keeps what it was asked."""

    tokenizer = None

    def __init__(self, texts=(), calls=(), silent=()):
        self.texts, self.calls, self.silent, self.asked = list(texts), list(calls), silent, []

    def transcribe(self, requests):
        self.asked = list(requests)
        return self.texts

    def say(self, texts, takes):
        self.asked = list(texts)
        return [torch.zeros(0) if text in self.silent else tone() for text in self.asked]

    def reply(self, requests):
        asked = list(requests)
        start = len(self.asked)
        self.asked += asked
        texts = self.texts[start : start + len(asked)] or [""] * len(asked)
        calls = self.calls[start : start + len(asked)] or [()] * len(asked)
        return [TextAnswer(text, tuple(call), stopped=True) for text, call in zip(texts, calls, strict=True)]


class ScriptedJudge:
    name = "scripted"

    def __init__(self, words):
        self.words = words

    def transcribe(self, clips):
        return [text if pcm_S.numel() else "" for text, pcm_S in zip(self.words, clips, strict=True)]


def measured(suite, folder, subject, parts=None, **options):
    given = SuiteOptions(folder=folder, parts=checked_parts(suite, parts), **options)
    return run(suite, given, subject, {"build": "b"})


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
