"""Several takes of a spoken text, of which the best is kept: the build reads back what it said.

Source: reranking of sampled speech by a recogniser, as in Tortoise (Betker 2023, section 3.3); here the recogniser is
the letter decoder of the build's own semantic level, so that nothing but this build takes part.
"""

import dataclasses
import math
from collections.abc import Sequence

import torch

from omni_audio.model.answers import Answer
from omni_audio.model.request import GenerationRequest
from omni_audio.tokenizer.semantic import least_steps, letters_loss, text_to_ctc
from omni_audio.tokenizer.tokenizer import AudioTokenizer


def requests_for_takes(request: GenerationRequest, num_takes: int) -> list[GenerationRequest]:
    """The request with its seed, and with the seeds that follow it."""
    return [dataclasses.replace(request, seed=request.seed + take) for take in range(num_takes)]


def best_take(tokenizer: AudioTokenizer, takes: Sequence[Answer], text: str) -> Answer:
    """The take in which the tokenizer reads the text best; the first one of equals."""
    return min(takes, key=lambda take: misreading(tokenizer, take, text))


@torch.no_grad()
def misreading(tokenizer: AudioTokenizer, take: Answer, text: str) -> float:
    """CTC loss of the text in nats a letter, from the semantic codes that the take's sound is heard as.

    Infinite where the sound is too short for so many letters.
    """
    if not take.frames:
        return math.inf
    heard = tokenizer.encode(tokenizer.decode(torch.stack(take.frames)[None]))
    log_probs_BTX = tokenizer.semantic.ctc_logits(tokenizer.semantic.fsq.values(heard.semantic_BF)).cpu()
    letters_L = text_to_ctc(text)
    num_steps = log_probs_BTX.shape[1]
    if least_steps(letters_L) > num_steps:
        return math.inf
    num_steps_B, num_letters_B = torch.tensor([num_steps]), torch.tensor([len(letters_L)])
    return float(letters_loss(log_probs_BTX, num_steps_B, letters_L[None], num_letters_B))
