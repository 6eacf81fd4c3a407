"""The loss of one class per picture with its products on a torch device, for features too many for a CPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neocog.inference.network import Floats
from neocog.probing.lbfgs import Doubles


@dataclass(frozen=True)
class OneClassOn:
    """`losses.OneClass`, computed where `x` lies; layers and gradients come and go as arrays."""

    x: Tensor
    """(n, d)"""
    labels: Tensor
    shares: Tensor
    """(n), what each picture counts in the mean; of sum 1"""
    classes: int

    @staticmethod
    def of(
        x: Floats, labels: NDArray[np.int64], classes: int, shares: Floats, device: torch.device
    ) -> OneClassOn:
        """Of pictures in the rows of `x` (n, d), which is copied to `device` once."""
        there = [torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in (x, labels, shares)]
        return OneClassOn(there[0], there[1], there[2], classes)

    @property
    def shape(self) -> tuple[int, int]:
        return self.classes, self.x.shape[1] + 1

    def __call__(self, layer: Doubles) -> tuple[float, Doubles]:
        with torch.inference_mode():
            said = torch.log_softmax(self._logits(layer), dim=1)
            lost = -said.gather(1, self.labels[:, None]).squeeze(1)
            residual = said.exp()
            residual -= torch.nn.functional.one_hot(self.labels, self.classes)
            residual *= self.shares[:, None]
            weight, bias = (residual.T @ self.x).cpu(), residual.sum(dim=0).cpu()
            loss = float(torch.dot(self.shares.cpu().double(), lost.cpu().double()))  # MPS has no doubles
        return loss, np.column_stack([weight.double().numpy(), bias.double().numpy()])

    def curvature(self, layer: Doubles) -> Doubles:
        """(classes), the second derivative in each class's logits, the mean over pictures."""
        with torch.inference_mode():
            found: Doubles = (self.shares @ self._spread(layer)).cpu().double().numpy()
        return found

    def hessian(self, layer: Doubles) -> Floats:
        """(d, d), about the second derivatives in the weights of a class, the mean over classes."""
        with torch.inference_mode():
            scaled = self.x * (self._spread(layer).mean(dim=1) * self.shares).sqrt()[:, None]
            found: Floats = (scaled.T @ scaled).cpu().numpy()
        return found

    def _logits(self, layer: Doubles) -> Tensor:
        there = torch.from_numpy(layer.astype(np.float32)).to(self.x.device)
        return torch.addmm(there[:, -1], self.x, there[:, :-1].T)

    def _spread(self, layer: Doubles) -> Tensor:
        likely = torch.softmax(self._logits(layer), dim=1)
        return likely * (1 - likely)
