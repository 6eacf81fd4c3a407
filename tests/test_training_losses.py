"""Losses against torch, scikit-learn, timm's figures and formulas written out in numpy."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.models.classifier import Classifier
from neocog.models.googlenet import googlenet, googlenet_2014
from neocog.training.class_weights import weights_of
from neocog.training.losses import forward_and_loss, make_criterion, with_auxiliary
from neocog.training.recipe import Recipe

COUNTS = np.array([50, 30, 15, 5])
LABELS = np.repeat(np.arange(4), COUNTS)


def some(n: int = 7, classes: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, labels, soft targets."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(n, classes, generator=generator) * 3
    soft = torch.rand(n, classes, generator=generator)
    return logits, torch.randint(classes, (n,), generator=generator), soft / soft.sum(1, keepdim=True)


def log_softmax(logits: Tensor) -> np.ndarray:
    x = logits.double().numpy()
    return x - np.log(np.exp(x).sum(1, keepdims=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", ["none", (0.5, 1.0, 2.0, 4.0)])
def test_cross_entropy_is_its_formula_for_labels_and_for_shares(
    smoothing: float, weights: str | tuple[float, ...]
) -> None:
    logits, labels, soft = some()
    criterion = make_criterion(Recipe(smoothing=smoothing, class_weights=weights), 4, COUNTS)
    w = np.ones(4) if weights == "none" else np.array(weights)
    for targets in (labels, soft):
        t = np.eye(4)[targets.numpy()] if targets.ndim == 1 else targets.double().numpy()
        t = t * (1 - smoothing) + smoothing / 4
        expected = -(w * t * log_softmax(logits)).sum(1)
        found = criterion(logits, targets)
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_low_precision_logits_are_summed_in_float32() -> None:
    logits, labels, _ = some()
    half = logits.bfloat16()
    found = make_criterion(Recipe(), 4, COUNTS)(half, labels)
    assert torch.equal(found, F.cross_entropy(half.float(), labels, reduction="none"))


def test_auto_is_scikit_learns_balanced_and_both_have_mean_1_over_the_pictures() -> None:
    auto = weights_of(Recipe(class_weights="auto"), 4, COUNTS)
    root = weights_of(Recipe(class_weights="sqrt"), 4, COUNTS)
    assert auto is not None and root is not None
    balanced = compute_class_weight("balanced", classes=np.arange(4), y=LABELS)
    np.testing.assert_allclose(auto, balanced)
    assert compute_sample_weight("balanced", LABELS).mean() == pytest.approx(auto[LABELS].mean()) == 1
    np.testing.assert_allclose(root / root[0], np.sqrt(balanced / balanced[0]))
    assert root[LABELS].mean() == pytest.approx(1)
    assert weights_of(Recipe(), 4, COUNTS) is None


def test_a_class_without_pictures_counts_1_and_the_others_as_without_it() -> None:
    for kind in ("auto", "sqrt"):
        found = weights_of(Recipe(class_weights=kind), 5, np.array([50, 30, 0, 15, 5]))
        without = weights_of(Recipe(class_weights=kind), 4, COUNTS)
        assert found is not None and without is not None
        np.testing.assert_allclose(np.delete(found, 2), without)
        assert found[2] == 1


def test_as_many_weights_as_classes() -> None:
    with pytest.raises(UserError, match="number for each of 4 classes, got 3"):
        make_criterion(Recipe(class_weights=(1.0, 2.0, 3.0)), 4, COUNTS)


# timm 1.0.31, `BinaryCrossEntropy(smoothing)(logits, labels)` with reduction by mean, for LOGITS and labels 0, 2
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-0.5, 0.0, 3.0]])
TIMM = {0.0: 0.4383464, 0.1: 0.4994575}


@pytest.mark.parametrize("smoothing", TIMM)
def test_bce_is_timms(smoothing: float) -> None:
    found = make_criterion(Recipe(loss="bce", smoothing=smoothing), 3, COUNTS[:3])(
        LOGITS, torch.tensor([0, 2])
    )
    assert found.mean().item() == pytest.approx(TIMM[smoothing], rel=1e-6)


def test_bce_takes_several_classes_at_once_and_weighs_their_yes() -> None:
    logits, _, _ = some()
    targets = (torch.rand(7, 4, generator=torch.Generator().manual_seed(2)) < 0.4).float()
    weights = (0.5, 1.0, 2.0, 4.0)
    found = make_criterion(Recipe(loss="bce", class_weights=weights), 4, COUNTS)(logits, targets)
    p, t = 1 / (1 + np.exp(-logits.double().numpy())), targets.double().numpy()
    expected = -(np.array(weights) * t * np.log(p) + (1 - t) * np.log(1 - p)).mean(1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_lenets_loss_is_equation_9_on_its_penalties() -> None:
    logits, labels, soft = some()
    penalties = -logits.double().numpy()
    right = penalties[np.arange(7), labels.numpy()]
    expected = right + np.log(np.exp(-1) + np.exp(-penalties).sum(1))  # j = 1
    weights = (0.5, 1.0, 2.0, 4.0)
    plain = make_criterion(Recipe(loss="lenet-map"), 4, COUNTS)
    weighted = make_criterion(Recipe(loss="lenet-map", class_weights=weights), 4, COUNTS)
    np.testing.assert_allclose(plain(logits, labels).numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(
        weighted(logits, labels).numpy(), expected * np.array(weights)[labels.numpy()], rtol=1e-5
    )
    with pytest.raises(UserError, match="lenet-map needs one class per picture"):
        plain(logits, soft)


@given(scale=st.floats(0.1, 30), loss=st.sampled_from(["cross-entropy", "bce", "lenet-map"]))
def test_losses_do_not_depend_on_the_batch(scale: float, loss: str) -> None:
    logits, labels, _ = some()
    criterion = make_criterion(Recipe(loss=loss, class_weights="auto"), 4, COUNTS)
    whole = criterion(logits * scale, labels)
    parts = [criterion(logits[i : i + 1] * scale, labels[i : i + 1]) for i in range(7)]
    torch.testing.assert_close(whole, torch.cat(parts))


class Halves(nn.Module):
    """A network outside the catalogue with a second answer, as torchvision's have, and one head switched off."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, None]:
        return x, x / 2, None


def test_auxiliary_heads_count_by_their_weight() -> None:
    logits, labels, _ = some()
    criterion = make_criterion(Recipe(), 4, COUNTS)
    found, loss = forward_and_loss(Halves(), logits, labels, criterion, 0.3)
    own, side = (F.cross_entropy(x, labels, reduction="none") for x in (logits, logits / 2))
    assert torch.equal(found, logits)
    torch.testing.assert_close(loss, own + 0.3 * side)
    plain, alone = forward_and_loss(nn.Identity(), logits, labels, criterion, 0.3)
    assert torch.equal(plain, logits) and torch.equal(alone, own)


def heads_by_hook(net: Classifier, x: Tensor) -> dict[str, Tensor]:
    """What the layers aux1, aux2 and fc put out when each reads the maps that the paper has it read."""
    maps: dict[str, Tensor] = {}
    hooks = [
        net.get_submodule(f"inception{name}").register_forward_hook(
            lambda _, __, out, name=name: maps.update({name: out})
        )
        for name in ("4a", "4d")
    ]
    logits = net(x)
    for hook in hooks:
        hook.remove()
    return {"fc": logits, "aux1": net.aux1(maps["4a"]), "aux2": net.aux2(maps["4d"])}


def test_a_googlenet_in_training_has_all_its_heads_in_the_loss() -> None:
    torch.manual_seed(0)
    net = googlenet_2014(3, aux=True)
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    x, labels = torch.randn(1, 3, 224, 224), torch.tensor([1])
    criterion = make_criterion(Recipe(), 3, COUNTS[:3])
    runs = with_auxiliary(net)
    outs = heads_by_hook(net, x)
    each = {name: F.cross_entropy(out, labels, reduction="none") for name, out in outs.items()}
    logits, loss = forward_and_loss(runs, x, labels, criterion, 0.3)
    torch.testing.assert_close(loss, each["fc"] + 0.3 * (each["aux1"] + each["aux2"]))
    loss.sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    net.eval()
    assert torch.equal(runs(x), net(x))
    torch.testing.assert_close(logits, outs["fc"])


def test_a_network_without_heads_is_left_as_it_is() -> None:
    net = googlenet(3)
    assert with_auxiliary(net) is net
