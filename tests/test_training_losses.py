"""Losses against torch, scikit-learn, timm's figures and formulas written out in numpy."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.chain import chain
from neocog.models.classifier import Classifier, classifier
from neocog.training.objective.losses import forward_and_loss, make_criterion, with_auxiliary
from neocog.training.recipes.recipe import Recipe

COUNTS = np.array([50, 30, 15, 5])


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


@settings(max_examples=20)
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


def with_heads() -> Classifier:
    """Where GoogLeNet has its heads, with one convolution for each inception."""
    net = classifier(
        conv1=nn.Conv2d(1, 2, 16, 16),
        inception4a=nn.Conv2d(2, 3, 3),
        inception4d=nn.Conv2d(3, 2, 3),
        aux1=chain(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(3, 4)),
        aux2=chain(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(2, 4)),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(2, 4),
    )
    net.aside = ("aux1", "aux2")
    return net


def each_loss(net: Classifier, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of the net's own answer and of both heads, called one by one."""
    first = net.inception4a(net.conv1(x))
    second = net.inception4d(first)
    own = net.fc(net.flatten(net.pool(second)))
    own, side1, side2 = (
        F.cross_entropy(y, labels, reduction="none") for y in (own, net.aux1(first), net.aux2(second))
    )
    return own, side1, side2


def test_a_net_with_heads_has_them_in_its_loss_while_it_trains() -> None:
    net, x, labels = with_heads(), torch.randn(3, 1, 200, 200), torch.tensor([1, 0, 3])
    own, side1, side2 = each_loss(net, x, labels)
    runs, criterion = with_auxiliary(net), make_criterion(Recipe(), 4, COUNTS)
    logits, loss = forward_and_loss(runs, x, labels, criterion, 0.3)
    torch.testing.assert_close(loss, own + 0.3 * (side1 + side2))
    net.eval()
    judged, alone = forward_and_loss(runs, x, labels, criterion, 0.3)
    torch.testing.assert_close(alone, own)
    assert torch.equal(judged, logits) and torch.equal(judged, net(x))


def test_heads_learn_inside_distributed_data_parallel() -> None:
    net, x, labels = with_heads(), torch.randn(3, 1, 200, 200), torch.tensor([1, 0, 3])
    own, side1, side2 = each_loss(net, x, labels)
    expected = torch.autograd.grad((own + 0.3 * (side1 + side2)).sum(), list(net.parameters()))
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        runs = nn.parallel.DistributedDataParallel(with_auxiliary(net))
        _, loss = forward_and_loss(runs, x, labels, make_criterion(Recipe(), 4, COUNTS), 0.3)
        loss.sum().backward()
    finally:
        dist.destroy_process_group()
    for parameter, gradient in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_a_network_without_heads_is_left_as_it_is() -> None:
    net = classifier(flatten=nn.Flatten(), fc=nn.Linear(4, 4))
    assert with_auxiliary(net) is net
