"""L2-SP against autograd of the penalty as the paper writes it, against numpy, and through breaks of a run."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.data.loading.workers import Workers
from neocog.errors import UserError
from neocog.layers.chain import chain
from neocog.training.loop import Setting
from neocog.training.optimizers.groups import parameter_groups
from neocog.training.optimizers.l2sp import Anchor, make_anchor
from neocog.training.optimizers.make import make_optimizer
from neocog.training.recipes.recipe import Recipe
from neocog.training.resume.saving import Saving
from quarters import SGD, bits, bright_quarters, drawn, inputs, run, task

ALPHA, BETA = 0.3, 0.7
TASK = replace(task(), workers=Workers(0))
PULLED = replace(SGD, l2sp=ALPHA, weight_decay=BETA, lr=0.1)


def net_of_two() -> nn.Sequential:
    """Weights, biases and a norm come trained; `head` begins anew."""
    body = chain(fc=nn.Linear(48, 6), norm=nn.LayerNorm(6), act=nn.Tanh())
    net = chain(flat=nn.Flatten(), body=body, head=nn.Linear(6, 4))
    drawn(*net.children())
    return net


def penalised(net: nn.Module, start: dict[str, Tensor], loss: Tensor) -> Tensor:
    """Equation 3: the loss + alpha / 2 |w_S - w_S0|^2 + beta / 2 |w_S'|^2; biases of the last layer do not decay."""
    own = dict(net.named_parameters())
    shared = [name for name in own if not name.startswith("head.")]
    near = torch.stack([(own[name] - start[name]).square().sum() for name in shared]).sum()
    return loss + ALPHA / 2 * near + BETA / 2 * own["head.weight"].square().sum()


@pytest.mark.parametrize("clip", [None, 0.05])
def test_steps_of_sgd_follow_the_gradient_of_the_papers_penalty(clip: float | None) -> None:
    """The gradient of the loss alone is clipped, as with weight decay."""
    part, net = bright_quarters(40), net_of_two()
    run(net, replace(PULLED, batch_size=40, epochs=4, clip=clip), replace(TASK, train=part))
    other = net_of_two().double()
    start = {name: p.detach().clone() for name, p in other.named_parameters()}
    x, t = torch.from_numpy(inputs(part)), torch.from_numpy(part.labels)
    for _ in range(4):
        other.zero_grad()
        F.cross_entropy(other(x), t).backward()
        if clip:
            nn.utils.clip_grad_norm_(other.parameters(), clip)
        penalised(other, start, torch.zeros(())).backward()  # adds up
        with torch.no_grad():
            for p in other.parameters():
                p -= 0.1 * p.grad
    assert float((other.body.fc.weight - start["body.fc.weight"]).detach().abs().max()) > 1e-3
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.double(), two, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_where_weight_decay_is_decoupled_the_pull_is_a_step_of_its_own(name: str) -> None:
    """w <- w - rate alpha (w - w0), then the optimizer's step with the same gradients; each block has its rate."""
    told = replace(PULLED, optimizer=name, layer_decay=0.5)
    nets = net_of_two(), net_of_two()
    anchor = make_anchor(nets[0], told, "head")
    assert anchor
    start = {n: p.detach().clone() for n, p in nets[1].named_parameters()}
    for net in nets:
        with torch.no_grad():
            for i, p in enumerate(net.parameters()):
                p += 0.01 * (i + 1)
                p.grad = torch.full_like(p, 0.1)
    optimizers = [make_optimizer(net, told, "head") for net in nets]
    anchor.pull(optimizers[0])
    with torch.no_grad():
        for n, p in nets[1].named_parameters():
            if not n.startswith("head."):
                p -= 0.1 * 0.5 * ALPHA * (p - start[n])
    for optimizer in optimizers:
        optimizer.step()
    for one, two in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-7)


def test_weight_decay_is_left_to_the_last_layer() -> None:
    net = net_of_two()
    for told, decayed in (
        (PULLED, {"head.weight"}),
        (replace(PULLED, decay_all=True), {"head.weight", "head.bias"}),
    ):
        names = {id(p): name for name, p in net.named_parameters()}
        groups = parameter_groups(net, told, "head")
        found = {names[id(p)] for group in groups if group["weight_decay"] for p in group["params"]}
        assert found == decayed


def test_without_a_last_layers_name_the_last_block_is_it() -> None:
    net = net_of_two()
    assert Anchor(net, PULLED).digest == Anchor(net, PULLED, "head").digest
    assert make_anchor(net, SGD) is None


def test_what_is_frozen_or_has_no_gradient_is_not_pulled() -> None:
    net = net_of_two()
    net.body.fc.requires_grad_(False)
    anchor = Anchor(net, PULLED, "head")
    optimizer = make_optimizer(net, PULLED, "head")
    net.body.fc.requires_grad_(True)
    with torch.no_grad():
        for p in net.parameters():
            p += 1
            p.grad = torch.zeros_like(p)
    net.body.norm.bias.grad = None
    anchor.pull(optimizer)
    pulled = {name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()}
    assert pulled == {"body.norm.weight"}
    assert net.body.norm.weight.grad is not None
    np.testing.assert_allclose(net.body.norm.weight.grad, ALPHA, rtol=1e-6)


MANY = replace(PULLED, epochs=4, batch_size=16, momentum=0.9, average="ema", average_decay=0.9)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_run_that_is_stopped_at_random_steps_ends_with_the_same_bits(
    tmp_path: Path, optimizer: str
) -> None:
    """Its network begins with the same weights again, as those of a file do."""
    told = replace(MANY, optimizer=optimizer, lr=0.01)
    run(whole := net_of_two(), told, TASK)
    for stop in sorted(random.Random(optimizer).sample(range(1, 20), 3)):
        run(net_of_two(), told, TASK, Setting(Saving(folder=tmp_path, steps=stop, resume=True)))
    run(going := net_of_two(), told, TASK, Setting(Saving(folder=tmp_path, resume=True)))
    assert bits(going) == bits(whole)
    assert bits(whole) != bits(net_of_two())


def test_a_run_is_not_pulled_towards_other_weights_than_before(tmp_path: Path) -> None:
    run(net_of_two(), MANY, TASK, Setting(Saving(folder=tmp_path, steps=3)))
    other = net_of_two()
    with torch.no_grad():
        other.body.fc.bias[0] += 1e-6
    with pytest.raises(UserError, match="pulls its weights towards others than these"):
        run(other, MANY, TASK, Setting(Saving(folder=tmp_path, resume=True)))


def test_a_recipe_has_one_of_lora_and_the_pull() -> None:
    with pytest.raises(
        UserError, match="lora keeps the trained weights as they are, and l2sp pulls them back"
    ):
        Recipe(l2sp=0.1, lora=4)
