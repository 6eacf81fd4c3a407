"""Memory against real autograd, hand-made schedules, a literal schedule, and the lecture's column."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from neocog.analysis.memory import (
    inference_peak,
    largest_batch,
    parameter_bytes,
    saved_for_backward,
    training_bytes,
)
from neocog.analysis.table import summarize
from neocog.analysis.trace import trace
from neocog.errors import UserError
from neocog.models import MODELS, build
from reference.schedule import Step, peak

SMALL = {
    "lenet5": 32, "lenet_caffe": 28, "alexnet": 95, "vgg11_bn": 32, "zfnet": 207,
    "googlenet_2014": 64, "resnet18_a": 32, "resnet50_v1": 32, "resnet20_cifar": 32,
    "resnetv2_50x1_bit": 32, "efficientnet_b0": 32, "efficientnet_lite0": 32,
}  # fmt: skip


def kept_by_autograd(net: nn.Module, x: Tensor) -> int:
    """Bytes of the memory blocks that a real forward keeps, other than the network's own."""
    own = {t.untyped_storage().data_ptr() for t in [*net.parameters(), *net.buffers()]}
    blocks: dict[int, tuple[int, Tensor]] = {}

    def keep(tensor: Tensor) -> Tensor:
        block = tensor.untyped_storage()
        if block.data_ptr() not in own:
            blocks[block.data_ptr()] = (block.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        net(x)
    return sum(size for size, _ in blocks.values())


class Net(nn.Module):
    """A function of tensors as a network, with layers by name."""

    def __init__(self, function: Callable[..., object], **layers: nn.Module):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> object:
        return self.function(self, x)


@pytest.mark.parametrize("name", SMALL)
def test_what_is_saved_on_meta_is_what_a_cpu_saves(name: str) -> None:
    with torch.device("meta"):
        net = build(name)
    net = net.to_empty(device="cpu").train()
    size = (MODELS[name].input_size[0], SMALL[name], SMALL[name])
    assert saved_for_backward(net, size, batch=2) == kept_by_autograd(net, torch.zeros(2, *size))


def test_alexnet_keeps_3_61_mib_and_3_58_without_its_adaptive_pool() -> None:
    """In training, one picture of 227; the adaptive pool changes nothing at this size but keeps its input, 36 KiB."""
    with torch.device("meta"):
        net = build("alexnet")
    net = net.to_empty(device="cpu").train()
    saved = saved_for_backward(net, (3, 227, 227))
    assert saved == kept_by_autograd(net, torch.zeros(1, 3, 227, 227))
    assert round(saved / 2**20, 3) == 3.610
    assert round((saved - 256 * 6 * 6 * 4) / 2**20, 3) == 3.575


def test_saved_in_double_precision_is_what_a_cpu_saves() -> None:
    net = build("resnet20_cifar")
    real = kept_by_autograd(build("resnet20_cifar").double().train(), torch.zeros(2, 3, 32, 32).double())
    assert saved_for_backward(net, (3, 32, 32), 2, torch.float64) == real


def test_fused_attention_counts_as_its_plain_form() -> None:
    """What a fused kernel saves is less: the plain form's attention weights are the difference's larger part."""

    def attend(net: nn.Module, x: Tensor) -> Tensor:
        q = net.get_submodule("q")(x)
        return torch.nn.functional.scaled_dot_product_attention(q, q, q)

    net, x = Net(attend, q=nn.Linear(8, 8)), torch.zeros(1, 2, 40, 8)
    weights = 2 * 40 * 40 * 4
    assert saved_for_backward(net, (2, 40, 8)) - kept_by_autograd(net, x) >= weights


def test_the_random_state_and_the_network_are_left_alone() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    state, before = torch.random.get_rng_state(), {k: v.clone() for k, v in net.state_dict().items()}
    saved_for_backward(net, (3, 9, 9))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


# each tensor is 400 bytes: one picture of 1 x 10 x 10
def chain(net: nn.Module, x: Tensor) -> Tensor:
    return x.sin().cos().exp()


def residual(net: nn.Module, x: Tensor) -> Tensor:
    y = x.sin()
    return y.cos().exp() + y


def concatenated(net: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([x.sin(), x.cos(), x.exp()], 1)


def in_place(net: nn.Module, x: Tensor) -> Tensor:
    return x.sin().relu_().mul_(2).exp()


def views(net: nn.Module, x: Tensor) -> Tensor:
    return x.sin().flatten(1).view(1, 10, 10).transpose(1, 2).exp()


def reused_late(net: nn.Module, x: Tensor) -> Tensor:
    y = x.sin()
    return y.cos().exp().sin() + x


def returned_early(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    y = x.sin()
    return y, y.cos().exp().sin()


SCHEDULES: dict[str, tuple[Callable[..., object], list[Step], int]] = {
    "chain": (
        chain,
        [Step("x", 400), Step("a", 400, ("x",)), Step("b", 400, ("a",)), Step("c", 400, ("b",), True)],
        800,
    ),
    "residual": (
        residual,
        [
            Step("x", 400), Step("y", 400, ("x",)), Step("a", 400, ("y",)), Step("b", 400, ("a",)),
            Step("s", 400, ("b", "y"), True),
        ],
        1200,
    ),
    "concatenation": (
        concatenated,
        [
            Step("x", 400), Step("a", 400, ("x",)), Step("b", 400, ("x",)), Step("c", 400, ("x",)),
            Step("s", 1200, ("a", "b", "c"), True),
        ],
        2400,
    ),
    "in place": (
        in_place,
        [
            Step("x", 400), Step("a", 400, ("x",)), Step("a", 400, ("a",)), Step("a", 400, ("a",)),
            Step("b", 400, ("a",), True),
        ],
        800,
    ),
    "views": (
        views,
        [
            Step("x", 400), Step("a", 400, ("x",)), Step("a", 400, ("a",)), Step("a", 400, ("a",)),
            Step("a", 400, ("a",)), Step("b", 400, ("a",), True),
        ],
        800,
    ),
    "returned early": (
        returned_early,
        [
            Step("x", 400), Step("y", 400, ("x",), True), Step("a", 400, ("y",)), Step("b", 400, ("a",)),
            Step("c", 400, ("b",), True),
        ],
        1200,
    ),
    "read again late": (
        reused_late,
        [
            Step("x", 400), Step("y", 400, ("x",)), Step("a", 400, ("y",)), Step("b", 400, ("a",)),
            Step("c", 400, ("b",)), Step("s", 400, ("c", "x"), True),
        ],
        1200,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_peak_is_that_of_the_schedule_by_hand(name: str) -> None:
    function, steps, by_hand = SCHEDULES[name]
    assert peak(steps) == by_hand
    assert inference_peak(trace(Net(function), (1, 10, 10))) == by_hand


@pytest.mark.parametrize(
    "name", ["alexnet", "resnet18", "googlenet", "vit_tiny_patch16_224", "resnet20_cifar"]
)
def test_the_peak_is_that_of_the_literal_schedule(name: str) -> None:
    with torch.device("meta"):
        record = trace(build(name), MODELS[name].input_size, batch=2)
    steps = [
        Step(
            str(op.storage),
            op.dtype.itemsize * torch.Size(op.shape).numel(),
            tuple(str(record.ops[i].storage) for i in op.inputs),
            op.output,
        )
        for op in record.ops
    ]
    assert inference_peak(record) == peak(steps) + parameter_bytes(record)


@pytest.mark.parametrize(("optimizer", "numbers"), [("sgd", 2), ("momentum", 3), ("adam", 4)])
def test_training_takes_weights_gradients_and_the_optimizers_numbers(optimizer: str, numbers: int) -> None:
    """A frozen layer has neither gradient nor state. The optimizer's own state tells the numbers."""
    net = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3))
    net[0].requires_grad_(False)
    saved = saved_for_backward(net, (4, 5))
    assert training_bytes(net, (4, 5), optimizer=optimizer) - saved == 4 * (
        (5 * 7 + 7) + numbers * (7 * 3 + 3)
    )


@pytest.mark.parametrize(
    ("optimizer", "real"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, 0.1)),
        ("momentum", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
        ("adam", lambda p: torch.optim.Adam(p)),
    ],
)
def test_states_are_those_that_torchs_optimizers_keep(
    optimizer: str, real: Callable[..., torch.optim.Optimizer]
) -> None:
    net = nn.Linear(50, 70)
    steps = real(net.parameters())
    net(torch.zeros(1, 50)).sum().backward()
    steps.step()
    kept = [v for state in steps.state.values() for v in state.values() if isinstance(v, Tensor) and v.dim()]
    own = sum(v.nbytes for v in [*kept, *(p.grad for p in net.parameters() if p.grad is not None)])
    own += sum(p.nbytes for p in net.parameters())
    assert training_bytes(net, (50, 50), optimizer=optimizer) - saved_for_backward(net, (50, 50)) == own


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", ["lenet5_modern", "resnet20_cifar", "vit_tiny_patch16_224"])
def test_the_largest_batch_fits_and_one_more_does_not(name: str, dtype: torch.dtype) -> None:
    with torch.device("meta"):
        net, size = build(name), MODELS[name].input_size
    memory = training_bytes(net, size, 1, "adam", dtype) + 40_000_000
    most = largest_batch(net, size, memory, "adam", dtype)
    assert training_bytes(net, size, most, "adam", dtype) <= memory
    assert training_bytes(net, size, most + 1, "adam", dtype) > memory


def test_the_largest_batch_is_exact_at_the_last_byte() -> None:
    net = build("lenet5_modern")
    memory = training_bytes(net, (1, 32, 32), 9)
    assert [largest_batch(net, (1, 32, 32), memory - byte) for byte in (0, 1)] == [9, 8]


def test_no_batch_fits_where_the_weights_do_not() -> None:
    net = build("lenet5_modern")
    assert largest_batch(net, (1, 32, 32), 1000) == 0
    assert largest_batch(net, (1, 32, 32), training_bytes(net, (1, 32, 32)) - 1) == 0
    assert largest_batch(net, (1, 32, 32), training_bytes(net, (1, 32, 32))) == 1


def test_an_unknown_optimizer_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="optimizer 'adm'.*adam"):
        training_bytes(nn.Linear(5, 5), (4, 5), optimizer="adm")


def test_the_lectures_memory_column() -> None:
    """KiB of each layer's output at 227 pixels, as the lecture prints them, rounded half up."""
    with torch.device("meta"):
        rows = summarize(build("alexnet"), (3, 227, 227)).rows
    column = {row.layer: int(row.memory_bytes / 1024 + 0.5) for row in rows}
    printed = {
        "conv1": 784, "pool1": 182, "conv2": 547, "pool2": 127, "conv3": 254, "conv4": 169, "conv5": 169, "pool5": 36,
        "flatten": 36, "fc6": 16, "fc7": 16, "fc8": 4,
    }  # fmt: skip
    assert column == printed
