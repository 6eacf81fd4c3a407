"""The range test of a planned run, on real digits."""

from math import log

import pytest
import torch

from neocog.api.training.find_lr import find_lr_for
from neocog.api.training.plan import make_plan
from neocog.data.source import open_dataset
from neocog.errors import UserError
from neocog.progress import Silent


@pytest.mark.parametrize("optimizer", ["adamw", "sdlm"])
def test_the_plan_of_digits_has_a_rate_that_learns(optimizer: str) -> None:
    """It starts where ten classes say nothing, at log 10, and ends where the rate is too high."""
    plan = make_plan(open_dataset("builtin/digits"), None, "digits", None, {"optimizer": optimizer})
    state = torch.get_rng_state()
    curve = find_lr_for(plan, Silent())
    assert torch.equal(state, torch.get_rng_state())
    assert curve.losses[0] == pytest.approx(log(10), abs=0.1)
    assert min(curve.smoothed) < log(10) - 0.3
    assert curve.suggestion is not None and curve.suggestion < curve.rates[-1] / 10


def test_a_frozen_network_has_no_rate() -> None:
    plan = make_plan(open_dataset("builtin/digits"), "lenet5_modern", "probe", None, {})
    with pytest.raises(UserError, match="probe has no learning rate"):
        find_lr_for(plan, Silent())
