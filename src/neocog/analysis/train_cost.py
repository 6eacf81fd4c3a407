"""What training a network costs: multiply-adds, and days on devices of a given speed."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from neocog.errors import UserError

DAY = 24 * 60 * 60
"""seconds"""
PASSES = 3
"""multiply-adds of a step over those of a forward: backward makes the gradients of the inputs and of the weights"""


@dataclass(frozen=True)
class TrainCost:
    """Work and time of a training at the devices' full speed, which no real one reaches."""

    macs: int
    """multiply-adds of all steps, forward and backward"""
    flops: int
    """2 for each multiply-add"""
    device_days: float
    """days that one device would take"""
    days: float
    """days that all devices together take"""

    def __str__(self) -> str:
        work = f"{self.macs:.4g} multiply-adds, {self.flops:.4g} FLOPs"
        return f"{work}: {self.device_days:.4g} device-days, {self.days:.4g} days at full speed"

    def utilisation(self, device_days: float) -> float:
        """The share of the devices' full speed that a training of `device_days` reached."""
        return self.device_days / _positive("device_days", device_days)


def train_cost(macs: int, epochs: float, pictures: int, device_flops: float, devices: int = 1) -> TrainCost:
    """The cost of `epochs` over `pictures` with a network of `macs` multiply-adds for one picture.

    `device_flops` is one device's floating-point operations in a second. Three multiply-adds are done for each one of
    a forward: OpenAI, "AI and compute" (2018), appendix. Data loading, norms and activations are not counted.

    The lecture's "two GPUs for a week" are AlexNet's 90 epochs of 1.2 million pictures (Krizhevsky et al. 2012,
    section 5: five to six days on two GTX 580, each 512 cores * 1.544 GHz * 2 = 1.581e12 a second):

    >>> alexnet = train_cost(724_406_816, 90, 1_200_000, 1.581e12, devices=2)
    >>> round(alexnet.days, 2), round(alexnet.utilisation(2 * 7), 2), round(alexnet.utilisation(2 * 5.5), 2)
    (1.72, 0.25, 0.31)

    The lecture's 2.5k TPUv3-core-days are ViT-H/14's 14 epochs of JFT's 303 million pictures (Dosovitskiy et al. 2021,
    tables 2 and 3); a chip of two cores makes 123e12 a second in bfloat16 (Jouppi et al. 2020):

    >>> vit = train_cost(167_295_109_120, 14, 303_000_000, 123e12 / 2)
    >>> round(vit.flops / 1e18), round(vit.device_days), round(vit.utilisation(2500), 2)
    (4258, 801, 0.32)
    """
    _positive("macs", macs), _positive("epochs", epochs), _positive("pictures", pictures)
    _positive("device_flops", device_flops), _positive("devices", devices)
    total = round(PASSES * macs * pictures * epochs)
    device_days = 2 * total / device_flops / DAY
    return TrainCost(total, 2 * total, device_days, device_days / devices)


def _positive(name: str, value: float) -> float:
    if not (isfinite(value) and value > 0):
        raise UserError(f"{name} must be more than 0, got {value:g}; give what one training has")
    return value
