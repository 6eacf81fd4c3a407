"""What an engine runs: a backbone that turns pixels into features, and the linear layer behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neocog.data.preprocess import Preprocess

if TYPE_CHECKING:
    from torch import nn

Floats = NDArray[np.float32]
DECODING = 2  # counted up when decoding or resizing changes, so that older features are not taken


@dataclass(frozen=True)
class Head:
    """The last linear layer: logits = features @ weight.T + bias; and what makes probabilities of them."""

    weight: Floats
    bias: Floats
    activation: str = "softmax"
    """of `ACTIVATIONS`"""
    temperature: float = 1.0
    """divides the logits, so that probabilities are as often right as they say; found by `neocog calibrate`"""

    def logits(self, features: Floats) -> Floats:
        return np.asarray(features @ self.weight.T + self.bias, np.float32)

    def probabilities(self, features: Floats) -> Floats:
        """(n, classes)"""
        return self.activated(self.logits(features))

    def activated(self, logits: Floats) -> Floats:
        """Probabilities (n, classes) of `logits` (n, classes)."""
        return ACTIVATIONS[self.activation](
            logits if self.temperature == 1 else logits / np.float32(self.temperature)
        )


def softmax(logits: Floats) -> Floats:
    """Of classes that exclude each other: (n, classes), each row sums to 1."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def sigmoid(logits: Floats) -> Floats:
    """Of classes of which a picture may show several: each is answered by itself."""
    wide = logits.astype(np.float64)
    powers = np.exp(-np.abs(wide))
    return np.asarray(np.where(wide < 0, powers, 1) / (1 + powers), np.float32)


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {"softmax": softmax, "sigmoid": sigmoid}


@dataclass(frozen=True)
class Network:
    """A backbone that can be built when torch is needed, and told apart from others when it is not."""

    name: str
    preprocess: Preprocess
    digest: str
    """SHA-256 of the backbone's tensors"""
    backbone: Callable[[], nn.Module]
    """(batch, channels, height, width) normalised -> (batch, features); built only when an engine asks"""
    source: str = ""
    """version of the code that defines the architecture: a file's SHA-256, a library's version, ours"""

    def key(self) -> str:
        """Same key, same features: the weights, the architecture, its code's version and the preprocessing."""
        parts = {
            "name": self.name,
            "digest": self.digest,
            "source": self.source,
            "preprocess": self.preprocess.to_json(),
            "decoding": DECODING,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
