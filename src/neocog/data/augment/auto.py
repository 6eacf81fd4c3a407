"""Policies that draw their operations: RandAugment, TrivialAugment and AugMix.

| text | operations and strengths | drawn |
|---|---|---|
| `randaugment-m9-n2` | Cubuk et al. 2020 in torchvision's numbers, strength m of 0..30 | n operations |
| `trivialaugment` | Müller and Hutter 2021, wide space, in torchvision's numbers | one, with one of 31 strengths |
| `augmix-m3-w3` | Hendrycks et al. 2020 in their code's numbers, strength up to m of 10 | w chains of 1 to 3, or of d |
| `rand-m9-n2-mstd0.5-inc1` | timm's 15 operations, strength m of 0..10 | n, each applied with probability p, 0.5 |

timm's `mstd` is the standard deviation of the strength, `inc1` lets every operation grow with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from neocog.data.augment.colour import each
from neocog.data.augment.draws import Draws
from neocog.data.augment.geometry import PLAIN, Sampling
from neocog.data.augment.operations import (
    AUGMIX,
    RANDAUGMENT,
    TIMM,
    TIMM_INCREASING,
    TRIVIALAUGMENT,
    Operation,
    applied,
)
from neocog.errors import UserError, unknown

BINS = 30  # strengths 0 to 30, torchvision's default
LONGEST = 3  # operations in a chain of AugMix
SETTINGS: Mapping[str, Mapping[str, tuple[float, float, float]]] = {
    "randaugment": {"m": (9, 0, BINS), "n": (2, 1, 20)},
    "trivialaugment": {},
    "augmix": {"m": (3, 0.1, 10), "w": (3, 1, 20), "d": (0, 0, LONGEST), "a": (1, 0.01, 100)},
    "rand": {"m": (10, 0, 10), "n": (2, 1, 20), "mstd": (0, 0, 1000), "inc": (0, 0, 1), "p": (0.5, 0, 1)},
}
"""For each policy its settings: default, smallest and largest value."""


def parse(text: str) -> tuple[str, dict[str, float]]:
    """`rand-m9-n2` -> ("rand", all its settings); a `UserError` says what is wrong."""
    name, *parts = text.split("-")
    if name not in SETTINGS:
        raise unknown("automatic augmentation", name, SETTINGS)
    known = SETTINGS[name]
    values = {key: default for key, (default, _, _) in known.items()}
    for part in parts:
        match = re.fullmatch(r"([a-z]+)(\d+(?:\.\d+)?)", part)
        if not match or match[1] not in known:
            raise UserError(f"{name} takes {_forms(name)}, got {part!r} in {text!r}")
        key, value = match[1], float(match[2])
        _, low, high = known[key]
        whole = key in ("n", "d", "w", "inc")
        if not low <= value <= high or (whole and not value.is_integer()):
            kind = "a whole number " if whole else ""
            raise UserError(f"{key} of {name} must be {kind}from {low:g} to {high:g}, got {match[2]}")
        values[key] = value
    return name, values


def _forms(name: str) -> str:
    return ", ".join(f"{key}{default:g}" for key, (default, _, _) in SETTINGS[name].items()) or "no settings"


def automatic(planes: Tensor, draws: Draws, text: str) -> Tensor:
    """uint8 (n, channels, height, width) under the policy that `text` describes."""
    name, settings = parse(text)
    return POLICIES[name](planes, draws, settings)


def randaugment(planes: Tensor, draws: Draws, settings: Mapping[str, float]) -> Tensor:
    """The same strength for all, `n` operations one after the other."""
    count = int(settings["n"])
    which = draws.integers("auto.which", count, len(RANDAUGMENT))
    full = torch.full((len(draws), count), settings["m"] / BINS, dtype=torch.float64)
    shares = _signed(draws, full, RANDAUGMENT, which)
    for layer in range(count):
        planes = applied(planes, RANDAUGMENT, which[:, layer], shares[:, layer], PLAIN)
    return planes


def trivialaugment(planes: Tensor, draws: Draws, settings: Mapping[str, float]) -> Tensor:
    """One operation with one of 31 strengths."""
    which = draws.integers("auto.which", 1, len(TRIVIALAUGMENT))
    shares = draws.integers("auto.strength", 1, BINS + 1) / BINS
    shares = _signed(draws, shares, TRIVIALAUGMENT, which)
    return applied(planes, TRIVIALAUGMENT, which[:, 0], shares[:, 0], PLAIN)


def timm_rand(planes: Tensor, draws: Draws, settings: Mapping[str, float]) -> Tensor:
    """timm's RandAugment: an operation is left out with probability 1 - p, and strengths may scatter."""
    count = int(settings["n"])
    operations = TIMM_INCREASING if settings["inc"] else TIMM
    which = draws.integers("auto.which", count, len(operations))
    strengths = torch.full((len(draws), count), settings["m"], dtype=torch.float64)
    if settings["mstd"] > 100:  # timm's sign for an even spread
        strengths = draws.uniform("auto.strength", count) * settings["m"]
    elif settings["mstd"]:
        strengths = strengths + settings["mstd"] * draws.normal("auto.strength", count)
    shares = _signed(draws, strengths.clamp(0, 10) / 10, operations, which)
    which = torch.where(draws.uniform("auto.applied", count) < settings["p"], which, -1)
    for layer in range(count):
        planes = applied(planes, operations, which[:, layer], shares[:, layer], Sampling("bilinear", 128))
    return planes


def augmix(planes: Tensor, draws: Draws, settings: Mapping[str, float]) -> Tensor:
    """Chains of operations, mixed with each other and then with the picture itself."""
    width = int(settings["w"])
    which = draws.integers("auto.which", width * LONGEST, len(AUGMIX))
    shares = draws.uniform("auto.strength", width * LONGEST, 0.1 / 10, settings["m"] / 10)
    shares = _signed(draws, shares, AUGMIX, which)
    depths = draws.integers("auto.depth", width, LONGEST) + 1
    if settings["d"]:
        depths = torch.full_like(depths, int(settings["d"]))
    weights = draws.dirichlet("auto.weights", width, settings["a"]).float()
    kept = 1 - draws.beta("auto.mixed", settings["a"]).float()
    weights = weights * (1 - kept)[:, None]
    mixed = planes * each(kept, planes)
    for chain in range(width):
        out = planes
        for step in range(LONGEST):
            column = chain * LONGEST + step
            drawn = torch.where(step < depths[:, chain], which[:, column], -1)
            out = applied(out, AUGMIX, drawn, shares[:, column], Sampling("bilinear"))
        mixed += out * each(weights[:, chain], planes)
    return mixed.round_().clamp_(0, 255).to(torch.uint8)


def _signed(draws: Draws, shares: Tensor, operations: Sequence[Operation], which: Tensor) -> Tensor:
    """Half of the shares negative, of operations that go either way."""
    two_way = torch.tensor([operation.signed for operation in operations])[which]
    return torch.where(two_way & (draws.uniform("auto.sign", shares.shape[1]) < 0.5), -shares, shares)


POLICIES = {"randaugment": randaugment, "trivialaugment": trivialaugment, "augmix": augmix, "rand": timm_rand}
