"""All corruptions by name, with the strengths of their five severities.

Dan Hendrycks and Thomas Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019, section 4 and appendix B. What they do and how strongly is from the authors' scripts make_imagenet_c.py and
make_cifar_c.py (github.com/hendrycks/robustness; their package imagenet_c is under the MIT licence); the code is our
own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, get_args

import numpy as np
from numpy.random import Generator

from neocog.data.corruptions import blur, digital, noise, spatter, weather
from neocog.data.corruptions.noise import Floats, Strength, as_bytes
from neocog.data.resize import Pixels
from neocog.errors import UserError

Kind = Literal["noise", "blur", "weather", "digital"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SEVERITIES = (1, 2, 3, 4, 5)
SMALL = 64  # pixels; up to this side the strengths for CIFAR's pictures are taken
SMALLEST = 8  # pixels; the least side of a picture
Strengths = tuple[Strength, Strength, Strength, Strength, Strength]


@dataclass(frozen=True)
class Corruption:
    """One way to spoil a picture, at five severities."""

    name: str
    kind: Kind
    spoil: Callable[[Floats, Strength, Generator], Floats]
    large: Strengths
    """ImageNet-C's, for 224 x 224 pixels"""
    small: Strengths
    """CIFAR-10-C's, for 32 x 32 pixels"""
    extra: bool = False
    """one of the four that the authors keep for tuning: not part of the mean corruption error"""
    grey: bool = True
    """whether it can be applied to pictures of one channel"""

    def __call__(self, pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
        """`pixels` (height, width, 1 or 3), uint8, spoiled at `severity` 1 to 5; the same for the same `seed`."""
        if severity not in SEVERITIES:
            raise UserError(f"severity must be 1, 2, 3, 4 or 5, got {severity!r}")
        if seed < 0:
            raise UserError(f"seed must be 0 or more, got {seed}")
        self._check(pixels)
        strengths = self.small if max(pixels.shape[:2]) <= SMALL else self.large
        spoiled = self.spoil(pixels / 255, strengths[severity - 1], np.random.default_rng(seed))
        return as_bytes(spoiled).astype(np.uint8)

    def _check(self, pixels: Pixels) -> None:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
            raise UserError(
                f"a picture must be uint8 (height, width, 1 or 3), got {pixels.dtype} {pixels.shape}"
            )
        if min(pixels.shape[:2]) < SMALLEST:
            raise UserError(
                f"a picture must have at least {SMALLEST} x {SMALLEST} pixels, got {pixels.shape[:2]}"
            )
        if pixels.shape[2] == 1 and not self.grey:
            raise UserError(f"{self.name} changes colours, but the picture is grey; leave it out")


def _numbers(*values: float) -> Strengths:
    first, second, third, fourth, fifth = ((value,) for value in values)
    return first, second, third, fourth, fifth


ALL = (
    Corruption(
        "gaussian_noise", "noise", noise.gaussian_noise,
        _numbers(0.08, 0.12, 0.18, 0.26, 0.38),
        _numbers(0.04, 0.06, 0.08, 0.09, 0.10),
    ),
    Corruption(
        "shot_noise", "noise", noise.shot_noise,
        _numbers(60, 25, 12, 5, 3),
        _numbers(500, 250, 100, 75, 50),
    ),
    Corruption(
        "impulse_noise", "noise", noise.impulse_noise,
        _numbers(0.03, 0.06, 0.09, 0.17, 0.27),
        _numbers(0.01, 0.02, 0.03, 0.05, 0.07),
    ),
    Corruption(
        "defocus_blur", "blur", blur.defocus_blur,
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    ),
    Corruption(
        "glass_blur", "blur", blur.glass_blur,
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    ),
    Corruption(
        "motion_blur", "blur", blur.motion_blur,
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    ),
    Corruption(
        "zoom_blur", "blur", blur.zoom_blur,
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    ),
    Corruption(
        "snow", "weather", weather.snow,
        ((0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
         (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55)),
        ((0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
         (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8)),
    ),
    Corruption(
        "frost", "weather", weather.frost,
        ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
        ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    ),
    Corruption(
        "fog", "weather", weather.fog,
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    ),
    Corruption(
        "brightness", "weather", digital.brightness,
        _numbers(0.1, 0.2, 0.3, 0.4, 0.5),
        _numbers(0.05, 0.1, 0.15, 0.2, 0.3),
    ),
    Corruption(
        "contrast", "digital", digital.contrast,
        _numbers(0.4, 0.3, 0.2, 0.1, 0.05),
        _numbers(0.75, 0.5, 0.4, 0.3, 0.15),
    ),
    Corruption(
        "elastic_transform", "digital", digital.elastic_transform,
        # the authors meant 224 by 244, and kept it
        ((244 * 2, 244 * 0.7, 244 * 0.1), (244 * 2, 244 * 0.08, 244 * 0.2), (244 * 0.05, 244 * 0.01, 244 * 0.02),
         (244 * 0.07, 244 * 0.01, 244 * 0.02), (244 * 0.12, 244 * 0.01, 244 * 0.02)),
        ((0, 0, 32 * 0.08), (32 * 0.05, 32 * 0.2, 32 * 0.07), (32 * 0.08, 32 * 0.06, 32 * 0.06),
         (32 * 0.1, 32 * 0.04, 32 * 0.05), (32 * 0.1, 32 * 0.03, 32 * 0.03)),
    ),
    Corruption(
        "pixelate", "digital", digital.pixelate,
        _numbers(0.6, 0.5, 0.4, 0.3, 0.25),
        _numbers(0.95, 0.9, 0.85, 0.75, 0.65),
    ),
    Corruption(
        "jpeg_compression", "digital", digital.jpeg_compression,
        _numbers(25, 18, 15, 10, 7),
        _numbers(80, 65, 58, 50, 40),
    ),
    Corruption(
        "speckle_noise", "noise", noise.speckle_noise,
        _numbers(0.15, 0.2, 0.35, 0.45, 0.6),
        _numbers(0.06, 0.1, 0.12, 0.16, 0.2),
        extra=True,
    ),
    Corruption(
        "gaussian_blur", "blur", blur.gaussian_blur,
        _numbers(1, 2, 3, 4, 6),
        _numbers(0.4, 0.6, 0.7, 0.8, 1),
        extra=True,
    ),
    Corruption(
        "spatter", "weather", spatter.spatter,
        ((0.65, 0.3, 4, 0.69, 0.6, 0), (0.65, 0.3, 3, 0.68, 0.6, 0), (0.65, 0.3, 2, 0.68, 0.5, 0),
         (0.65, 0.3, 1, 0.65, 1.5, 1), (0.67, 0.4, 1, 0.65, 1.5, 1)),
        ((0.62, 0.1, 0.7, 0.7, 0.5, 0), (0.65, 0.1, 0.8, 0.7, 0.5, 0), (0.65, 0.3, 1, 0.69, 0.5, 0),
         (0.65, 0.1, 0.7, 0.69, 0.6, 1), (0.65, 0.1, 0.5, 0.68, 0.6, 1)),
        extra=True,
    ),
    Corruption(
        "saturate", "digital", digital.saturate,
        ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
        ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        extra=True, grey=False,
    ),
)  # fmt: skip
CORRUPTIONS: dict[str, Corruption] = {corruption.name: corruption for corruption in ALL}


def chosen(names: Sequence[str] | str | None, channels: int = 3) -> tuple[Corruption, ...]:
    """The corruptions of these names, in the catalogue's order; of None or `all`, each that `channels` allow."""
    if names is None or names == "all":
        return tuple(one for one in ALL if channels == 3 or one.grey)
    wanted = names.split(",") if isinstance(names, str) else list(names)
    wanted = [name.strip().replace("-", "_") for name in wanted]
    if not wanted or (unknown := [name for name in wanted if name not in CORRUPTIONS]):
        given = ", ".join(unknown) if wanted else "none"
        raise UserError(f"corruptions must be all or names out of {', '.join(CORRUPTIONS)}, got {given}")
    for name in wanted:
        if channels == 1 and not CORRUPTIONS[name].grey:
            raise UserError(f"{name} changes colours, but the model sees grey pictures; leave it out")
    return tuple(one for one in ALL if one.name in wanted)


def picture_seed(seed: int, pixels: Pixels, name: str, severity: int) -> int:
    """The seed of one corruption of one picture: from its pixels, so neither its place nor its batch matters."""
    digest = blake2b(f"{seed} {name} {severity} {pixels.shape} ".encode(), digest_size=8)
    digest.update(np.ascontiguousarray(pixels).data)
    return int.from_bytes(digest.digest(), "little")
