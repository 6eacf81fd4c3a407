from pathlib import Path

import pytest
import torch

from door import neocog, refused
from neocog.api.training.prove import differences
from neocog.training.resume.checkpoint import Checkpoint
from runs import WORDS, make_data


def test_the_command_proves_that_its_run_can_be_killed(tmp_path: Path) -> None:
    """Two epochs of 8 batches: fewer steps than are tried."""
    make_data(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    words = (*WORDS, "--epochs", 2, "--average", "ema", "--best-by", "top1", "--prove-resume")
    done = neocog(*words, cwd=tmp_path)
    # 10 tensors of the network and 3 of its batch norm, as many averages, as many of the best epoch;
    # adamw has two moments and a counter for each parameter
    parameters, buffers = 8, 3
    tensors = 3 * (parameters + buffers) + 3 * parameters
    assert done.stdout.startswith("identical after 16 steps, 1 stops and 2 kills on the way: ")
    assert f": {tensors} tensors, " in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_what_cannot_be_proved_is_refused(tmp_path: Path) -> None:
    make_data(tmp_path)
    said = refused("train", "data", "--recipe", "probe", "-m", "lenet5", "--prove-resume", cwd=tmp_path)
    assert "has no steps to stop between" in said


@pytest.mark.parametrize(
    ("tensors", "facts", "said"),
    [
        ({"a": torch.ones(3), "b": torch.ones(2)}, {}, None),
        ({"a": torch.tensor([1.0, 1.0, 1.0 + 2**-23]), "b": torch.ones(2)}, {}, "1 of 3 numbers in a differ"),
        ({"a": torch.ones(3)}, {}, "only one of them has the tensor b"),
        ({"a": torch.ones(3), "b": torch.ones(3)}, {}, "b has the shape [2] in one and [3] in the other"),
        ({"a": torch.ones(3), "b": torch.ones(2)}, {"seconds": 9.0}, None),
        ({"a": torch.ones(3), "b": torch.ones(2)}, {"step": 4}, "step is 3 in one and 4 in the other"),
        (
            {"a": torch.ones(3), "b": torch.ones(2)},
            {"rows": [{"lr": 0.1, "seconds": 2.0}]},
            None,
        ),
        (
            {"a": torch.ones(3), "b": torch.ones(2)},
            {"rows": [{"lr": 0.2, "seconds": 1.0}]},
            "rows is [{'lr': 0.1}] in one and [{'lr': 0.2}] in the other",
        ),
    ],
)
def test_a_single_bit_or_figure_is_a_difference_and_the_clock_is_none(
    tensors: dict[str, torch.Tensor], facts: dict[str, object], said: str | None
) -> None:
    known = {"step": 3, "seconds": 1.0, "rows": [{"lr": 0.1, "seconds": 1.0}]}
    one = Checkpoint(3, {"a": torch.ones(3), "b": torch.ones(2)}, known)
    found = list(differences(one, Checkpoint(3, tensors, known | facts)))
    assert found == ([said] if said else [])
