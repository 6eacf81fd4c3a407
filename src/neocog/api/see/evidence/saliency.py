"""The view `saliency`: which pixels speak for a class, by several methods, each with its sanity figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.about import about
from neocog.api.see.evidence.answered import answering, class_of
from neocog.api.see.evidence.baselines import BECOME, Baseline, baseline_of, blank
from neocog.api.see.evidence.tried import DELETED, RANDOM, REDRAWN, WEIGHTS, Trial, curves, rank_text, trial
from neocog.api.see.given import demand_options, demand_seed, several
from neocog.api.see.lined import Lined
from neocog.api.see.opened import Opened, OpenOptions, View, opened, picture
from neocog.api.see.seen import gallery
from neocog.api.see.wording import as_it_gets, called
from neocog.draw.gallery import Plate, Room
from neocog.draw.text import in_percent
from neocog.draw.tiles import around_grey, enlarged, glowing, rgb, signed
from neocog.errors import unknown
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from torch import Tensor, nn

    from neocog.inside.evidence.sanity import Deletion

Method = Literal["gradient", "guided", "deconvnet", "integrated", "smoothgrad"]
DEFAULT: tuple[Method, ...] = ("gradient", "guided", "integrated", "smoothgrad")
TITLES = {
    "gradient": "gradient",
    "guided": "guided backpropagation",
    "deconvnet": "deconvnet",
    "integrated": "integrated gradients",
    "smoothgrad": "SmoothGrad",
}
CAPTIONS = {
    "gradient": "How much the class's logit changes with a pixel: the largest absolute derivative over the colours "
    "(Simonyan et al. 2014). Dark is 0, pale the 99th percentile.",
    "guided": "The gradient, passed on only through what was active and only where it speaks for the class "
    "(Springenberg et al. 2015). Grey is 0, the scale is symmetric up to the 99.9th percentile of all three colours.",
    "deconvnet": "What comes back from the class's logit when ReLUs let only positive numbers pass back "
    "(Zeiler and Fergus 2014). Grey is 0, the scale is symmetric up to the 99.9th percentile of all three colours.",
    "integrated": "The mean gradient on the way from the baseline to the picture, times the way, summed over the "
    "colours (Sundararajan et al. 2017). Red speaks for the class, blue against it; white is 0, deepest the 99th "
    "percentile.",
    "smoothgrad": "The mean gradient of noisy copies of the picture, its largest absolute value over the colours "
    "(Smilkov et al. 2017). Dark is 0, pale the 99th percentile.",
}
SHORT = 33  # points of the path through a network that learned nothing, where only ranks count


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Saliency(Lined):
    """Evidence for one class of one picture."""

    target: int
    """the class"""
    evidence: Mapping[str, NDArray[np.float64]]
    """method -> (channels, height, width), in the units of the network's input"""
    baseline: Baseline
    """of the integrated gradients"""


@dataclass(frozen=True, eq=False)
class _Asked:
    target: int
    baseline: Baseline
    start: Tensor
    """the baseline as the network's input"""
    samples: int
    noise: float
    seed: int


@dataclass(frozen=True, eq=False)
class _Found:
    """One method's evidence, and what is to be said of it."""

    method: Method
    evidence: NDArray[np.float64]
    said: str
    """how it was computed"""
    gap: float | None
    """of the integrated gradients"""
    deletion: Deletion
    rank: float | None

    @property
    def map(self) -> NDArray[np.float64]:
        return flat(self.method, self.evidence)


@dataclass(frozen=True, eq=False)
class _All:
    """What the methods say, and which were left out and why."""

    found: tuple[_Found, ...]
    left_out: tuple[str, ...]


def saliency(
    model: object,
    image: object = None,
    *,
    target: str | int | None = None,
    methods: Method | Sequence[Method] = (),
    baseline: Baseline = "black",
    samples: int = 50,
    noise: float = 0.15,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Unpack[OpenOptions],
) -> Saliency:
    """Which pixels of a picture speak for a class of `model`: gradient, guided, integrated gradients, SmoothGrad.

    `target` is a class by name or place, the predicted one if not given. Each method comes with the area under its
    deletion curve and the rank correlation with the map of a network that learned nothing; integrated gradients with
    their completeness. UserError for a method that is asked for and has no meaning in the network; of the default ones
    such are left out.
    """
    demand_options(saliency, options, OpenOptions)
    demand_seed(seed)
    named = _methods(methods)
    told = progress or Silent()
    network = opened(model, told, options)
    view, answer = picture(network, image), answering(network)
    answers = answer(view.pixels[None])[0]
    wanted = class_of(network, answers, target)
    asked = _Asked(wanted, baseline, baseline_of(network, view, baseline), samples, noise, seed)
    trying = trial(view, answer, wanted, blank(network, view, baseline), seed)
    every = _all(network, view, asked, named, trying, told)
    return _seen(network, view, asked, trying, every, float(answers[wanted]))


def _seen(
    network: Opened, view: View, asked: _Asked, trying: Trial, every: _All, probability: float
) -> Saliency:
    shown = f"{network.class_name(asked.target)} {in_percent(probability)}"
    return Saliency(
        about=about(network, "saliency"),
        gallery=gallery(
            "evidence for a class",
            network,
            _rooms(view, every.found, trying, shown, asked.baseline),
            facts=(("picture", called(view)), ("class", shown)),
            notes=(*every.left_out, DELETED.format(BECOME[asked.baseline]), REDRAWN),
        ),
        figures=_figures(network, view, every.found, trying, probability),
        lines=tuple((TITLES[f.method], _words(f, trying)) for f in every.found),
        target=asked.target,
        evidence={one.method: one.evidence for one in every.found},
        baseline=asked.baseline,
    )


def _methods(given: Method | Sequence[Method]) -> tuple[Method, ...]:
    """Each once, in the order given. UserError for one that there is not."""
    names = several(given)
    for name in names:
        if name not in get_args(Method):
            raise unknown("method", name, get_args(Method))
    return names


def _all(
    network: Opened, view: View, asked: _Asked, methods: Sequence[Method], trying: Trial, told: Progress
) -> _All:
    from neocog.inside.back.rectifiers import NoMeaning
    from neocog.inside.evidence.sanity import randomised

    found, left_out, other = [], list[str](), randomised(network.net, asked.seed)
    with told.step("evidence", len(methods or DEFAULT)) as advance:
        for method in methods or DEFAULT:
            try:
                found.append(_one(method, network.net, other, view, asked, trying))
            except NoMeaning as error:
                if methods:
                    raise
                left_out.append(f"Left out: {error}.")
            advance(1)
    return _All(tuple(found), tuple(left_out))


def _one(
    method: Method, net: nn.Module, other: nn.Module, view: View, asked: _Asked, trying: Trial
) -> _Found:
    from neocog.inside.evidence.sanity import rank_correlation

    evidence, said, gap = _evidence(method, net, view.x, asked)
    unlearned, _, _ = _evidence(method, other, view.x, asked, SHORT)
    seen = flat(method, evidence)
    rank = rank_correlation(seen, flat(method, unlearned))
    return _Found(method, evidence, said, gap, trying.deletion(seen), rank)


def _evidence(
    method: Method, net: nn.Module, x: Tensor, asked: _Asked, most: int | None = None
) -> tuple[NDArray[np.float64], str, float | None]:
    import torch

    from neocog.inside.evidence import gradients as evidence

    if method == "integrated":
        found = evidence.integrated_gradients(net, x, asked.start, asked.target, most or evidence.MOST)
        gap = _gap_text(found.gap)
        words = f"{found.points} points, the sum is the logit's rise {found.rise:.3g} within {gap}"
        return found.evidence, words if found.complete else f"{words}: not complete", found.gap
    if method == "smoothgrad":
        generator = torch.Generator().manual_seed(asked.seed)
        smooth = evidence.smooth_grad(net, x, asked.target, generator, asked.samples, asked.noise)
        return smooth, f"{asked.samples} copies, noise {asked.noise:g} of the range", None
    return evidence.gradient(net, x, asked.target, method), "", None


def flat(method: Method, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """(height, width), as the method's map is shown and tried."""
    from neocog.inside.evidence.gradients import magnitude, summed

    return summed(evidence) if method == "integrated" else magnitude(evidence)


def _gap_text(gap: float) -> str:
    return f"{100 * gap:.2f} %"


def _words(found: _Found, trying: Trial) -> str:
    words = trying.words(found.deletion, found.rank)
    return f"{words}, {found.said}" if found.said else words


def _rooms(
    view: View, found: Sequence[_Found], trying: Trial, shown: str, baseline: Baseline
) -> tuple[Room, ...]:
    whole = Plate(
        name="picture",
        title=shown,
        caption=as_it_gets(view),
        pixels=enlarged(rgb(view.pixels), 1),
    )
    plates = [_plate(one, trying) for one in found]
    plot = Plate(
        name="deletion",
        title="deletion",
        caption=f"The probability as cells become {BECOME[baseline]}, those with the most evidence first.",
        svg=curves("Deletion", {TITLES[f.method]: f.deletion for f in found}, trying.random),
    )
    rows = tuple(
        (
            TITLES[f.method],
            f"{f.deletion.area:.3f}",
            f"{trying.random_area:.3f}",
            rank_text(f.rank),
            "" if f.gap is None else _gap_text(f.gap),
        )
        for f in found
    )
    header = ("method", "deletion", RANDOM, WEIGHTS, "completeness gap")
    return (
        Room(title="Evidence", plates=(whole, *plates), small=True),
        Room(title="Can it be believed?", plates=(plot,), header=header, rows=rows),
    )


def _plate(found: _Found, trying: Trial) -> Plate:
    seen = found.map
    if found.method in ("guided", "deconvnet"):
        colours = found.evidence.transpose(1, 2, 0)
        pixels = rgb(around_grey(colours, float(np.percentile(np.abs(colours), 99.9))))
    elif found.method == "integrated":
        pixels = signed(seen, float(np.percentile(np.abs(seen), 99)))
    else:
        pixels = glowing(seen, high=float(np.percentile(seen, 99)))
    caption = f"{CAPTIONS[found.method]} {_words(found, trying).capitalize()}."
    return Plate(name=found.method, title=TITLES[found.method], caption=caption, pixels=pixels)


def _figures(
    network: Opened, view: View, found: Sequence[_Found], trying: Trial, probability: float
) -> dict[str, Any]:
    return {
        "picture": view.name,
        "class": network.class_name(trying.target),
        "target": trying.target,
        "probability": probability,
        "random_deletion_area": trying.random_area,
        "methods": {
            f.method: {
                "deletion_area": f.deletion.area,
                "rank_correlation_with_random_weights": f.rank,
                "completeness_gap": f.gap,
            }
            for f in found
        },
    }
