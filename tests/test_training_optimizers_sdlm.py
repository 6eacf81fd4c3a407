"""Second derivatives by every weight: exact where the paper's equations are, else against them written out in loops."""

import copy
from collections.abc import Callable, Iterator
from math import tanh

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.activations import ScaledTanh
from neocog.layers.rbf import RBF
from neocog.layers.subsampling import Subsampling, TableConv2d
from neocog.models.lenet import lenet5
from neocog.training.optimizers.curvature import curvature, loss_curvature
from neocog.training.optimizers.make import Measures, make_optimizer
from neocog.training.optimizers.sdlm import SDLM
from neocog.training.recipes.recipe import Recipe


@pytest.fixture(autouse=True)
def double(two_threads: None) -> Iterator[None]:
    """Double precision, since references are compared to ten digits; one thread, since networks are small."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().flatten(1).sum(1) / 2


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits, targets, reduction="none")


Criterion = Callable[[Tensor, Tensor], Tensor]


def measured(net: nn.Module, x: Tensor, t: Tensor, criterion: Criterion) -> dict[str, Tensor]:
    names, parameters = zip(*net.named_parameters(), strict=True)
    return dict(zip(names, curvature(net, parameters, (x, t), criterion), strict=True))


def hessian_diagonal(net: nn.Module, x: Tensor, t: Tensor, criterion: Criterion) -> dict[str, Tensor]:
    """The whole Hessian's diagonal by autograd, one number of a parameter after the other; added over pictures."""
    found = {}
    for name, parameter in net.named_parameters():
        (slope,) = torch.autograd.grad(criterion(net(x), t).sum(), parameter, create_graph=True)
        rows = [torch.autograd.grad(g, parameter, retain_graph=True)[0].flatten() for g in slope.flatten()]
        found[name] = torch.stack([row[i] for i, row in enumerate(rows)]).view_as(parameter)
    return found


def test_one_layer_is_exact_in_squared_error_and_cross_entropy() -> None:
    """The loss is quadratic in the weights, or each weight moves one logit: nothing is left out."""
    net = nn.Linear(4, 3)
    x = torch.randn(6, 4)
    for t, criterion in ((torch.randn(6, 3), squared), (torch.arange(6) % 3, cross_entropy)):
        want = hessian_diagonal(net, x, t, criterion)
        for name, h in measured(net, x, t, criterion).items():
            torch.testing.assert_close(h, want[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "net",
    [
        nn.Conv2d(2, 3, 3),
        nn.Conv2d(2, 4, 2, stride=2, groups=2, dilation=2, bias=False),
        nn.Conv2d(2, 2, 3, padding=1),
    ],
    ids=["one position", "groups", "many positions"],
)
def test_a_convolution_is_exact_in_squared_error(net: nn.Module) -> None:
    """Shared weights add up over positions; between positions the loss has no cross terms."""
    net.to(torch.float64)
    x = torch.randn(6, 2, 5, 4)
    t = torch.randn_like(net(x))
    want = hessian_diagonal(net, x, t, squared)
    for name, h in measured(net, x, t, squared).items():
        torch.testing.assert_close(h, want[name], rtol=1e-10, atol=1e-12)


def test_layers_of_lenet_are_exact_in_squared_error() -> None:
    """Each is linear in its own parameters, and the loss has no cross terms between outputs."""
    for net, maps in ((Subsampling(2), 2), (TableConv2d([(0, 1), (1, 2), (0, 1, 2)], 3), 3)):
        x = torch.randn(4, maps, 6, 6)
        t = torch.randn_like(net(x))
        want = hessian_diagonal(net, x, t, squared)
        for name, h in measured(net, x, t, squared).items():
            torch.testing.assert_close(h, want[name], rtol=1e-10, atol=1e-12)


LAYERS: dict[str, nn.Module] = {
    "tanh": nn.Tanh(),
    "scaled tanh": ScaledTanh(),
    "sigmoid": nn.Sigmoid(),
    "relu": nn.ReLU(inplace=True),
    "leaky": nn.LeakyReLU(0.2, inplace=True),
    "elu": nn.ELU(),
    "softplus": nn.Softplus(),
    "gelu": nn.GELU(),
    "silu": nn.SiLU(),
    "dropout": nn.Dropout(0.5),
    "identity": nn.Identity(),
    "average": nn.AvgPool2d(2),
    "overlapping": nn.AvgPool2d(3, 2, padding=1),
    "inside only": nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
    "ceiling": nn.AvgPool2d(2, 2, ceil_mode=True, divisor_override=3),
    "adaptive": nn.AdaptiveAvgPool2d(1),
    "in parts": nn.AdaptiveAvgPool2d((5, 1)),
    "max": nn.MaxPool2d(2, 1),
    "adaptive max": nn.AdaptiveMaxPool2d(2),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_squares_its_own_derivatives(layer: str) -> None:
    """With a weight for each number before it, h is the sum over outputs of (d output / d weight)^2, by autograd.

    Squared error's second derivative by each output is 1.
    """

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.layer = nn.Parameter(torch.randn(1, 5, 5)), LAYERS[layer]

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.layer(self.scale * x)
            return out

    net, x = Scaled(), torch.randn(1, 1, 5, 5)
    t = torch.zeros_like(net(x))
    (h,) = measured(net.train(), x, t, squared).values()
    assert net.training and net.layer.training
    net.eval()
    jacobian = torch.autograd.functional.jacobian(
        lambda scale: torch.func.functional_call(net, {"scale": scale}, (x,)), net.scale.detach()
    )
    want = jacobian.reshape(-1, 25).square().sum(0).view_as(h)
    torch.testing.assert_close(h, want, rtol=1e-10, atol=1e-12)


def test_a_deep_network_follows_the_papers_equations() -> None:
    """Convolution, squashing, subsampling by means, full connection: appendix C in loops over units and connections."""
    net = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 3))
    x, t = torch.randn(3, 2, 5, 5), torch.arange(3)
    got = measured(net, x, t, cross_entropy)
    conv, full = net[0], net[4]
    u, bias = (p.detach().numpy() for p in conv.parameters())
    w, _ = (p.detach().numpy() for p in full.parameters())
    want = {name: np.zeros(tuple(p.shape)) for name, p in net.named_parameters()}
    for picture in range(3):
        pixels, logits = x[picture].numpy(), net(x[picture : picture + 1])[0].detach().numpy()
        p = np.exp(logits) / np.exp(logits).sum()
        h_logit = p * (1 - p)  # d2E/da2 of the cross-entropy by its logits
        a = np.zeros((3, 4, 4))
        for m, r, c in np.ndindex(3, 4, 4):
            a[m, r, c] = bias[m] + (u[m] * pixels[:, r : r + 2, c : c + 2]).sum()
        pooled = np.array(
            [np.tanh(a[m, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2]).mean() for m, r, c in np.ndindex(3, 2, 2)]
        )
        for i in range(3):
            want["4.bias"][i] += h_logit[i]
            for j in range(12):
                want["4.weight"][i, j] += h_logit[i] * pooled[j] ** 2
        for m, r, c in np.ndindex(3, 4, 4):
            j = m * 4 + (r // 2) * 2 + c // 2
            h_pooled = sum(h_logit[i] * w[i, j] ** 2 for i in range(3))
            h_a = h_pooled * 0.25**2 * (1 - tanh(a[m, r, c]) ** 2) ** 2
            want["0.bias"][m] += h_a
            for k, dr, dc in np.ndindex(2, 2, 2):
                want["0.weight"][m, k, dr, dc] += h_a * pixels[k, r + dr, c + dc] ** 2
    for name, h in got.items():
        np.testing.assert_allclose(h.numpy(), want[name], rtol=1e-10)


def test_branches_and_weights_used_twice_add_up() -> None:
    """A unit that two layers read: d2E/dx2 is the sum over what reads it; a layer used twice sums over its uses."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x)
            left, right = torch.chunk(self.second(2.0 * y) + y, 2, dim=1)
            return torch.cat([self.second(y), right, left], 1)

    net, x = Branches(), torch.randn(1, 3)
    h = measured(net, x, torch.zeros(1, 6), squared)
    u, w = net.first.weight.detach(), net.second.weight.detach()
    y = u @ x[0]
    torch.testing.assert_close(h["second.weight"], (y**2 + (2 * y) ** 2).expand(3, 3))
    h_y = (w**2).sum(0) + 4 * (w**2).sum(0) + 1
    torch.testing.assert_close(h["first.weight"], h_y[:, None] * x**2)


class Differences(nn.Module):
    """y_2 - y_1, -y_1 and 1 - 2 y_2 of two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 2, bias=False), nn.Linear(3, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        one, two = self.one(x), self.two(x)
        return torch.cat([two - one, -one, torch.sub(torch.ones(2), two, alpha=2)], 1)


def test_differences_have_their_coefficients_squared() -> None:
    x = torch.randn(1, 3)
    h = measured(Differences(), x, torch.zeros(1, 6), squared)
    torch.testing.assert_close(h["one.weight"], (2 * x**2).expand(2, 3))
    torch.testing.assert_close(h["two.weight"], (5 * x**2).expand(2, 3))


def test_the_losses_second_derivative_is_exact_and_not_negative() -> None:
    logits = torch.randn(4, 3)
    p = logits.softmax(1)
    got = loss_curvature(lambda x: cross_entropy(x, torch.arange(4) % 3), logits)
    torch.testing.assert_close(got, p * (1 - p))
    assert torch.equal(loss_curvature(lambda x: -x.square().sum(1), logits), torch.zeros(4, 3))
    assert torch.equal(loss_curvature(lambda x: x.sum(1), logits), torch.zeros(4, 3))


def test_distances_count_as_loss() -> None:
    """With an RBF output and equation 8's loss, d2E/dx2 of every unit before it is 2."""
    net = nn.Sequential(nn.Linear(3, 4), RBF(torch.randn(2, 4).sign()))
    x = torch.randn(5, 3)
    h = measured(net, x, torch.arange(5) % 2, lambda y, t: -y.gather(1, t[:, None])[:, 0])
    torch.testing.assert_close(h["0.weight"], 2 * (x**2).sum(0).expand(4, 3))
    torch.testing.assert_close(h["0.bias"], torch.full((4,), 10.0))


def test_lenet5_gets_a_rate_for_every_weight() -> None:
    """Equation 9's loss: the last weights' curvature is the Hessian's, by autograd; all are above 0 and finite."""
    net = lenet5().double()
    x, t = torch.randn(2, 1, 32, 32), torch.tensor([3, 7])

    def map_loss(logits: Tensor, targets: Tensor) -> Tensor:
        competing = torch.cat([logits, torch.full_like(logits[:, :1], -1.0)], 1).logsumexp(1)
        return competing - logits.gather(1, targets[:, None])[:, 0]

    optimizer = make_optimizer(net, Recipe(optimizer="sdlm"))
    assert isinstance(optimizer, Measures) and optimizer.pictures == 500
    optimizer.measure(net, [(x[:1], t[:1]), (x[1:], t[1:])], map_loss)
    h = {name: optimizer.state[p]["curvature"] for name, p in net.named_parameters()}
    assert all((values >= 0).all() and values.isfinite().all() and values.max() > 0 for values in h.values())
    before = net[: list(net._modules).index("f6")](x).detach()
    last = nn.Sequential(copy.deepcopy(net.f6), ScaledTanh(), copy.deepcopy(net.rbf))
    a = last[0](before).detach()
    slope = 1.7159 * 2 / 3 * (1 - torch.tanh(2 * a / 3) ** 2)
    units = last[1](a)
    whole = torch.stack(
        [
            torch.autograd.functional.hessian(
                lambda u, k=k: map_loss(net.rbf(u[None]), t[k : k + 1])[0], units[k]
            ).diagonal()
            for k in (0, 1)
        ]
    )
    want = torch.einsum("ni,nj->ij", whole * slope**2, before**2) / 2
    torch.testing.assert_close(h["f6.weight"], want, rtol=1e-8, atol=1e-12)


def test_a_step_divides_by_curvature_and_mu() -> None:
    """Batches are weighed by their pictures; a second measurement replaces the first."""
    net = nn.Linear(2, 1, bias=False)
    optimizer = SDLM(net.parameters(), lr=0.1, mu=0.5)
    optimizer.measure(net, [(torch.full((1, 2), 9.0), torch.zeros(1, 1))], squared)
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    optimizer.measure(net, [(x[:2], torch.zeros(2, 1)), (x[2:], torch.zeros(1, 1))], squared)
    before = net.weight.detach().clone()
    net.weight.grad = torch.tensor([[1.0, -1.0]])
    optimizer.step()
    h = torch.tensor([[(1 + 9 + 25) / 3, (4 + 16 + 36) / 3]])
    torch.testing.assert_close(net.weight.detach(), before - 0.1 * torch.tensor([[1.0, -1.0]]) / (0.5 + h))


def test_frozen_and_unused_parameters() -> None:
    """What is frozen has no rate but lets h through; what is not used has h 0."""
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    net[1].requires_grad_(False)
    net.spare = nn.Parameter(torch.zeros(3))
    net.forward = lambda x: net[1](net[0](x))  # type: ignore[method-assign]
    x = torch.randn(1, 2)
    found = curvature(net, [net[0].weight, net.spare], (x, torch.zeros(1, 2)), squared)
    torch.testing.assert_close(found[0], (net[1].weight ** 2).sum(0)[:, None] * x**2)
    assert torch.equal(found[1], torch.zeros(3))


class Doubled(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y + y


class Spread(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return torch.std_mean(super().forward(x), dim=1, keepdim=True)[0]


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (
            nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)),
            "no rule for second derivatives through batch_norm",
        ),
        (nn.Sequential(nn.Linear(4, 4), nn.Softmax(1)), "no rule for second derivatives through softmax"),
        (Doubled(4, 4), "through add of a tensor with itself"),
        (nn.Sequential(nn.Linear(4, 4), nn.Hardtanh(inplace=True)), "through hardtanh, only"),
        (Spread(4, 4), "through std_mean"),
        (
            nn.Sequential(
                nn.Linear(4, 4), nn.Unflatten(1, (1, 1, 4)), nn.AdaptiveAvgPool2d((1, 3)), nn.Flatten()
            ),
            r"windows are equally large, got \(1, 4\) to \(1, 3\)",
        ),
    ],
)
def test_what_has_no_rule_is_refused(net: nn.Module, words: str) -> None:
    with pytest.raises(UserError, match=words):
        measured(net.double(), torch.randn(2, 4), torch.zeros(2, dtype=torch.long), cross_entropy)


def test_nothing_measured_is_refused() -> None:
    net = nn.Linear(2, 2)
    optimizer = SDLM(net.parameters(), 0.1)
    with pytest.raises(UserError, match="measures curvature on training pictures, got none"):
        optimizer.measure(net, [], squared)
    net.weight.grad = torch.zeros(2, 2)
    with pytest.raises(UserError, match="needs the curvature before its first step"):
        optimizer.step()
