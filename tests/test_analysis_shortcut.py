"""Shapes that are worked out without torch, against torch's own."""

import subprocess
import sys

import pytest
import torch

from neocog.analysis.shortcut import shortcut

SHAPES = [(), (3,), (2, 3), (2, 3, 4)]


def empty(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, device="meta", dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 2, 5])
@torch.no_grad()
def test_a_stack_is_torchs(shape: tuple[int, ...], count: int) -> None:
    for side in range(-len(shape) - 1, len(shape) + 1):
        wanted = torch.stack([torch.zeros(shape)] * count, side)
        for args, kwargs in (
            (([empty(*shape)] * count, side), {}),
            (([empty(*shape)] * count,), {"dim": side}),
        ):
            found = shortcut("stack", args, kwargs, False)
            assert found is not None
            assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)


@pytest.mark.parametrize("sides", [0, -1, (1,), (0, 2), [0, 1, 2]])
@pytest.mark.parametrize("keep", [False, True])
@torch.no_grad()
def test_a_sum_is_torchs(sides: int | tuple[int, ...] | list[int], keep: bool) -> None:
    wanted = torch.zeros(2, 3, 4).sum(sides, keep)  # type: ignore[arg-type]
    for args, kwargs in (
        ((empty(2, 3, 4), sides, keep), {}),
        ((empty(2, 3, 4),), {"dim": sides, "keepdim": keep}),
    ):
        found = shortcut("sum", args, kwargs, False)
        assert found is not None
        assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)


@torch.no_grad()
def test_what_torch_refuses_or_retypes_is_left_to_torch() -> None:
    assert shortcut("stack", ([empty(2), empty(3)], 0), {}, False) is None
    assert shortcut("stack", ([empty(2)], 2), {}, False) is None
    assert shortcut("stack", ([empty(2), empty(2, dtype=torch.float64)], 0), {}, False) is None
    assert shortcut("sum", (empty(2, dtype=torch.int32), 0), {}, False) is None  # sums of int32 are int64
    assert shortcut("sum", (empty(2), 0), {"dtype": torch.float64}, False) is None
    assert shortcut("square", (empty(2, dtype=torch.int32),), {}, False) is None


def test_lenet5_is_traced_without_loading_torchs_compiler() -> None:
    """Which takes seconds, and is what some calls on meta do first."""
    code = (
        "import sys; from neocog.experiments.networks import Networks; "
        "Networks().summary('lenet5', (1, 32, 32)); print('torch._dynamo.trace_rules' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "False"
