"""Every network that neocog defines, family by family."""

from __future__ import annotations

from typing import Any

from torch import nn

from neocog.errors import UserError, unknown
from neocog.models.catalogue import ALIASES, MODELS, Model
from neocog.models.information import options_of

__all__ = ["ALIASES", "MODELS", "Model", "build", "canonical"]


def canonical(name: str) -> str:
    """The name in `MODELS` of a model called `name`, which may be an alias: the paper's letter, torchvision's ViT."""
    plain = name.lower().replace("-", "_").replace("/", "_").replace(" ", "_")
    for candidate in (name, plain, ALIASES.get(plain, "")):
        if candidate in MODELS:
            return candidate
    raise unknown("model", name, [*MODELS, *ALIASES])


def build(
    name: str, num_classes: int | None = None, in_chans: int | None = None, **options: Any
) -> nn.Module:
    """The network called `name` with freshly drawn weights, in training mode as torch leaves it.

    With `num_classes=0` it gives features instead of logits. `options` are those of its function, such as `dropout`.
    """
    model = MODELS[canonical(name)]
    classes = model.num_classes if num_classes is None else num_classes
    channels = model.input_size[0] if in_chans is None else in_chans
    if classes < 0 or channels < 1:
        raise UserError(
            f"num_classes must be at least 0 and in_chans at least 1, got {classes} and {channels}"
        )
    known = options_of(model)
    wrong = next((key for key in options if key not in known), None)
    if wrong is not None:
        raise unknown(f"option of {name}", wrong, known or ["none"])
    net = model.build(num_classes=classes or model.num_classes, in_chans=channels, **options)
    if not classes:
        net.reset_classifier(0)  # type: ignore[operator]
    return net
