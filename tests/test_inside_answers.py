"""Which of two units at the ceiling of ReLU6 answers more."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from neocog.analysis.capture import Place
from neocog.inside.evidence.answers import answers
from networks import Net


@pytest.mark.parametrize("six", [nn.ReLU6(inplace=True), nn.Hardtanh(0, 6)])
def test_behind_a_ceiling_it_is_what_is_cut_off(six: nn.Module) -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        out: Tensor = m.six(m.six(x) * 3 - 1)
        return out

    net, x = Net(run, six=six), torch.tensor([[-1.0, 2.0, 4.0, 9.0]])
    first, second = (answers(net, x, Place("six", call)) for call in (0, 1))
    assert first.tolist() == [[-1, 2, 4, 9]]
    assert second.tolist() == [[-1, 5, 11, 17]]
    assert x.tolist() == [[-1, 2, 4, 9]]


def test_elsewhere_it_is_the_activation() -> None:
    net, x = nn.Sequential(nn.Identity(), nn.ReLU()), torch.tensor([[-1.0, 2.0]])
    assert answers(net, x, Place("1", 0)).tolist() == [[0, 2]]
