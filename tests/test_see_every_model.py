"""Every view on every network of `MODELS` and on some of people's own, without naming a layer.

Each gives what hooks of our own see, or is refused in a line that helps.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drawn_networks import on_meta
from every_model import (
    EACH,
    EVERY,
    FEW,
    HUGE,
    MEAN,
    SMALLEST,
    STD,
    Case,
    case_of,
    close,
    count,
    derivatives,
    picked,
)  # fmt: skip
from neocog import see
from neocog.errors import UserError
from neocog.inside.evidence import gradients, sanity
from neocog.models import MODELS
from own_networks import LAST, OWN

costly = pytest.mark.parametrize("case", EACH if EVERY else FEW, indirect=True, scope="module")


@pytest.fixture(scope="module", params=EACH)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    with pytest.MonkeyPatch.context() as patch:  # the same code with fewer steps
        patch.setattr(sanity, "STEPS", 4)
        patch.setattr(sanity, "ORDERS", 1)
        patch.setattr(gradients, "MOST", gradients.FIRST)
        yield case_of(request.param)


def test_the_smallest_stand_for_all() -> None:
    """Networks of one first word that are built of the same classes of modules."""
    families: dict[tuple[str, frozenset[str]], dict[str, int]] = {}
    classes: dict[str, frozenset[str]] = {}
    for name in MODELS:
        net = on_meta(name)
        classes[name] = frozenset(type(module).__name__ for module in net.modules())
        families.setdefault((re.split(r"[\d_]", name)[0], classes[name]), {})[name] = count(net)
    smallest = {min(family, key=lambda name: (family[name], name)) for family in families.values()}
    assert smallest == set(SMALLEST)
    for name, other in HUGE.items():
        assert classes[name] == classes[other]


def test_every_convolution_is_a_layer(case: Case) -> None:
    """And each is read where a module gives what it is said to give."""
    convolutions = {
        name
        for name, module in case.net.named_modules()
        if isinstance(module, nn.Conv2d) and name in case.truth
    }
    assert convolutions <= {layer.weights for layer in case.layers.values()}
    for name, layer in case.layers.items():
        assert tuple(case.own(name).shape[1:]) == layer.shape


def test_a_papers_names_are_for_its_own_network(case: Case) -> None:
    """A class of one's own called AlexNet is another network."""
    if case.name in OWN:
        assert all(name in case.truth for name in case.layers)


def test_filters(case: Case) -> None:
    seen = case.see(see.filters)
    module = case.net.get_submodule(seen.layer)
    assert np.isfinite(seen.kernels).all()
    if not isinstance(module, nn.Conv2d):
        assert case.name.startswith("neocognitron")
        return
    weight = module.weight.detach()
    if type(module).__name__ == "StdConv2d":  # Qiao et al. 2019, equation 7
        weight = (weight - weight.mean((1, 2, 3), keepdim=True)) / weight.std(
            (1, 2, 3), correction=0, keepdim=True
        )
    close(seen.kernels, weight)
    read: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    with torch.no_grad():
        case.net(case.x[:1].clone())
    handle.remove()
    assert read[0].shape[1] == case.x.shape[1]
    if read[0].shape == case.x[:1].shape and case.name not in OWN:
        assert torch.equal(read[0], case.x[:1])  # the picture itself


def test_maps(case: Case) -> None:
    seen = case.see(see.maps, case.pictures[0])
    assert seen.maps
    for name, values in seen.maps.items():
        own = case.own(name)[0]
        if own.dim() == 2:  # tokens, a class token before the patches
            own = own[-values[0].size :].T.reshape(values.shape)
        close(values, own)


def test_receptive_fields(case: Case) -> None:
    if case.name.startswith("neocognitron"):
        pytest.skip("a root has no slope at zero")
    seen = case.see(see.receptive_field, case.pictures[0])
    assert seen.fields
    for field in seen.fields:
        at = field.at if len(field.at) == 2 else (field.at[0],)

        def middle(out: Tensor, at: tuple[int, ...] = at) -> Tensor:
            return (out[0, :, at[0], at[1]] if len(at) == 2 else out[0, at[0]]).sum()

        _, slope = case.slopes(field.layer.place, middle)
        influence = slope.abs().mean(0).numpy()
        close(field.effective.influence / influence.max(), influence / influence.max(), 1e-4)
        influence[field.inside.top : field.inside.bottom, field.inside.left : field.inside.right] = 0
        assert not influence.any()


def test_units_are_the_sums_that_are_shown(case: Case) -> None:
    for layer in picked(list(case.layers.values())):
        if case.name.startswith("neocognitron") and not layer.name.endswith(".v"):
            assert "name one of those" in case.refused(
                see.unit, layer=layer.name
            )  # whose cells divide two sums
            continue
        seen = case.see(see.unit, case.pictures[0], layer=layer.name)
        sum_, own = seen.arithmetic, case.own(layer.name)[0]
        unit = own[(seen.channel, *seen.at)] if own.dim() == 3 else own[(*seen.at, seen.channel)]
        assert float(unit) == float(own.max())
        close(sum_.unit, unit)
        close((sum_.window * sum_.kernel).sum() + sum_.bias, sum_.tensor)
        module = case.net.get_submodule(layer.weights)
        if type(module) in (nn.Conv2d, nn.Linear) and len(case.truth[layer.weights]) == 1:
            whole = case.truth[layer.weights][0][0]
            number = whole[(seen.channel, *seen.at)] if whole.dim() == 3 else whole[(*seen.at, seen.channel)]
            close(sum_.tensor, number)
            close(sum_.kernel.ravel(), module.weight[seen.channel].detach().ravel())


@costly
def test_deconv(case: Case) -> None:
    if case.smooth:
        assert "`neocog see saliency`" in case.refused(see.deconv)
        return
    seen = case.see(see.deconv, case.pictures[0])
    assert seen.units or case.name.startswith("neocognitron")
    for unit in seen.units:
        own = case.own(unit.layer)[0]
        close(unit.activation, own[(unit.channel, *unit.at)])
        back = unit.reconstruction.copy()
        assert back.shape == case.x.shape[1:]
        assert np.isfinite(back).all()
        assert back.any() or not unit.activation > 0
        top, left, bottom, right = (max(side, 0) for side in unit.window)
        back[:, top:bottom, left:right] = 0
        assert not back.any()


@costly
def test_saliency(case: Case) -> None:
    seen = case.see(see.saliency, case.pictures[0], samples=2)
    target = int(case.logits[0].argmax())
    assert seen.target == target
    logits, slope = derivatives(case.net, case.x[:1], "", 0, lambda out: out[0, target])
    largest = max(float(slope.abs().max()), 1e-12)
    close(seen.evidence["gradient"] / largest, slope / largest, 1e-4)
    for evidence in seen.evidence.values():
        assert evidence.shape == case.x.shape[1:]
        assert np.isfinite(evidence).all()
    assert ("guided" in seen.evidence) == (not case.smooth)
    with torch.no_grad():
        black = case.net(torch.full_like(case.x[:1], -MEAN / STD))[0, target]
    rise, total = float(logits[0, target] - black), float(seen.evidence["integrated"].sum())
    gap = seen.figures["methods"]["integrated"]["completeness_gap"]
    rounding = 32 * float(np.finfo(np.float32).eps) * float(logits[0].abs().max()) / max(abs(rise), 1e-12)
    assert gap == pytest.approx(abs(total - rise) / max(abs(rise), 1e-12), rel=0.05, abs=1e-3 + rounding)


@costly
def test_cam(case: Case) -> None:
    seen = case.see(see.cam, case.pictures[0])
    order = case.logits[0].argsort(descending=True)[:3]
    assert seen.targets == tuple(order.tolist())
    if case.name in LAST:
        assert (seen.layer, seen.maps["Grad-CAM"].shape[1:]) == LAST[case.name][:2]
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: Any, out: Tensor) -> Tensor:
        kept.append(out)
        return out.clone()

    handle = case.net.get_submodule(seen.layer).register_forward_hook(keep)
    logits = case.net(case.x[:1].clone().requires_grad_().clone())
    handle.remove()
    grid = seen.maps["Grad-CAM"].shape[1:]
    # of several calls the last one that gave maps of this size, or tokens
    given = next(one for one in reversed(kept) if one.dim() == 3 or one.shape[2:] == grid)
    (slope,) = torch.autograd.grad(logits[0, seen.targets[0]], given)
    activation, slope = given.detach()[0], slope[0]
    if activation.dim() == 2:  # tokens, a class token first
        activation, slope = (one[-grid[0] * grid[1] :].T.reshape(-1, *grid) for one in (activation, slope))
    # Selvaraju et al. 2017, equations 1 and 2
    expected = (activation * slope.mean((1, 2), keepdim=True)).sum(0).clamp(min=0)
    # beside what a net whose mean gradient is 0 by a norm rounds off
    scale = max(float((activation * slope).abs().mean((1, 2)).sum()), 1e-30)
    close(seen.maps["Grad-CAM"][0] / scale, expected / scale, 1e-4)
    assert np.isfinite(seen.maps["LayerCAM"]).all()


@costly
def test_occlusion(case: Case) -> None:
    side = case.pictures.shape[1]
    seen = case.see(see.occlusion, case.pictures[0], square=side // 2, stride=side // 2)
    assert seen.probability.shape == (len(seen.tops), len(seen.lefts))
    covered = case.x[:1].repeat(seen.probability.size, 1, 1, 1)
    grey = (np.rint(MEAN * 255) / 255 - MEAN) / STD
    places = [(top, left) for top in seen.tops for left in seen.lefts]
    for picture, (top, left) in zip(covered, places, strict=True):
        picture[:, top : top + side // 2, left : left + side // 2] = float(grey)
    with torch.no_grad():
        answers = case.net(covered).softmax(1)
    largest = float(answers[:, seen.target].max())  # of thousands of classes each is near 0
    assert largest > 0
    close(seen.probability.ravel() / largest, answers[:, seen.target] / largest, 1e-4)


def test_attention(case: Case) -> None:
    if case.name in ("ClassAttention", "LookingTwice"):
        assert "looks from 1 at 17 others; `neocog see saliency`" in case.refused(see.attention)
        return
    if not case.attends:
        assert "`neocog see cam`" in case.refused(see.attention)
        return
    seen = case.see(see.attention, case.pictures[0])
    for weights in seen.weights:
        close(weights.sum(-1), np.ones(weights.shape[:2]))
    if not case.name.startswith("vit"):
        assert seen.rollout.shape == ((8, 8) if case.name == "SelfAttentive" else (4, 4))
        close(seen.rollout.sum(), 1.0)
        layers = next(value for name, value in seen.gallery.facts if name == "layers")
        assert layers.startswith("1 of 3, " if case.name == "Shrinking" else "1, ")
        return
    blocks = [name for name, module in case.net.named_modules() if hasattr(module, "qkv")]
    assert list(seen.layers) == blocks
    tokens = case.truth["norm"][0].shape[1]
    for name, weights in zip(seen.layers, seen.weights, strict=True):
        assert weights.shape == (case.net.get_submodule(name).heads, tokens, tokens)
    assert 0 < seen.rollout.sum() < 1  # the class token looks at itself, too


def test_positions(case: Case) -> None:
    if not case.name.startswith("vit"):
        with pytest.raises(UserError, match="needs positions that are added to tokens"):
            see.positions(case.net, preprocess=case.preprocess)
        return
    seen = case.see(see.positions)
    patches = case.truth["patch_embed"][0][0].flatten(1).T
    close(seen.tables["own"], case.truth["pos_drop"][0][0, 1:] - patches)
    for alike in seen.similarity.values():
        assert float(np.abs(alike).max()) <= 1 + 1e-9


@costly
def test_patches(case: Case) -> None:
    data = (list(case.pictures), ["a", "b", "b"])
    seen = case.see(see.patches, data, k=3, channels=1)
    assert set(seen.index.layers) == set(case.layers)
    for name, found in seen.index.layers.items():
        own = case.own(name)
        largest = own.amax((2, 3)) if own.dim() == 4 else own.amax(1) if own.dim() == 3 else own
        close(found.values, largest.T.sort(descending=True).values, 1e-4)
    assert seen.channels
    for channel in seen.channels:
        assert channel.difference < 1e-3
        assert np.isfinite(channel.reconstructions).all()
