"""The learning-rate range test: where a quadratic diverges is known, and a suggested rate must train."""

import re
from collections.abc import Callable
from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from healthy import cross_entropy, normalise, small
from neocog import create_model
from neocog.errors import UserError
from neocog.training.find_lr import LrCurve, Sweep, find_lr

Pairs = list[tuple[Tensor, Tensor]]


class Quadratic(nn.Module):
    """loss = L w^2 / 2: a step of gradient descent makes w (1 - lr L) w, which is smaller if and only if lr < 2 / L."""

    def __init__(self, curvature: float):
        super().__init__()
        self.w, self.curvature = nn.Parameter(torch.ones(1, dtype=torch.float64)), curvature

    def forward(self, x: Tensor) -> Tensor:
        return self.curvature * self.w**2 / 2 + 0 * x


def itself(logits: Tensor, _: Tensor) -> Tensor:
    return logits


def sgd(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(net.parameters(), lr=1.0)


ONE: Pairs = [(torch.zeros(1), torch.zeros(1))]


@pytest.mark.parametrize("curvature", [0.5, 3.0, 400.0])
def test_a_quadratic_diverges_where_the_rate_passes_2_by_its_curvature(curvature: float) -> None:
    """Every loss is the one that the closed form gives: falling below 2 / L, rising above."""
    curve = find_lr(Quadratic(curvature), ONE, itself, sgd, Sweep(1e-3 / curvature, 20 / curvature, 60))
    w, expected = 1.0, []
    for rate in curve.rates:
        expected.append(curvature * w**2 / 2)
        w *= 1 - rate * curvature
    assert curve.losses == pytest.approx(expected, rel=1e-5, abs=1e-30)  # compared in float32
    rises = [after > before for before, after in zip(curve.losses, curve.losses[1:], strict=False)]
    assert rises == [rate > 2 / curvature for rate in curve.rates[:-1]]
    assert curve.exploded and curve.rates[-1] < 20 / curvature


def test_rates_rise_by_one_factor_and_means_are_the_written_formula() -> None:
    curve = find_lr(Quadratic(1.0), ONE, itself, sgd, Sweep(1e-4, 1.0, 9))
    assert curve.rates == pytest.approx(np.geomspace(1e-4, 1.0, 9))
    for i, mean in enumerate(curve.smoothed):
        weights = 0.9 ** np.arange(i, -1, -1)
        assert mean == pytest.approx(np.average(curve.losses[: i + 1], weights=weights))
    assert not curve.exploded


def curve_of(smoothed: list[float], rates: list[float]) -> LrCurve:
    return LrCurve(tuple(rates), tuple(smoothed), tuple(smoothed), False)


def test_suggestions_of_a_curve_drawn_by_hand() -> None:
    """The steepest piece by the logarithm starts at 1e-2 (by the rate itself it would be the first)."""
    curve = curve_of([3.0, 2.9, 2.7, 1.5, 1.2, 9.0], [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0])
    assert (curve.steepest, curve.tenth, curve.suggestion) == (1e-2, 0.1, 0.1)
    uneven = curve_of([3.0, 2.5, 1.9, 5.0], [1e-3, 1e-2, 1.0, 10.0])
    assert 0.5 / log(10) > 0.6 / log(100) and uneven.steepest == 1e-3
    rising = curve_of([1.0, 1.1, 1.2], [1e-3, 1e-2, 1e-1])
    assert rising.suggestion is rising.steepest is rising.tenth is None
    assert "none can be suggested" in rising.sentence() and rising.chart().startswith("<svg")


def digits() -> Pairs:
    data = load_digits()
    x = F.interpolate(torch.tensor(data.images / 8 - 1, dtype=torch.float32)[:, None], size=(32, 32))
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(x)))
    return [(x[rows], torch.tensor(data.target)[rows]) for rows in order.split(64)]


def lenet() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return create_model("lenet5_modern", num_classes=10, in_chans=1)


def trained(optimizer: Callable[[nn.Module], torch.optim.Optimizer], lr: float, batches: Pairs) -> float:
    """Mean loss of the second of two passes."""
    net, losses = lenet(), []
    chosen = optimizer(net)
    for group in chosen.param_groups:
        group["lr"] = lr
    for x, targets in [*batches, *batches]:
        loss = F.cross_entropy(net(x), targets)
        chosen.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        chosen.step()
        losses.append(loss.item())
    return float(np.mean(losses[len(batches) :]))


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda net: torch.optim.AdamW(net.parameters()),
        lambda net: torch.optim.SGD(net.parameters(), lr=1, momentum=0.9),
    ],
    ids=["adamw", "sgd"],
)
def test_the_suggested_rate_trains_better_than_ten_times_more_or_less(
    optimizer: Callable[[nn.Module], torch.optim.Optimizer],
) -> None:
    torch.set_num_threads(1)  # a small network; two threads wait for each other
    batches = digits()
    lr = find_lr(lenet(), batches, cross_entropy, optimizer).suggestion
    assert lr is not None
    less, right, more = (trained(optimizer, factor * lr, batches) for factor in (0.1, 1, 10))
    assert right < less / 2 and right < more / 2


def test_a_group_keeps_its_factor_and_a_clipped_gradient_its_length() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)

    def scaled(twin: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD([{"params": [*twin.parameters()], "scale": 0.25}], lr=9.0)

    minus: Pairs = [(torch.ones(1, 1), torch.zeros(1))]
    plain = find_lr(net, minus, lambda y, _: -8 * y[:, 0], scaled, Sweep(0.1, 0.4, 2))
    assert plain.losses == pytest.approx((0.0, -8 * 0.1 * 0.25 * 8))
    clipped = find_lr(net, minus, lambda y, _: -8 * y[:, 0], scaled, Sweep(0.1, 0.4, 2, clip=1.0))
    assert clipped.losses == pytest.approx((0.0, -8 * 0.1 * 0.25 * 1))


def test_the_network_and_the_generators_are_left_as_found() -> None:
    net = small(nn.BatchNorm2d, nn.Dropout(0.4)).eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    generator = torch.get_rng_state()
    pixels = torch.randint(
        0, 256, (8, 32, 32, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    pairs = [(normalise(pixels), torch.arange(8))]
    first, second = (find_lr(net, pairs, cross_entropy, sgd, Sweep(1e-4, 1.0, 10)) for _ in range(2))
    assert first == second
    assert all(torch.equal(tensor, net.state_dict()[name]) for name, tensor in before.items())
    assert torch.equal(generator, torch.get_rng_state())
    assert not any(module.training for module in net.modules()) and all(
        p.grad is None for p in net.parameters()
    )


def test_what_cannot_be_tested_is_said() -> None:
    for sweep in (Sweep(0.0, 1.0), Sweep(1.0, 0.1), Sweep(0.1, float("inf")), Sweep(steps=1)):
        with pytest.raises(UserError, match="rates must rise"):
            find_lr(Quadratic(1.0), ONE, itself, sgd, sweep)
    with pytest.raises(UserError, match="needs batches"):
        find_lr(Quadratic(1.0), [], itself, sgd)
    with pytest.raises(UserError, match="the loss is nan before the first step"):
        find_lr(Quadratic(float("nan")), ONE, itself, sgd)


def test_a_loss_that_is_no_number_ends_the_curve_before_it() -> None:
    curve = find_lr(Quadratic(1e30), ONE, lambda y, t: y.float() ** 4, sgd, Sweep(1e-40, 1.0, 30))
    assert curve.exploded and len(curve.rates) < 30 and np.isfinite(curve.losses).all()


def test_the_page_is_one_file_with_the_marks_where_the_rates_are(tmp_path: Path) -> None:
    curve = curve_of([3.0, 2.9, 2.7, 1.5, 1.2, 9.0], [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0])
    page = replace(curve, exploded=True).page("Test of <b>data</b>", [("Network", "<script>")])
    assert (
        "Learning rate 0.1" in page
        and "&lt;script&gt;" in page
        and "<script" not in page
        and "<b>data" not in page
    )
    assert "http://www.w3.org/2000/svg" in page and page.count("http") == 1
    marks = re.findall(r'class="mark" x1="([\d.]+)"', page)
    labels = dict(re.findall(r'<text x="([\d.]+)" y="350" text-anchor="middle">([^<]+)<', page))
    assert {labels[x] for x in marks} == {"0.01", "0.1"}  # they stand above their labels on the axis
