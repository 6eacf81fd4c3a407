"""What becomes of training pictures: one frozen object per policy, and those of well-known papers by name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from neocog.data.augment import geometry
from neocog.data.augment.auto import SETTINGS, automatic, parse
from neocog.data.augment.colour import lit
from neocog.data.augment.draws import Draws
from neocog.data.augment.erase import Erasing, erased
from neocog.data.augment.jitter import Jitter, jittered
from neocog.data.augment.mix import cutmix, mixup
from neocog.errors import UserError, unknown

Range = tuple[float, float]
AT_ONCE = 1_200_000  # values that are changed at once, so that they stay in the processor's cache


class RandomCrop(NamedTuple):
    """A box of a random share of the area and of random proportions (Szegedy et al. 2015, section 6)."""

    scale: Range = (0.08, 1.0)
    """range of the share of the area"""
    ratio: Range = (3 / 4, 4 / 3)
    """range of width by height"""


class ScaleJitter(NamedTuple):
    """A crop out of a picture resized to a random size (Simonyan and Zisserman 2015, section 3.1)."""

    low: float
    """smallest shorter side of the picture, in units of the crop's side"""
    high: float
    """largest"""


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of training pictures, made in the order of the fields; nothing by default.

    Called with uint8 (n, height, width, 1 or 3 channels) and `Draws` it returns uint8 (n, *size, channels), which lie
    in memory a channel after the other; `mix` then mixes pictures with each other. Variants by `dataclasses.replace`.

    Repeated augmentation (Hoffer et al. 2020) needs nothing more: `Order(repeats=3)` counts the copies of a picture,
    and `Draws` gives each numbers of its own.
    """

    size: tuple[int, int] | None = None
    """height and width of the result; those of the pictures if None"""
    crop: RandomCrop | ScaleJitter | None = None
    """a random part of the picture, resized; the whole picture if None"""
    flip: bool = False
    """mirror half of the pictures left to right; wrong for digits and letters"""
    vflip: bool = False
    """mirror half of the pictures top to bottom: for views from above, through microscopes, of the sky"""
    shift: float = 0.0
    """largest shift either way, as a share of the extent, below 0.5"""
    shift_fill: int | None = None
    """grey level of what a shift brings in from outside; the border repeated if None"""
    auto: str = ""
    """randaugment-m9-n2, trivialaugment, augmix-m3-w3 or timm's rand-m9-n2-mstd0.5-inc1"""
    jitter: Jitter | None = None
    """random brightness, contrast, saturation and hue, in random order"""
    lighting: float = 0.0
    """standard deviation of AlexNet's colour noise along the principal axes of ImageNet's colours; RGB only"""
    erasing: Erasing | None = None
    """a rectangle painted over"""
    mixup: float = 0.0
    """alpha of mixup: two pictures blended"""
    cutmix: float = 0.0
    """alpha of CutMix: a box from another picture; with mixup, half of the pictures get one, half the other"""

    def __post_init__(self) -> None:
        rules = {
            "size": (
                self.size is None or (len(self.size) == 2 and min(self.size) >= 1),
                "be two numbers from 1 on",
            ),
            "shift": (0 <= self.shift < 0.5, "lie in 0..0.5, below 0.5"),
            "shift_fill": (
                self.shift_fill is None or 0 <= self.shift_fill <= 255,
                "lie in 0..255 or be None",
            ),
            "lighting": (self.lighting >= 0, "be at least 0"),
            "mixup": (self.mixup >= 0, "be at least 0"),
            "cutmix": (self.cutmix >= 0, "be at least 0"),
            "crop": (self.crop is None or _crop_holds(self.crop), "have ranges above 0, the lower end first"),
            "jitter": (
                self.jitter is None or _jitter_holds(self.jitter),
                "be at least 0, the hue at most 0.5",
            ),
            "erasing": (
                self.erasing is None or _erasing_holds(self.erasing),
                "have shares of 0..1, ratios above 0",
            ),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise UserError(f"{name} of an augmentation must {rule}, got {getattr(self, name)}")
        if self.auto:
            parse(self.auto)

    def __call__(self, pixels: Tensor, draws: Draws) -> Tensor:
        _check(pixels, draws)
        size = self.size or (pixels.shape[1], pixels.shape[2])
        out = pixels.new_empty((len(pixels), pixels.shape[3], *size))
        step = max(1, AT_ONCE // pixels.shape[1:].numel())
        for start in range(0, len(pixels), step):
            rows = slice(start, start + step)
            planes = pixels[rows].permute(0, 3, 1, 2)
            out[rows] = self._changed(planes, draws.rows(np.arange(len(pixels))[rows]), size)
        return out.permute(0, 2, 3, 1)

    def _changed(self, planes: Tensor, draws: Draws, size: tuple[int, int]) -> Tensor:
        """The planes (n, channels, height, width) of some pictures."""
        planes = self._placed(planes, draws, size)
        if self.auto:
            planes = automatic(planes, draws, self.auto)
        if self.jitter:
            planes = jittered(planes, draws, self.jitter)
        if self.lighting:
            planes = lit(planes, draws, self.lighting)
        if self.erasing:
            planes = erased(planes, draws, self.erasing)
        return planes

    def _placed(self, planes: Tensor, draws: Draws, size: tuple[int, int]) -> Tensor:
        """Crop, mirror and shift."""
        own = (planes.shape[2], planes.shape[3])
        if isinstance(self.crop, RandomCrop):
            planes = geometry.cropped(planes, geometry.area_boxes(draws, own, *self.crop), size)
        elif isinstance(self.crop, ScaleJitter):
            planes = geometry.cropped(planes, geometry.jitter_boxes(draws, own, self.crop), size)
        else:
            planes = geometry.resized(planes.contiguous(), size)
        if self.flip:
            planes = geometry.mirrored(planes, draws.chance("flip", 0.5))
        if self.vflip:
            planes = geometry.mirrored(planes, draws.chance("vflip", 0.5), axis=2)
        if self.shift:
            planes = geometry.shifted(planes, self._offsets(draws, size), self.shift_fill)
        return planes

    def _offsets(self, draws: Draws, size: tuple[int, int]) -> Tensor:
        reach = torch.tensor([int(self.shift * side) for side in size])
        return draws.integers("shift", 2, 2 * reach + 1) - reach

    def mix(self, pixels: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Pictures and targets, float32 (n, classes), mixed with those before them in the batch.

        With mixup the pixels become float32 in 0..255, else they stay as they are.
        """
        if not self.mixup:
            return cutmix(pixels, targets, draws, self.cutmix) if self.cutmix else (pixels, targets)
        blended = mixup(pixels, targets, draws, self.mixup)
        if not self.cutmix:
            return blended
        cut = draws.chance("mix.cut", 0.5).to(pixels.device)
        boxed = cutmix(pixels, targets, draws, self.cutmix)
        return (
            torch.where(cut[:, None, None, None], boxed[0].float(), blended[0]),
            torch.where(cut[:, None], boxed[1], blended[1]),
        )

    def settings(self) -> str:
        """What differs from doing nothing, on one line."""
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return ", ".join(f"{name} {_shown(value)}" for name, value in changed.items()) or "nothing"


def _shown(value: object) -> str:
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return " ".join(f"{name} {_shown(part)}" for name, part in zip(value._fields, value, strict=True))
    if isinstance(value, tuple):
        return "..".join(_shown(part) for part in value)
    if isinstance(value, float):
        return f"{value:.3g}"
    return "on" if value is True else str(value)


def _check(pixels: Tensor, draws: Draws) -> None:
    if pixels.ndim != 4 or pixels.dtype != torch.uint8 or pixels.shape[3] not in (1, 3):
        raise UserError(
            "pictures to augment must be uint8 (n, height, width, 1 or 3 channels), "
            f"got {pixels.dtype} {tuple(pixels.shape)}"
        )
    if len(pixels) != len(draws):
        raise UserError(
            f"each picture needs a row of random numbers, got {len(draws)} for {len(pixels)} pictures"
        )


def _crop_holds(crop: RandomCrop | ScaleJitter) -> bool:
    if isinstance(crop, ScaleJitter):
        return 1 <= crop.low <= crop.high
    return 0 < crop.scale[0] <= crop.scale[1] <= 1 and 0 < crop.ratio[0] <= crop.ratio[1]


def _jitter_holds(jitter: Jitter) -> bool:
    return min(jitter) >= 0 and jitter.hue <= 0.5


def _erasing_holds(erasing: Erasing) -> bool:
    area, ratio = erasing.area, erasing.ratio
    return 0 <= erasing.probability <= 1 and 0 < area[0] <= area[1] <= 1 and 0 < ratio[0] <= ratio[1]


POLICIES = {
    "none": Augment(),
    "digits": Augment(shift=0.06),
    "alexnet-2012": Augment(crop=ScaleJitter(256 / 224, 256 / 224), flip=True, lighting=0.1),
    "vgg-2014": Augment(crop=ScaleJitter(256 / 224, 512 / 224), flip=True, lighting=0.1),
    "inception-2014": Augment(crop=RandomCrop(), flip=True, jitter=Jitter(0.5, 0.5, 0.5), lighting=0.1),
    "resnet-2015": Augment(crop=ScaleJitter(256 / 224, 480 / 224), flip=True, lighting=0.1),
    "resnet-cifar": Augment(shift=4 / 32, shift_fill=0, flip=True),
    "deit": Augment(
        crop=RandomCrop(),
        flip=True,
        auto="rand-m9-n2-mstd0.5-inc1",
        erasing=Erasing(0.25, (0.02, 1 / 3)),
        mixup=0.8,
        cutmix=1.0,
    ),
    "randaugment": Augment(crop=RandomCrop(), flip=True, auto="randaugment-m9-n2"),
    "trivialaugment": Augment(
        crop=RandomCrop(), flip=True, auto="trivialaugment", erasing=Erasing(0.1, (0.02, 1 / 3))
    ),
    "augmix": Augment(crop=RandomCrop(), flip=True, auto="augmix-m3-w3"),
}


def policy(name: str) -> Augment:
    """A policy by its name, or the automatic one that a text such as `rand-m9-n2` describes."""
    if name in POLICIES:
        return POLICIES[name]
    if name.split("-")[0] in SETTINGS:
        return Augment(auto=name)
    raise unknown("augmentation", name, [*POLICIES, *SETTINGS])
