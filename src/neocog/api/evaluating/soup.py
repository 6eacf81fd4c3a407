"""Several runs of one network whose weights are averaged into a single one, which costs no more than each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neocog.api.networks import Loaded, loaded_from
from neocog.bundle import Bundle
from neocog.errors import UserError


def soup(members: Sequence[Loaded], model: str | None = None) -> Loaded:
    """The mean of the weights of `members`: a uniform soup (Wortsman et al. 2022, "Model soups", section 2).

    It is worth something where the runs began with the same trained weights, or are times of one run (stochastic
    weight averaging, Izmailov et al. 2018); of runs that began anew it is mostly worse than each. Statistics of
    batch norms are averaged, too, not measured anew. UserError where the networks or their pictures differ.
    """
    bundles = [_bundle(member) for member in members]
    first = bundles[0]
    for member, other in zip(members, bundles, strict=True):
        _demand_alike(first, other, str(member.folder))
    tensors = {name: _mean([bundle.tensors[name] for bundle in bundles]) for name in first.tensors}
    mixed = loaded_from(Bundle(first.card, tensors), members[0].folder, model)
    return replace(mixed, head=replace(mixed.head, temperature=1.0))


def _bundle(member: Loaded) -> Bundle:
    if member.bundle is None:
        raise UserError(
            f"a soup is made of runs, {member.network.name} is a published model; give folders of runs"
        )
    return member.bundle


def _demand_alike(first: Bundle, other: Bundle, name: str) -> None:
    for what in ("model", "head", "classes", "preprocess", "mirrored", "activation"):
        ours, theirs = getattr(first.card, what), getattr(other.card, what)
        if ours != theirs:
            raise UserError(
                f"the runs of a soup must be alike, but the {what} of {name} is another; average their answers "
                "instead (without --soup)"
            )
    shapes, others = ({k: t.shape for k, t in b.tensors.items()} for b in (first, other))
    if shapes != others:
        odd = next(k for k in {**shapes, **others} if shapes.get(k) != others.get(k))
        raise UserError(
            f"the runs of a soup must have tensors of the same shapes, but {odd} of {name} differs"
        )


def _mean(tensors: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Of floats, in float64; whole numbers, such as a batch norm's count, are the first one's."""
    first = tensors[0]
    if not np.issubdtype(first.dtype, np.floating):
        return first
    mean: NDArray[np.generic] = np.mean([np.asarray(t, np.float64) for t in tensors], axis=0).astype(
        first.dtype
    )
    return mean
