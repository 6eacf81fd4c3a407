"""All methods by name, each with what it needs and where it is from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from neocog.adaptation.coral import fit_coral
from neocog.adaptation.daume import fit_daume
from neocog.adaptation.dlid import fit_dlid
from neocog.adaptation.domains import Domains
from neocog.adaptation.gfk import fit_gfk
from neocog.adaptation.mmdt import fit_mmdt
from neocog.adaptation.pooled import both, source_only, target_only
from neocog.adaptation.subspace import fit_subspace
from neocog.probing.kinds import Fitted, Kind

Needs = Literal["source", "target labels", "both"]


@dataclass(frozen=True)
class Method:
    name: str
    words: str
    source: str
    """paper and section"""
    needs: Needs
    """whose labels. Where the source's suffice the method is unsupervised, and uses what labels the target has"""
    fit: Callable[[Domains, Kind, int], Fitted]
    """two domains, the classifier put behind, a seed; equal seeds give equal numbers"""


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("S", "source only", "no adaptation", "source", source_only),
        Method("T", "target only", "no adaptation", "target labels", target_only),
        Method("ST", "source and target in one heap", "no adaptation", "both", both),
        Method("daume", "features tripled", "Daumé III 2007, section 3.1", "both", fit_daume),
        Method("mmdt", "max-margin domain transform", "Hoffman and others 2013, section 3", "both", fit_mmdt),
        Method("gfk", "geodesic flow kernel", "Gong and others 2012, section 3", "source", fit_gfk),
        Method("coral", "correlation alignment", "Sun and others 2016, algorithm 1", "source", fit_coral),
        Method(
            "subspace", "subspace alignment", "Fernando and others 2013, algorithm 1", "source", fit_subspace
        ),
        Method("dlid", "interpolating path", "Chopra and others 2013, section 3", "source", fit_dlid),
    )
}
