"""What the loop does for the network as a whole: layouts, batch norm at the end, noise, heads, memory."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.data.augment.policy import Augment, ScaleJitter
from neocog.data.loading.pictures import Held, Labelled
from neocog.data.loading.workers import Workers
from neocog.data.preprocess import Preprocess
from neocog.models.googlenet import forward_auxiliary, googlenet
from neocog.training.loop import Setting, Task
from neocog.training.machine import Machine, chosen_machine
from neocog.training.resume.saving import Saving
from quarters import GREY, SGD, STILL, bits, bright_quarters, drawn, inputs, linear, run, task

COLOUR = Preprocess(size=(8, 8), channels=3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))


def coloured(n: int, side: int = 8) -> Labelled:
    rng = np.random.default_rng(2)
    return Labelled(rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8), np.arange(n) % 4)


class Viewing(nn.Module):
    """As tutorials write it: `view` is an error where the channels come last in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, 4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(F.relu(self.conv(x)).view(-1, 4 * 36))
        return logits


class ViewingPixels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(192, 4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(x.view(len(x), -1))
        return logits


@pytest.mark.parametrize("made", [Viewing, ViewingPixels])
def test_networks_that_call_view_are_trained_and_judged(made: Callable[[], nn.Module]) -> None:
    net, part = made(), coloured(8)
    machine = chosen_machine(net, torch.rand(4, 3, 8, 8), torch.device("cpu"))
    assert not machine.channels_last
    trained = run(net, replace(STILL, precise_bn=True), Task(part, part, COLOUR), Setting(machine=machine))
    assert len(trained.epochs) == 1


def test_layouts_of_memory_change_nothing_but_the_last_bits() -> None:
    part, nets = coloured(16), []
    for channels_last in (False, True):
        net = drawn(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(180, 4))
        run(net, SGD, Task(part, part, COLOUR), Setting(machine=Machine(channels_last=channels_last)))
        nets.append(net)
    assert nets[1][0].weight.is_contiguous(memory_format=torch.channels_last)
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(one, other.contiguous(), rtol=1e-4, atol=1e-5)


def test_precise_statistics_are_the_moments_of_the_training_pictures() -> None:
    """In one batch, with a layer that reads the pixels themselves."""
    part = bright_quarters(40)
    net = drawn(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(48, 4))
    run(
        net, replace(STILL, batch_size=40, precise_bn=True, augment=Augment(shift=0.2, flip=True)), task(part)
    )
    x = inputs(part)
    assert net[0].running_mean.item() == pytest.approx(x.mean(), rel=1e-5)
    assert net[0].running_var.item() == pytest.approx(x.var(ddof=1), rel=1e-5)


def test_precise_statistics_leave_frozen_batch_norms_alone() -> None:
    """The second reads what the first makes with the statistics that it has: (x - 0.5) / 2."""
    part = bright_quarters(40)
    net = nn.Sequential(nn.BatchNorm2d(1, eps=0), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(48, 4))
    net[0].running_mean.fill_(0.5)
    net[0].running_var.fill_(4.0)
    run(net, replace(STILL, batch_size=40, precise_bn=True, freeze=("0.*",)), task(part))
    assert (net[0].running_mean.item(), net[0].running_var.item()) == (0.5, 4.0)
    assert net[1].running_mean.item() == pytest.approx((inputs(part).mean() - 0.5) / 2, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sdlm", "sgd"])
def test_crops_are_cut_from_larger_pictures_and_all_else_is_whole(optimizer: str) -> None:
    """A network of one size never sees the margin: curvature and precise statistics are measured without it.

    Grey pictures stay what they are when they are resized, so that their moments are known.
    """
    levels = np.random.default_rng(1).integers(0, 256, 24, dtype=np.uint8)
    large = Labelled(levels.repeat(8 * 10).reshape(-1, 8, 10, 1), np.arange(24) % 4)
    norm = [] if optimizer == "sdlm" else [nn.BatchNorm2d(1)]
    net = drawn(*norm, nn.Flatten(), nn.Linear(48, 4))
    crops = Augment(crop=ScaleJitter(1.2, 1.2))
    told = replace(STILL, batch_size=24, optimizer=optimizer, augment=crops, precise_bn=True, lr=1e-3)
    run(net, told, Task(large, bright_quarters(8), GREY))
    if optimizer == "sgd":
        x = (levels / 255 - 0.3) / 0.4
        assert net[0].running_mean.item() == pytest.approx(x.mean(), rel=1e-5)
        assert net[0].running_var.item() == pytest.approx(x.repeat(48).var(ddof=1), rel=1e-5)


class Keeps(nn.Module):
    """Makes a tensor when it is first judged, and learns with it afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(48, 4)
        self.scale: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.scale is None and not self.training:
            self.scale = torch.linspace(1, 2, 48)
        logits: Tensor = self.fc(x.flatten(1) * (1 if self.scale is None else self.scale))
        return logits


def test_a_tensor_that_was_made_while_judging_may_be_learned_with() -> None:
    assert len(run(Keeps(), replace(STILL, epochs=2)).epochs) == 2


class Noisy(nn.Module):
    """Draws from every generator there is."""

    def __init__(self) -> None:
        super().__init__()
        self.net = linear()

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            x = F.dropout(x) + random.random() + np.random.rand()  # noqa: NPY002, S311
        logits: Tensor = self.net(x)
        return logits


def test_a_network_that_draws_random_numbers_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    told = replace(STILL, epochs=3, batch_size=16, augment=Augment(shift=0.2))
    run(whole := Noisy(), told)
    run(Noisy(), told, setting=Setting(Saving(folder=tmp_path, steps=7)))
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002
    torch.manual_seed(99)
    run(going := Noisy(), told, setting=Setting(Saving(folder=tmp_path, resume=True)))
    assert bits(going) == bits(whole)


def test_every_step_draws_anew() -> None:
    net, seen = linear(), list[tuple[float, float]]()
    net.register_forward_pre_hook(
        lambda net, _: seen.append((random.random(), torch.rand(()).item())) if net.training else None  # noqa: S311
    )
    run(net, replace(STILL, epochs=2, batch_size=16))
    assert len(seen) == 10
    for kind in zip(*seen, strict=True):
        assert len(set(kind)) == 10


def test_the_generators_of_the_process_are_left_alone() -> None:
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    run(Noisy(), STILL)
    found = random.random(), np.random.rand()  # noqa: NPY002, S311
    assert found == (random.Random(3).random(), np.random.RandomState(3).rand())  # noqa: S311, NPY002


@dataclass(frozen=True, eq=False)
class Slow:
    """Pixels that are read by whoever is asked to, as those of files are."""

    held: Held

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.held.shape

    def name(self, index: int) -> str:
        return str(index)

    def fill(self, indices: NDArray[np.int64], out: NDArray[np.uint8]) -> list[tuple[int, str]]:
        return self.held.fill(indices, out)


def read_by(workers: Workers, part: Labelled) -> Task:
    return replace(task(replace(part, pixels=Slow(Held(np.asarray(part.pixels))))), workers=workers)


def test_who_reads_the_pictures_changes_no_bit() -> None:
    told = replace(STILL, epochs=2, batch_size=16, augment=Augment(shift=0.2, flip=True))
    run(alone := linear(), told)
    run(threads := linear(), told, read_by(Workers(2, "threads"), bright_quarters(80)))
    assert bits(alone) == bits(threads)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1), nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.drop(self.norm(self.conv(x)))
        return out


def blocks() -> nn.Module:
    return drawn(Block(), Block(), nn.Flatten(), nn.Linear(48, 4))


def test_recomputed_blocks_learn_the_same_bits() -> None:
    told = replace(STILL, epochs=2, batch_size=20, accumulate=2)
    run(plain := blocks(), told)
    run(spared := blocks(), told, setting=Setting(machine=Machine(recompute=True)))
    assert bits(plain) == bits(spared)


def test_a_whitening_layer_stays_while_the_others_learn() -> None:
    """Its maps are uncorrelated with variance 1 on the training pictures; the share of noise added to it is small."""
    part = coloured(300)
    net = drawn(nn.Conv2d(3, 54, 3), nn.ReLU(), nn.Flatten(), nn.Linear(54 * 36, 4))
    before = net[3].weight.clone()
    run(net, replace(STILL, epochs=2, whiten=True, weight_decay=0.5), Task(part, part, COLOUR))
    x = ((np.asarray(part.pixels) / 255 - COLOUR.mean) / COLOUR.std).transpose(0, 3, 1, 2)
    with torch.no_grad():
        maps = net[0](torch.from_numpy(x).float())[:, :27].transpose(0, 1).flatten(1).numpy()
    np.testing.assert_allclose(np.cov(maps), np.eye(27), atol=0.02)
    assert not torch.equal(net[3].weight, before)


def test_auxiliary_heads_count_three_tenths_each() -> None:
    """Szegedy et al. (2015), section 5; without dropout, at a rate that moves nothing."""
    torch.manual_seed(0)
    net = googlenet(num_classes=4, aux=True)
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    pixels = np.random.default_rng(0).integers(0, 256, (2, 193, 193, 3), dtype=np.uint8)
    part, size = Labelled(pixels, np.array([1, 3])), replace(COLOUR, size=(193, 193))
    x = torch.from_numpy((pixels / 255 - COLOUR.mean) / COLOUR.std).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        logits = forward_auxiliary(net.train(), x)
    losses = [-out.double().log_softmax(1).numpy()[[0, 1], [1, 3]].mean() for out in logits]
    told = replace(SGD, aux_weight=0.3, lr=1e-12)
    row = run(net, told, Task(part, part, size, classes=4)).epochs[0]
    assert row.train_loss == pytest.approx(losses[0] + 0.3 * (losses[1] + losses[2]), rel=1e-4)
