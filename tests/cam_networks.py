"""Small networks whose class activation maps pytorch-grad-cam drew, for scripts/make_cam_golden.py and its test."""

import torch
from torch import Tensor, nn

SIZE = (3, 12, 16)


def flat() -> nn.Sequential:
    """Maps of 6 x 8 places, which one linear layer reads each by itself."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * 6 * 8, 5),
    )  # fmt: skip


class Tokens(nn.Module):
    """A class token and 3 x 4 patches, which it attends to."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.token = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.randn(1, 1, 8))
        self.mixed, self.attend = nn.Linear(8, 8), nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embed(x).flatten(2).transpose(1, 2)
        tokens = self.mixed(torch.cat([self.token.expand(len(x), -1, -1), patches], 1))
        out: Tensor = self.head(tokens + self.attend(tokens, tokens, tokens, need_weights=False)[0])[:, 0]
        return out
