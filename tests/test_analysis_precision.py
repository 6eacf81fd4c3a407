"""The types that a trace gives to tensors within torch.autocast are those that a processor makes."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import neocog
from neocog.analysis.memory import saved_for_backward
from neocog.analysis.trace import trace
from networks import Net, conv

Call = Callable[[Tensor], Tensor]
CALLS: dict[str, Call] = {
    "conv_transpose2d": lambda x: F.conv_transpose2d(x, torch.ones(4, 2, 3, 3, device=x.device)),
    "linear": lambda x: F.linear(x, torch.ones(3, 8, device=x.device)),
    "matmul": lambda x: x @ x.transpose(2, 3),
    "einsum": lambda x: torch.einsum("bchw,bchv->bcwv", x, x),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "prelu": lambda x: F.prelu(x, torch.ones(4, device=x.device)),
    "softmax": lambda x: x.softmax(1),
    "group_norm": lambda x: F.group_norm(x, 2),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "avg_pool3d": lambda x: F.avg_pool3d(x, 2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 2),
    "prod": lambda x: x.prod(1),
    "sum": lambda x: x.sum(1),
    "exp": lambda x: x.exp(),
    "reflection": lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    "zeros": lambda x: F.pad(x, (1, 1, 1, 1)),
    "gelu": lambda x: F.gelu(x),
    "sum of two types": lambda x: x + x.float(),
    "both in one": lambda x: torch.cat([x, x.float()]),
    "local_response_norm": lambda x: F.local_response_norm(x, 3),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("given", [torch.float32, torch.bfloat16])
def test_types_within_autocast_are_those_of_the_processor(name: str, given: torch.dtype) -> None:
    def run(m: nn.Module, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return CALLS[name](x.to(given))

    net = Net(run)
    with torch.no_grad():
        real = net(torch.rand(1, 4, 8, 8))
    last = trace(net, (4, 8, 8)).ops[-1]
    assert (last.dtype, last.shape) == (real.dtype, tuple(real.shape))


def within(m: nn.Module, x: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y: Tensor = m.b(F.relu(m.a(x)))
    return y.float().mean((2, 3))


def test_memory_follows_the_type_and_multiply_adds_do_not() -> None:
    layers = {"a": conv(3, 8), "b": conv(8, 4)}
    net, plain = Net(within, **layers), nn.Sequential(layers["a"], nn.ReLU(), layers["b"])
    cast = neocog.summary(net, input_size=(3, 12, 12))
    full = neocog.summary(plain, input_size=(3, 12, 12))
    assert [row.memory_bytes for row in cast.rows[:2]] == [8 * 10 * 10 * 2, 4 * 8 * 8 * 2]
    assert [row.memory_bytes for row in full.rows] == [8 * 10 * 10 * 4, 4 * 8 * 8 * 4]
    assert cast.summary.macs == full.summary.macs
    assert cast.check().ok


def test_what_is_kept_for_backward_is_what_the_processor_keeps() -> None:
    net = Net(within, a=conv(3, 8), b=conv(8, 4))
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    own = {p.untyped_storage()._cdata for p in net.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        net(torch.rand(1, 3, 12, 12))
    real = sum(t.untyped_storage().nbytes() for key, t in kept.items() if key not in own)
    assert saved_for_backward(net, (3, 12, 12)) == real


def test_a_gpus_rules_are_those_of_torchs_documentation() -> None:
    """Autocast op reference: matmul to float16, softmax to float32, pools as they come."""

    def run(m: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
        before = torch.is_autocast_enabled("cuda")
        torch.set_autocast_enabled("cuda", True)  # the context itself asks for a GPU
        try:
            y = x @ x
            return y, y.softmax(-1), F.avg_pool2d(y, 2), F.layer_norm(y, (8,))
        finally:
            torch.set_autocast_enabled("cuda", before)

    kinds = [op.dtype for op in trace(Net(run), (4, 8, 8)).ops]
    assert kinds == [torch.float32, torch.float16, torch.float32, torch.float16, torch.float32]
