"""Hearing head: letters of a spoken request from the middle of the stack. It exists in training only.

It gives the frames' states a target of their own, so that the text need not be the only reason to listen.
Source: joint CTC-attention training (Kim et al. 2017, section 3).
"""

import torch
from torch import Tensor, nn

from omni_audio.model.sequence import HeardSpan
from omni_audio.tokenizer.semantic import CTC_ALPHABET, letters_loss

NUM_SYMBOLS = len(CTC_ALPHABET) + 1


class HearingHead(nn.Module):
    """States (B, T, D) at the frames of spoken requests -> CTC loss of their letters."""

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.head = nn.Linear(width, steps * NUM_SYMBOLS)

    def forward(self, hidden_BTD: Tensor, heard: list[list[HeardSpan]]) -> Tensor:
        """Mean CTC loss in nats a letter; 0 where nobody speaks."""
        spans = [(row, span) for row, row_spans in enumerate(heard) for span in row_spans]
        if not spans:
            return sum((parameter.sum() * 0.0 for parameter in self.parameters()), hidden_BTD.sum() * 0.0)
        pieces = [hidden_BTD[row, span.start : span.stop] for row, span in spans]
        states_RFD = nn.utils.rnn.pad_sequence(pieces, batch_first=True)
        logits_RFX = self.head(self.norm(states_RFD)).float()
        log_probs_RTX = logits_RFX.view(len(spans), -1, NUM_SYMBOLS).log_softmax(-1)
        letters = nn.utils.rnn.pad_sequence([span.letters for _, span in spans], batch_first=True)
        num_steps_R = torch.tensor([len(piece) * self.steps for piece in pieces])
        num_letters_R = torch.tensor([len(span.letters) for _, span in spans])
        return letters_loss(log_probs_RTX, num_steps_R, letters.to(hidden_BTD.device), num_letters_R)
