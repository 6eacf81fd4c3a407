"""Every network that neocog defines, oldest first."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from neocog.errors import UserError, unknown
from neocog.models.efficientnet import LITE, efficientnet_lite
from neocog.models.lenet import lenet5_modern


@dataclass(frozen=True)
class Model:
    """A network: how it is built, and what it was made for."""

    build: Callable[..., nn.Module]
    """(num_classes, in_chans) -> module that maps (batch, channels, height, width) to logits"""
    input_size: tuple[int, int, int]
    """channels, height, width"""
    num_classes: int
    year: int
    paper: str


MODELS = {
    "lenet5_modern": Model(lenet5_modern, (1, 32, 32), 10, 1998, "LeCun et al., Gradient-based learning"),
    **{
        name: Model(
            partial(efficientnet_lite, name),
            (3, size, size),
            1000,
            2019,
            "Tan and Le, EfficientNet (Lite form)",
        )
        for name, (_, _, size, _) in LITE.items()
    },
}


def build(name: str, num_classes: int | None = None, in_chans: int | None = None) -> nn.Module:
    """The network called `name` with freshly drawn weights, in training mode as torch leaves it."""
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    model = MODELS[name]
    classes = model.num_classes if num_classes is None else num_classes
    channels = model.input_size[0] if in_chans is None else in_chans
    if classes < 1 or channels < 1:
        raise UserError(f"num_classes and in_chans must be at least 1, got {classes} and {channels}")
    return model.build(num_classes=classes, in_chans=channels)
