"""Every classic failure of a training run, planted: exactly that line comes, and none for a healthy set-up."""

import random
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from healthy import CLASSES, RECIPE, K, demand, drawn, found, lenet, normalise, sample, small
from neocog import create_model
from neocog.data.augment.policy import Augment
from neocog.models.vit import vit


def zero_on_purpose() -> nn.Module:
    """The last scale of a branch and the last layer are 0, so most gradients are 0 at first."""
    net = small()
    for name, p in net.named_parameters():
        if name.startswith(("4.", "8.")):
            nn.init.zeros_(p)
    return net


HEALTHY: dict[str, tuple[Callable[[], nn.Module], int, int]] = {
    "lenet5_modern": (partial(create_model, "lenet5_modern", num_classes=K, in_chans=1), 32, 1),
    "lenet_caffe": (partial(create_model, "lenet_caffe", num_classes=K, in_chans=1), 28, 1),
    "resnet20_cifar": (partial(create_model, "resnet20_cifar", num_classes=K), 32, 3),
    "vit": (partial(vit, "tiny", 16, 32, num_classes=K), 32, 3),
    "zero on purpose": (zero_on_purpose, 32, 1),
    "small": (small, 32, 1),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_network_has_nothing_said_about(name: str) -> None:
    torch.set_num_threads(1)  # small networks; two threads wait for each other
    build, size, channels = HEALTHY[name]
    net = drawn(build)
    assert found(net, sample(size, channels), head=getattr(net, "head_at", "")) == ()


def states(net: nn.Module) -> tuple[Any, ...]:
    return (
        {name: tensor.clone() for name, tensor in net.state_dict().items()},
        [
            (module.training, len(module._forward_hooks), len(module._forward_pre_hooks))
            for module in net.modules()
        ],
        [(p.requires_grad, None if p.grad is None else p.grad.clone()) for p in net.parameters()],
        torch.get_rng_state(),
        np.random.get_state()[1].copy(),  # type: ignore[index]  # noqa: NPY002  # the global one
        random.getstate(),
    )


class Draws(nn.Module):
    """Draws from every global generator while training."""

    def __init__(self, net: nn.Sequential):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        drawn = random.random() + np.random.random() + float(torch.rand(()))  # noqa: NPY002
        logits: Tensor = self.net(x)
        return logits * drawn if self.training else logits


def test_the_network_and_all_generators_are_left_as_found() -> None:
    net = Draws(small(nn.BatchNorm2d))
    net(normalise(sample().pixels)).sum().backward()
    net.net[1].eval()
    net.net[0].weight.requires_grad_(False)
    weights, modes, grads, *generators = states(net)
    assert found(net, recipe=replace(RECIPE, lr=9.0))
    weights_after, modes_after, grads_after, *generators_after = states(net)
    assert all(torch.equal(weights[name], weights_after[name]) for name in weights | weights_after)
    assert modes == modes_after
    for (required, before), (required_after, after) in zip(grads, grads_after, strict=True):
        assert required == required_after
        assert after is before is None or torch.equal(before, after)
    assert torch.equal(generators[0], generators_after[0])
    assert np.array_equal(generators[1], generators_after[1])
    assert generators[2] == generators_after[2]


SKEWED = np.r_[np.zeros(1000, np.int64), np.arange(K)]
ONE = dict.fromkeys(range(K), 3)
SET_UPS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "label too large": ({"labels": np.arange(160) % (K + 1)}, {}, "error", r"labels must be 0\.\.9.*got 10"),
    "label below 0": ({"labels": np.arange(160) % K - 1}, {}, "error", r"got -1 \(16 pictures\)"),
    "no labels": ({"labels": np.zeros(0, np.int64)}, {}, "error", "no training picture"),
    "one class only": ({"labels": np.full(160, 3)}, {}, "error", "all training pictures are of the class 'kind 3'"),
    "a class missing": ({"labels": np.arange(160) % (K - 1)}, {}, "warning", "no training picture of 'kind 9'"),
    "one class is most": ({"labels": SKEWED}, {}, "warning", r"99\.1% of the training pictures are 'kind 0'"),
    "columns": ({"labels": np.ones((160, 3), np.float32)}, {}, "error", "3 columns for 10 classes"),
    "shares": ({"labels": np.full((160, K), 2, np.float32)}, {}, "error", "shares from 0 to 1"),
    "targets' shape": ({"targets": torch.zeros(16, 1).long()}, {}, "error", r"labels \(16,\), got \(16, 1\)"),
    "soft targets": ({"targets": torch.rand(16)}, {}, "error", r"shares \(16, 10\), got \(16,\)"),
    "targets' range": ({"targets": torch.full((16,), K)}, {}, "error", r"must lie in 0\.\.9"),
    "nobody judges": ({"held_out": 0}, {}, "warning", "no picture is held out"),
    "nobody finds the best": ({"held_out": 0}, {"best_by": "top1"}, "error", "best epoch cannot be found by top1"),
    "black": ({"pixels": torch.zeros(16, 32, 32, 1, dtype=torch.uint8)}, {}, "error", "plain colour"),
    "enlarged": ({"stored": (6, 6)}, {}, "warning", r"6x6 pixels are enlarged 5\.33 times .* take a network for"),
    "not normalised": ({"normalise": lambda p: p.permute(0, 3, 1, 2).float()}, {}, "warning", "mean 12.* deviation 7"),
    "divided by 0": ({"normalise": lambda p: normalise(p) / 0}, {}, "error", "NaN or Inf"),
    "no room": ({"memory": 1 << 20}, {}, "error", r"needs about .* MiB, and 1\.0 MiB are free; --batch-size \d+ fits"),
    "rate too high": ({}, {"lr": 5.0}, "warning", r"one step at lr 5 changes .* times its own size"),
    "loss not finite": ({"criterion": lambda x, _: x.sum(1) * float("nan")}, {}, "error", "loss of the first batch"),
}  # fmt: skip


@pytest.mark.parametrize("fault", SET_UPS)
def test_a_fault_of_data_or_recipe_is_one_line(fault: str) -> None:
    given, recipe, kind, pattern = SET_UPS[fault]
    demand(found(lenet(), sample(**given), replace(RECIPE, **recipe)), kind, pattern)


def test_trained_weights_may_read_small_pictures_enlarged() -> None:
    assert found(lenet(), sample(stored=(6, 6), pretrained=True)) == ()
    assert found(lenet(), sample(stored=(8, 8))) == ()


def test_pictures_that_are_all_the_same_or_contradict_each_other() -> None:
    pixels = sample().pixels.clone()
    demand(found(lenet(), sample(pixels=pixels[:1].repeat(16, 1, 1, 1))), "error", "are the same one")
    pixels[1] = pixels[0]
    demand(found(lenet(), sample(pixels=pixels)), "warning", "1 picture of a batch of 16 comes twice")
    pixels[1] = pixels[10]
    pixels[1:4] = 0
    assert (
        found(lenet(), sample(pixels=pixels))
        and found(lenet(), sample(pixels=pixels[4:], targets=torch.arange(12) % K)) == ()
    )


@pytest.mark.parametrize(
    ("classes", "augment", "said"),
    [
        ([str(i) for i in range(K)], {"flip": True}, "digits or letters .* train with --no-flip$"),
        ([str(i) for i in range(K)], {"vflip": True}, "digits or letters .* train with --no-vflip$"),
        ([*"abcdefghij"], {"flip": True}, "digits or letters"),
        (
            [*CLASSES[:8], "turn_left", "turn_right"],
            {"flip": True},
            "'turn_left' into 'turn_right' .* --no-flip$",
        ),
        ([*CLASSES[:8], "turn_left", "turn_right"], {"vflip": True}, ""),
        ([str(i) for i in range(K)], {"shift": 0.1}, ""),
        (CLASSES, {"flip": True, "vflip": True}, ""),
    ],
)
def test_flips_that_change_what_is_seen(classes: list[str], augment: dict[str, Any], said: str) -> None:
    findings = found(lenet(), recipe=replace(RECIPE, augment=Augment(**augment)), classes=tuple(classes))
    if said:
        demand(findings, "warning", said)
    else:
        assert findings == ()


def test_soft_labels_and_a_yes_or_no_per_class_are_healthy() -> None:
    targets = F.one_hot(torch.arange(16) % K, K).float()
    labels = np.eye(K, dtype=np.float32)[np.arange(160) % K]
    assert found(lenet(), sample(targets=targets, labels=labels)) == ()
    bce = partial(F.binary_cross_entropy_with_logits, reduction="none")
    given = sample(targets=targets, labels=labels, criterion=lambda x, t: bce(x, t).mean(1))
    assert found(lenet(), given, replace(RECIPE, loss="bce")) == ()
    squashed = nn.Sequential(lenet(), nn.Sigmoid())
    demand(found(squashed, given, replace(RECIPE, loss="bce")), "error", "sigmoid")


def test_a_fresh_layer_may_answer_a_little_above_0_to_everything() -> None:
    net = lenet()
    last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(0.01)
        last.bias.fill_(0.1)
    targets = F.one_hot(torch.arange(16) % K, K).float()
    bce = partial(F.binary_cross_entropy_with_logits, reduction="none")
    given = sample(targets=targets, criterion=lambda x, t: bce(x, t).mean(1))
    assert not [f for f in found(net, given, replace(RECIPE, loss="bce")) if "sigmoid" in f.text]


def test_a_class_that_is_most_is_fine_where_it_counts_less() -> None:
    given = sample(labels=SKEWED)
    assert found(lenet(), given, replace(RECIPE, balanced=True)) == ()
    assert found(lenet(), given, replace(RECIPE, class_weights="auto")) == ()


def test_the_batch_that_is_said_to_fit_does_and_one_more_does_not() -> None:
    from neocog.analysis.memory import training_bytes

    net, memory = lenet(), 4 << 20
    here = sum(p.numel() * 4 for p in net.parameters())
    (finding,) = found(net, sample(memory=memory), replace(RECIPE, batch_size=512))
    fits = int(re.search(r"--batch-size (\d+)", finding.text)[1])  # type: ignore[index]
    assert training_bytes(net, (1, 32, 32), fits, "adam") - here <= memory
    assert training_bytes(net, (1, 32, 32), fits + 1, "adam") - here > memory
