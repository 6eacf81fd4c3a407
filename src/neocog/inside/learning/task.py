"""Pictures with what a network is to say about them, and its loss on them, with its own weights or with others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from neocog.analysis.capture import evaluated
from neocog.data.balanced import balanced

AT_ONCE = 64  # pictures of a forward
PIXELS = 4 * 224 * 224  # of all of these: a backward keeps what each layer gave


@dataclass(frozen=True, eq=False)
class Task:
    """Pictures as the network reads them, with the truth about each."""

    x: Tensor
    """(n, channels, height, width)"""
    truth: Tensor
    """int64 (n,) classes, or float (n, classes), 1 where a picture shows the class"""
    mirrored: bool = False
    """whether an answer is the mean over a picture and its mirror image"""

    def some(self, most: int) -> Task:
        """At most `most` of the pictures, as many of each class."""
        kinds = self.truth if self.truth.dim() == 1 else self.truth.argmax(1)
        rows = torch.from_numpy(balanced(kinds.cpu().numpy(), most)).to(self.x.device)
        return replace(self, x=self.x[rows], truth=self.truth[rows])

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Some pictures at a time, with the truth."""
        at_once = max(1, min(AT_ONCE, PIXELS // (self.x.shape[2] * self.x.shape[3])))
        return zip(torch.split(self.x, at_once), torch.split(self.truth, at_once), strict=True)

    def losses(self, logits: Tensor, truth: Tensor) -> Tensor:
        """Of each picture (n,): the cross-entropy, or the mean over the classes of the binary one."""
        if truth.dim() == 1:
            return F.cross_entropy(logits, truth, reduction="none")
        return F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(1)

    def logits(self, net: nn.Module, x: Tensor, state: Mapping[str, Tensor]) -> Tensor:
        """(n, classes) by `net` with the tensors of `state` in place of its own of these names."""
        found: Tensor = functional_call(net, dict(state), (x,))
        if self.mirrored:
            found = (found + functional_call(net, dict(state), (x.flip(-1),))) / 2
        return found

    def loss(self, net: nn.Module, state: Mapping[str, Tensor] | None = None) -> float:
        """The mean over all pictures, in evaluation; `net` is left as it was."""
        total = 0.0
        with evaluated(net), torch.no_grad():
            for x, truth in self.batches():
                total += float(self.losses(self.logits(net, x, state or {}), truth).double().sum())
        return total / len(self.x)
