"""Which of two units at the ceiling of ReLU6 answers more."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.analysis.capture import Place
from neocog.inside.answers import answers
from networks import Net


@pytest.mark.parametrize("six", [nn.ReLU6(inplace=True), nn.Hardtanh(0, 6)])
def test_behind_a_ceiling_it_is_what_is_cut_off(six: nn.Module) -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        out: Tensor = m.six(m.six(x) * 3 - 1)
        return out

    net, x = Net(run, six=six), torch.tensor([[-1.0, 2.0, 4.0, 9.0]])
    first, second, last = (answers(net, x, Place("six", call)) for call in (0, 1, -1))
    assert first.tolist() == [[-1, 2, 4, 9]]
    assert second.tolist() == last.tolist() == [[-1, 5, 11, 17]]
    assert x.tolist() == [[-1, 2, 4, 9]]


CUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "clamp by name": lambda x: torch.clamp(input=x, min=0, max=6),
    "clip": lambda x: x.clip(max=6),
    "clamp_max": lambda x: x.clamp_max(6),
    "minimum": lambda x: torch.minimum(torch.tensor(6.0), torch.minimum(x, torch.tensor(6.0))),
    "the bound first": lambda x: torch.minimum(torch.tensor([[6.0]]).expand(x.shape), x),
    "fmin": lambda x: torch.fmin(x, torch.tensor(6.0)),
    "min": lambda x: torch.min(x, torch.tensor(6.0)),
    "in place": lambda x: F.relu6(x, inplace=True),
    "a ceiling under another": lambda x: F.hardtanh(F.relu6(x), -1, 4),
    "and then nothing": lambda x: F.dropout(x.clamp(0, 6), training=False),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_however_the_ceiling_is_called(cut: Callable[[Tensor], Tensor]) -> None:
    net, x = Net(lambda m, x: m.block(x + 1), block=Net(lambda m, x: cut(x * 2))), torch.tensor([[1.0, 5.0]])
    assert answers(net, x, Place("block", 0)).tolist() == [[4, 12]]
    assert answers(net, x, Place("")).tolist() == [[4, 12]]


BESIDE: dict[str, Callable[[Tensor], Tensor]] = {
    "a guard of a division": lambda x: x / x.norm(dim=1, keepdim=True).clamp(min=1),
    "a gate of the same shape": lambda x: x * F.hardsigmoid(x),
    "a hard sigmoid, which scales": F.hardsigmoid,
    "a ReLU, which has no ceiling": lambda x: F.relu(x),
    "the smaller of two that both are of the picture": lambda x: torch.minimum(x, x.flip(1)),
    "something goes on": lambda x: x.clamp(0, 6) * 2,
    "something is written into it": lambda x: x.clamp(0, 6).mul_(2),
    "one before, of which nothing is left": lambda x: (x.clamp(0, 6), x + 1)[1],
}


@pytest.mark.parametrize("run", BESIDE.values(), ids=BESIDE)
def test_a_ceiling_on_the_way_is_none_of_the_output(run: Callable[[Tensor], Tensor]) -> None:
    net, x = Net(lambda m, x: m.block(x), block=Net(lambda m, x: run(x))), torch.tensor([[-3.0, 4.0, 9.0]])
    assert torch.equal(answers(net, x, Place("block", 0)), run(x.clone()))


def test_elsewhere_it_is_the_activation() -> None:
    net, x = nn.Sequential(nn.ReLU6(), nn.ReLU()), torch.tensor([[-1.0, 2.0, 7.0]])
    assert answers(net, x, Place("1", 0)).tolist() == [[0, 2, 6]]
