"""Whether a network's weights are numbers: those of a run that diverged show nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from neocog.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn


def demand_finite(net: nn.Module, title: str, way_out: str = "") -> None:
    """UserError where a weight or a running mean is NaN or infinite; `way_out` is what may be done about it."""
    odd = next(_odd(net), None)
    if odd is not None:
        raise UserError(f"{odd} of {title} is not finite, its training diverged{way_out}")


def _odd(net: nn.Module) -> Iterator[str]:
    """Names of tensors; of a buffer -inf alone is sound, where it is a mask of attention."""
    from torch.nn.parameter import is_lazy

    parameters = {name for name, _ in net.named_parameters()}
    for name, values in net.state_dict(keep_vars=True).items():
        if not is_lazy(values) and _floating(values) and _wrong(values, mask=name not in parameters):
            yield name


def _floating(values: object) -> bool:
    import torch

    return isinstance(values, torch.Tensor) and values.is_floating_point() and not values.is_meta


def _wrong(values: Tensor, mask: bool) -> bool:
    return bool((values.isnan() | values.isposinf()).any() if mask else not values.isfinite().all())
