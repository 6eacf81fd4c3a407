"""Evidence for a class: finite differences, sums by hand, literal loops, the axiom of completeness."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.inside.back.rectifiers import NoMeaning
from neocog.inside.evidence.gradients import gradient, integrated_gradients, magnitude, smooth_grad, summed
from networks import Net


def seeded(make: Callable[[], Any], seed: int = 5) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def small(act: nn.Module, double: bool = False) -> nn.Sequential:
    net: nn.Sequential = seeded(
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), act, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3))
    )
    return net.double() if double else net


def test_the_gradient_is_that_of_finite_differences() -> None:
    net, x = small(nn.Tanh(), double=True), seeded(lambda: torch.randn(1, 2, 6, 6).double())
    found = gradient(net, x, 1)
    step = 1e-6
    with torch.no_grad():
        for place in np.ndindex(2, 6, 6):
            up, down = x.clone(), x.clone()
            up[(0, *place)] += step
            down[(0, *place)] -= step
            slope = (net(up)[0, 1] - net(down)[0, 1]) / (2 * step)
            assert abs(float(slope) - found[place]) < 1e-6
    with pytest.raises(NoMeaning):
        gradient(net, x, 1, "guided")


@pytest.mark.parametrize("act", [nn.ReLU(), nn.Tanh(), nn.ReLU6()])
def test_integrated_gradients_are_the_integral(act: nn.Module) -> None:
    """Beside a sum of 4,000 gradients at the middles of equal steps."""
    net, x, base = small(act), *seeded(lambda: (torch.randn(1, 2, 6, 6) * 3, torch.randn(1, 2, 6, 6)))
    found = integrated_gradients(net, x, base, 2)
    shares = (torch.arange(4000) + 0.5) / 4000
    points = (base + shares.view(-1, 1, 1, 1) * (x - base)).requires_grad_()
    (slopes,) = torch.autograd.grad(net(points)[:, 2].sum(), points)
    wanted = ((x - base)[0] * slopes.double().mean(0)).detach().numpy()
    assert np.abs(found.evidence - wanted).max() < 0.02 * np.abs(wanted).max()
    with torch.no_grad():
        rise = float(net(x)[0, 2] - net(base)[0, 2])
    assert abs(found.rise - rise) < 1e-4
    assert found.complete and abs(found.evidence.sum() - rise) <= 0.01 * abs(rise)
    assert found.gap == abs(found.evidence.sum() - found.rise) / abs(found.rise)


def test_of_a_linear_network_they_are_weight_times_way() -> None:
    net = nn.Sequential(nn.Flatten(), seeded(lambda: nn.Linear(8, 2)))
    x, base = seeded(lambda: (torch.randn(1, 2, 2, 2), torch.randn(1, 2, 2, 2)))
    found = integrated_gradients(net, x, base, 0)
    wanted = net[1].weight[0].view(2, 2, 2).detach() * (x - base)[0]
    np.testing.assert_allclose(found.evidence, wanted.numpy(), atol=1e-6)
    assert found.points == 17  # nothing to refine


class Jump(nn.Module):
    """The logit rises within a thousandth of the way."""

    def forward(self, x: Tensor) -> Tensor:
        total = x.sum((1, 2, 3))
        return torch.stack([torch.tanh(total * 1000), total], 1)


def test_steps_are_halved_where_the_rule_is_wrong() -> None:
    """Equal steps would have to be thousands."""
    x = torch.full((1, 1, 2, 2), 0.25)
    found = integrated_gradients(Jump(), x, torch.zeros_like(x), 0)
    assert found.complete and found.points < 100
    np.testing.assert_allclose(found.evidence, 0.25, rtol=0.01)
    cut = integrated_gradients(Jump(), x, torch.zeros_like(x), 0, most=17)
    assert not cut.complete and cut.points == 17 and cut.gap > 0.5


def test_smooth_grad_is_the_mean_at_noisy_copies() -> None:
    net, x = small(nn.ReLU()), seeded(lambda: torch.randn(1, 2, 6, 6))
    generator = torch.Generator().manual_seed(9)
    found = smooth_grad(net, x, 1, generator, samples=11, noise=0.2)
    again, total = torch.Generator().manual_seed(9), np.zeros((2, 6, 6))
    spread = 0.2 * float(x.max() - x.min())
    draws = torch.cat([torch.randn(n, 2, 6, 6, generator=again) for n in (8, 3)])
    for draw in draws:
        noisy = (x + spread * draw).requires_grad_()
        net(noisy)[0, 1].backward()
        assert noisy.grad is not None
        total += noisy.grad[0].double().numpy()
    np.testing.assert_allclose(found, total / 11, atol=1e-6)
    still = smooth_grad(net, x, 1, generator, samples=3, noise=0)
    np.testing.assert_allclose(still, gradient(net, x, 1), atol=1e-6)
    for samples, noise in ((0, 0.1), (3, -0.5), (3, float("nan")), (3, float("inf"))):
        said = f"at least 1 sample and a noise of 0 or more, got {samples} and {noise:g}$"
        with pytest.raises(UserError, match=said):
            smooth_grad(net, x, 1, generator, samples, noise)


def test_maps_of_colours() -> None:
    evidence = np.array([[[1.0, -5.0]], [[-2.0, 3.0]]])
    np.testing.assert_array_equal(magnitude(evidence), [[2.0, 5.0]])
    np.testing.assert_array_equal(summed(evidence), [[-1.0, -2.0]])


def test_a_class_must_be_there() -> None:
    x = torch.zeros(1, 2, 6, 6)
    with pytest.raises(UserError, match=r"have class 3, it gives \(1, 3\)"):
        gradient(small(nn.ReLU()), x, 3)
    with pytest.raises(UserError, match=r"have class 0, it gives \(1, 4, 4, 4\)"):
        gradient(nn.Conv2d(2, 4, 3), x, 0)


def test_a_gradient_that_is_not_finite_is_none() -> None:
    class Root(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.clamp(min=0).sqrt().sum((2, 3))

    x = torch.tensor([-1.0, 4.0, 0.0, 9.0]).view(1, 1, 2, 2)
    with pytest.raises(UserError, match="not finite at this picture.*use `neocog see occlusion`"):
        gradient(Root(), x, 0)
    np.testing.assert_allclose(gradient(Root(), x.abs() + 1, 0)[0, 1], [0.5, 0.5 / 10**0.5])


@pytest.mark.parametrize(
    "logits",
    [
        lambda x: (x > 0).float().sum((2, 3)),
        lambda x: torch.ones(len(x), 2, requires_grad=True) * 2,
    ],
    ids=["steps", "constants"],
)
def test_where_no_gradient_leads_back_there_is_none(logits: Callable[[Tensor], Tensor]) -> None:
    net, x = Net(lambda m, x: logits(x)), torch.randn(1, 2, 3, 3)
    with pytest.raises(UserError, match="have no gradient at the picture; use `neocog see occlusion`"):
        gradient(net, x, 0)
    with pytest.raises(UserError, match="have no gradient at the picture; use `neocog see occlusion`"):
        integrated_gradients(net, x, x * 0, 0)


def test_captum_agrees() -> None:
    attr = pytest.importorskip("captum.attr")
    net, x, base = small(nn.ReLU()), *seeded(lambda: (torch.randn(1, 2, 6, 6) * 3, torch.randn(1, 2, 6, 6)))
    wanted = attr.IntegratedGradients(net).attribute(
        x, base, target=2, n_steps=1000, method="riemann_trapezoid"
    )
    found = integrated_gradients(net, x, base, 2).evidence
    assert np.abs(found - wanted[0].numpy()).max() < 0.02 * float(wanted.abs().max())
