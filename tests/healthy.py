"""A healthy set-up of a training run, for tests that plant one fault in it."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog import create_model
from neocog.training.preflight import Finding, Sample, preflight
from neocog.training.recipes.recipe import Recipe

K = 10
CLASSES = tuple(f"kind {i}" for i in range(K))
RECIPE = Recipe(lr=0.002, batch_size=16)


def normalise(pixels: Tensor) -> Tensor:
    return (pixels.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.29


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits, targets, reduction="none")


def sample(size: int = 32, channels: int = 1, **changes: Any) -> Sample:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (16, size, size, channels), generator=generator, dtype=torch.uint8)
    healthy = Sample(
        pixels=pixels,
        targets=torch.arange(16) % K,
        normalise=normalise,
        criterion=cross_entropy,
        labels=np.arange(160) % K,
        held_out=40,
        stored=(size, size),
        memory=1 << 40,
    )
    return replace(healthy, **changes)


def drawn(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()


def lenet() -> nn.Module:
    return drawn(partial(create_model, "lenet5_modern", num_classes=K, in_chans=1))


def small(norm: Callable[[int], nn.Module] = nn.BatchNorm2d, *more: nn.Module) -> nn.Sequential:
    """A healthy network with a batch norm, and room for a fault."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2), norm(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), norm(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, K), *more,
    )  # fmt: skip


def found(
    net: nn.Module, given: Sample | None = None, recipe: Recipe = RECIPE, **rest: Any
) -> tuple[Finding, ...]:
    return preflight(net, given or sample(), recipe, rest.get("classes", CLASSES), rest.get("head", ""))


def demand(findings: tuple[Finding, ...], kind: str, pattern: str) -> None:
    """Exactly one finding, of that kind, in one line that says so."""
    assert [f.kind for f in findings] == [kind], findings
    assert re.search(pattern, findings[0].text), findings[0].text
    assert "\n" not in str(findings[0])
