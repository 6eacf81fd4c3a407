"""Faults of a network, each planted: exactly that line comes. Batch norm's five bugs among them."""

import random
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from healthy import CLASSES, RECIPE, K, demand, drawn, found, lenet, normalise, sample, small
from neocog import create_model
from neocog.layers.batch_norm import BatchNorm2d
from neocog.training.preflight import Sample, preflight
from neocog.training.recipes.recipe import Recipe


def tiny(*layers: nn.Module) -> nn.Sequential:
    """A healthy network without batch norm, and room for a fault before its last layer."""
    return drawn(
        lambda: nn.Sequential(
            nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, 64), *layers, nn.Linear(64, K)
        )
    )  # type: ignore[return-value]


def many(n: int, **changes: object) -> Sample:
    """As many training pictures, in every class."""
    return sample(labels=np.arange(n) % K, **changes)


def test_the_healthy_networks_that_the_faults_are_planted_in() -> None:
    assert found(tiny(nn.ReLU())) == found(small()) == found(small(BatchNorm2d)) == ()


NINE = sample(labels=np.arange(90) % 9, targets=torch.arange(16) % 9)


def test_an_answer_of_the_wrong_shape() -> None:
    said = r"logits \(16, 9\), .* it gave \(16, 10\)"
    demand(found(tiny(nn.Identity()), NINE, classes=CLASSES[:9]), "error", said)
    demand(found(nn.Sequential(lenet(), nn.Unflatten(1, (K, 1)))), "error", r"it gave \(16, 10, 1\)")


class Pair(nn.Sequential):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return super().forward(x), x


def test_an_answer_that_is_no_tensor() -> None:
    demand(found(Pair(*tiny())), "error", "must return one tensor of logits, it returned tuple")


def test_the_last_layer() -> None:
    net = lenet()
    wrong = found(net, NINE, classes=CLASSES[:9], head=str(net.head_at))
    demand(wrong, "error", "answers for 10 classes, the data have 9")
    demand(found(net, head="classifier"), "error", "no layer 'classifier'")


def test_probabilities_in_place_of_logits() -> None:
    demand(found(nn.Sequential(lenet(), nn.Softmax(1))), "error", "gives probabilities")
    demand(found(nn.Sequential(lenet(), nn.LogSoftmax(1))), "warning", "logarithms of probabilities")


def test_pictures_that_the_network_cannot_read() -> None:
    small_pictures = sample(16)
    demand(found(lenet(), small_pictures), "error", r"pictures of 1x16x16: .*; 1x32x32 would do")
    colour = sample(channels=3)
    demand(found(tiny(nn.Conv2d(1, 1, 1)), sample()), "error", r"does not run on pictures of 1x32x32: ")
    demand(
        found(nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten()), colour),
        "error",
        "pictures of 3x32x32: .*channels",
    )


class Scaled(nn.Module):
    """Weights out of range: logits in the hundreds."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def test_a_first_loss_far_from_the_logarithm_of_the_classes() -> None:
    demand(found(nn.Sequential(*tiny(nn.ReLU()), Scaled(200.0))), "warning", r"first loss is .* near 2\.3:")
    demand(found(nn.Sequential(*tiny(nn.ReLU()), Scaled(float("inf")))), "error", "NaN or Inf before")


def test_a_probe_that_augmentation_makes_wrong_is_not_taken_for_weights_out_of_scale() -> None:
    begun = replace(RECIPE, head_start=True)
    told = found(nn.Sequential(*tiny(nn.ReLU()), Scaled(200.0)), recipe=begun)
    demand(told, "warning", r"has 2\.3: the probe that training begins with .*--no-flip")


class Unused(nn.Module):
    def __init__(self, detached: bool = False):
        super().__init__()
        self.main, self.branch, self.detached = nn.Linear(64, 64), nn.Linear(64, 64), detached

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x) + (self.branch(x).detach() if self.detached else 0)


@pytest.mark.parametrize("detached", [False, True])
def test_a_branch_that_the_loss_does_not_depend_on(detached: bool) -> None:
    said = r"2 parameters got no gradient.*branch\.weight, .*branch\.bias"
    demand(found(tiny(nn.ReLU(), Unused(detached))), "warning", said)


class Rooted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + (0 * x).sqrt()  # the root's slope at 0 is infinite


def test_a_gradient_that_is_not_finite() -> None:
    demand(
        found(tiny(nn.ReLU(), Rooted())), "error", "gradient of 2.weight.* is NaN or Inf in the first step"
    )


def dead() -> nn.Module:
    net = tiny(nn.ReLU())
    nn.init.constant_(net[2].bias, -1e3)  # type: ignore[arg-type]
    return net


class Clamped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - 1e3).clamp(min=0)


def test_units_that_never_fire() -> None:
    demand(found(dead()), "warning", "100% of the units behind 3 are 0")
    demand(found(tiny(Clamped())), "warning", r"gradient of 2\.weight.* is exactly 0")


def test_nothing_that_learns() -> None:
    net = lenet().requires_grad_(False)
    demand(found(net), "error", "every parameter of the network is frozen")

    class Detached(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = super().forward(x)
            return logits.detach()

    demand(found(Detached(*tiny())), "error", "does not depend on any parameter")


class Elsewhere(nn.Module):
    """Draws from a generator that nobody stores."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = random.Random(4)

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + 0.1 * self.numbers.random()) if self.training else x


def test_a_network_that_draws_from_elsewhere() -> None:
    demand(found(tiny(nn.ReLU(), Elsewhere())), "warning", "a resumed run will differ")
    assert found(tiny(nn.ReLU(), nn.Dropout(0.2))) == ()
    spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(64, 64))  # moves a buffer in each forward
    assert found(tiny(nn.ReLU(), spectral)) == ()


# Batch norm's five bugs


class Asleep(nn.Sequential):
    """Bug 1: an eval() in the wrong place, so that training is in evaluation mode."""

    def train(self, mode: bool = True) -> "Asleep":
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self


def test_bug_1_training_in_evaluation_mode() -> None:
    net = Asleep(*small())
    demand(found(net), "error", "2 batch norms stay in evaluation mode after train.*: 1, 4")
    assert found(net, recipe=replace(RECIPE, freeze_bn=True)) == ()


class NoDropout(nn.Sequential):
    def train(self, mode: bool = True) -> "NoDropout":
        super().train(mode)
        self[-2].eval()
        return self


def test_dropout_that_never_drops() -> None:
    demand(found(NoDropout(*tiny(nn.ReLU(), nn.Dropout(0.5)))), "warning", "nothing is dropped by 4")


class Awake(nn.Sequential):
    """Bug 2: eval() does not reach the layers."""

    def train(self, mode: bool = True) -> "Awake":
        super().train(True)
        return self


class BatchStatistics(nn.Module):
    def __init__(self, always: bool):
        super().__init__()
        self.always = always

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, training=True) if self.always or self.training else x


class Centred(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class AlwaysDrops(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.2)  # training=True is its default


def test_bug_2_evaluating_in_training_mode() -> None:
    demand(found(Awake(*small())), "error", r"after eval\(\) 1, 4 stay in training mode")
    untracked = small(partial(nn.BatchNorm2d, track_running_stats=False))
    demand(found(untracked), "error", "2 batch norms keep no running statistics")
    demand(found(tiny(nn.ReLU(), BatchStatistics(True))), "error", "fails on a single picture")
    demand(found(tiny(nn.ReLU(), Centred())), "error", "depends on the pictures beside it")
    demand(found(tiny(nn.ReLU(), AlwaysDrops())), "error", "answers differently for the same pictures")
    assert found(tiny(nn.ReLU(), BatchStatistics(False))) == ()


def pooled() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, K)
    )


def test_bug_3_a_batch_of_one() -> None:
    recipe = replace(RECIPE, batch_size=1)
    demand(
        found(pooled(), recipe=recipe), "error", "smallest batch of an epoch has 1 picture, .* batch norm 2"
    )
    alone = many(10, pixels=sample().pixels[:1], targets=torch.tensor([0]))
    demand(
        found(pooled(), alone, recipe), "error", "batch norm 2 gets one number in a channel from 1 picture"
    )
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        pooled()(normalise(sample().pixels[:1]))
    demand(
        found(small(), recipe=recipe), "warning", "batches of 1 picture give batch norm statistics that jump"
    )
    assert (
        found(tiny(nn.ReLU()), recipe=recipe) == found(small(), recipe=replace(recipe, freeze_bn=True)) == ()
    )


def test_bug_3_comes_with_the_last_batch_that_is_cut_small() -> None:
    """17 pictures in batches of 16 are cut into 8 and 9."""
    assert found(small(), many(17)) == ()
    demand(found(small(), many(15), replace(RECIPE, batch_size=8)), "warning", "batches of 7 pictures")


def test_bug_4_statistics_that_move_while_fine_tuning() -> None:
    net = small()
    for layer in (net[1], net[4]):
        layer.requires_grad_(False)
    demand(found(net), "warning", "2 frozen batch norms would still move their running statistics: 1, 4")
    assert found(net, recipe=replace(RECIPE, freeze_bn=True)) == ()
    named = replace(RECIPE, freeze=("1.*", "4.*"))  # the loop holds these still
    assert found(small(), recipe=named) == ()
    few = replace(RECIPE, batch_size=4)
    demand(
        found(small(), sample(pretrained=True), few),
        "warning",
        "batches of 4 .*--freeze-bn to keep those of the pretr",
    )


def test_bug_5_weight_decay_on_scale_and_shift() -> None:
    everywhere = replace(RECIPE, decay_all=True)
    demand(found(small(), recipe=everywhere), "warning", "also pulls scale and shift of 2 batch norms")
    assert (
        found(tiny(nn.ReLU()), recipe=everywhere)
        == found(small(), recipe=replace(everywhere, weight_decay=0))
        == ()
    )


def test_our_own_batch_norm_is_looked_at_too() -> None:
    demand(found(small(BatchNorm2d), recipe=replace(RECIPE, decay_all=True)), "warning", "of 2 batch norms")


def test_a_network_that_cannot_be_copied_is_told() -> None:
    net = tiny(nn.ReLU())
    net.kept = net[2].weight * 2  # the result of a computation
    demand(found(net), "warning", "could not be tried out")


def test_several_faults_come_together_errors_first() -> None:
    recipe = Recipe(lr=0.002, batch_size=16, decay_all=True)
    findings = preflight(Awake(*small()), many(160, held_out=0), recipe, CLASSES)
    assert [f.kind for f in findings] == ["error", "warning", "warning"]
    net = create_model("lenet5_modern", num_classes=K, in_chans=1)
    both = preflight(net, sample(labels=np.arange(160) % 11), RECIPE, CLASSES, "nowhere")
    assert [f.kind for f in both] == ["error", "error"]
