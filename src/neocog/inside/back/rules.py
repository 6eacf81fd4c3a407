"""Back from a unit to the pixels: the gradient, and the two rules that change what a rectifier lets through.

The three differ at a ReLU alone, where g comes from above and x was its input (Springenberg et al., "Striving for
simplicity" (2015), figure 1):

| rule | passes on |
|---|---|
| gradient | g where x > 0 (Simonyan et al. 2014) |
| deconvnet | g where g > 0 (Zeiler, Fergus 2014, section 2.1) |
| guided | g where x > 0 and g > 0 |

Everything else is transposed: a convolution filters with its flipped kernels, without bias; a max pool puts each
number where its maximum was (the switches), and adds up where windows overlap; a sum hands on to all its branches. For
deconvnet and guided a norm is the slope that it has with its statistics held fixed, and local response normalisation
is skipped, as in the paper. A ReLU counts as one whether it is a module, used again, a function, in place, a clamp or a
maximum with 0. A ceiling lets everything back, since a unit that has reached it is active. What is written as a mask,
or what torch does not show, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.analysis.capture import Handler, Place, capture
from neocog.analysis.kinds import ADAPTIVE_POOLS, MAX_POOLS, NORMS
from neocog.errors import UserError, unknown
from neocog.inside.back.linear_parts import constant_statistics, skipped
from neocog.inside.back.rectifiers import COMPARING, NO_MEANING, compared, demand_told, rectified, refused
from neocog.inside.bounds import HOLDING
from neocog.inside.units import index_of

Rule = Literal["gradient", "deconvnet", "guided"]
RULES: tuple[Rule, ...] = get_args(Rule)
SWITCHES = {kind for kind in (*MAX_POOLS, *ADAPTIVE_POOLS) if "max" in kind}


@dataclass(frozen=True)
class Traced:
    """What came back to the pixels, and where it came from."""

    pixels: Tensor
    """(batch, channels, height, width), in the units of the network's input"""
    activation: Tensor
    """what the layer gave: (batch, ...)"""

    @property
    def finite(self) -> NDArray[np.float32]:
        """The pixels with 0 where there is no slope, as a root, of the Neocognitron say, has none at zero."""
        return np.asarray(np.nan_to_num(self.pixels.cpu().numpy(), posinf=0, neginf=0))


def traced_back(
    net: nn.Module, x: Tensor, place: Place, start: Callable[[Tensor], Tensor], rule: Rule = "gradient"
) -> Traced:
    """What `start(activation)` at `place` becomes on its way back to the pixels `x` (batch, channels, height, width).

    `start` gives, for the layer's activation (batch, ...), what is sent back: a tensor of the same shape. UserError
    where the rule has no meaning on the way, deconvnet and guided need rectifiers; and where the network writes in
    place what autograd needs.
    """
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    with torch.inference_mode(False), torch.enable_grad(), capture(net, [place], _handlers(rule)) as seen:
        pixels = x.detach().clone().requires_grad_()
        with _writes_refused():
            seen.run(pixels)
            activation = seen[place]
            if rule != "gradient":
                demand_told(activation, rule)
            (back,) = torch.autograd.grad(activation, pixels, start(activation.detach()))
    return Traced(back.detach(), activation.detach())


def reconstruct(
    net: nn.Module,
    x: Tensor,
    place: Place,
    channel: int | Sequence[int],
    at: Sequence[tuple[int, ...]],
    rule: Rule = "deconvnet",
) -> Traced:
    """Back from one unit of each picture, with its activation; all others are set to zero.

    `at` is the unit's position in each picture of the batch: (row, column) of a map, (token,) of tokens, () of a
    vector; `channel` its channel, one for all or one for each picture.
    """
    channels = [channel] * len(at) if isinstance(channel, int) else channel

    def start(activation: Tensor) -> Tensor:
        seed = torch.zeros_like(activation)
        for i, (own, position) in enumerate(zip(channels, at, strict=True)):
            unit = (i, *index_of(activation.dim() - 1, own, position))
            seed[unit] = activation[unit]
        return seed

    return traced_back(net, x, place, start, rule)


def unfit(kinds: Collection[str], rule: Rule) -> str | None:
    """What among the `kinds` of operations before a unit gives `rule` no meaning; None where it has one."""
    return None if rule == "gradient" else next((kind for kind in NO_MEANING if kind in kinds), None)


def suited(kinds: Collection[str]) -> Rule:
    """The rule that shows what in a picture a unit of a network with such operations answers to.

    That is deconvnet where there are max poolings, whose switches are all that it knows of the picture. Without them
    guided is: Springenberg et al. 2015, section 3.4. Where neither has a meaning it is the gradient.
    """
    if unfit(kinds, "guided"):
        return "gradient"
    return "deconvnet" if SWITCHES.intersection(kinds) else "guided"


@contextmanager
def _writes_refused() -> Iterator[None]:
    """torch's error where a network cannot be differentiated for what it writes in place, in our words."""
    try:
        yield
    except RuntimeError as error:
        if "inplace" not in str(error):
            raise
        raise UserError(
            "a gradient needs what this network writes over in place (as relu_ does on a piece that chunk gives), so "
            "none comes back; use `neocog see occlusion`"
        ) from error


def _handlers(rule: Rule) -> Mapping[str, Handler]:
    if rule == "gradient":
        return {}
    return {
        **dict.fromkeys(NO_MEANING, refused(rule)),
        **dict.fromkeys(COMPARING, compared(rule)),
        **dict.fromkeys(HOLDING, rectified(rule)),
        **dict.fromkeys(NORMS - {"local_response_norm"}, constant_statistics),
        "local_response_norm": skipped,
    }
