"""The machine changes how steps are computed, and not what they learn."""

import json
import platform
import re
import resource
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.models import build
from neocog.runtime import pages_kept
from neocog.training.machine import PLAIN, Machine, chosen_machine, prepared
from neocog.training.network.recomputing import blocks, recomputed

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Two threads on a busy machine would wait for each other most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


def residual() -> nn.Module:
    torch.manual_seed(0)
    return build("resnet20_cifar").train()


def learned(net: nn.Module, model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Gradients and buffers after a step's forward and backward, the drawn numbers always the same."""
    torch.manual_seed(1)
    model(x).square().sum().backward()
    tensors = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    return tensors | dict(net.named_buffers())


@pytest.mark.parametrize("name", ["resnet20_cifar", "vit_tiny_patch16_224"])
def test_recomputing_changes_no_gradient_no_statistic_and_no_drawn_number(name: str) -> None:
    options = {"dropout": 0.3, "drop_path": 0.3} if "vit" in name else {}
    net = build(name, **options).train()
    for parameter in net.parameters():  # zeros at the start would hide a block
        nn.init.normal_(parameter, 0.02, 0.05)
    side = 224 if "vit" in name else 16
    x, other = torch.randn(2, 3, side, side), deepcopy(net)
    expected = learned(net, net, x)
    found = learned(other, prepared(other, replace(PLAIN, recompute=True)), x)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_recomputing_keeps_only_what_enters_the_blocks() -> None:
    """Bytes that autograd saves for the way back, counted as they are saved."""

    def saved(net: nn.Module) -> int:
        kept: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            kept[tensor.data_ptr()] = tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            net(torch.randn(8, 3, 32, 32))
        return sum(kept.values())

    plain, spared = residual(), residual()
    recomputed(spared)
    assert saved(spared) < saved(plain) / 2


def test_blocks_are_those_of_the_papers() -> None:
    """Nine residual blocks of CIFAR's ResNet-20; 3, 4, 6 and 3 of ResNet-50; twelve encoder layers."""
    assert len(blocks(residual())) == 9
    with torch.device("meta"):
        found = [name.split(".")[0] for name in blocks(build("resnet50"))]
        assert [found.count(f"layer{i}") for i in (1, 2, 3, 4)] == [3, 4, 6, 3]
        assert blocks(build("vit_tiny_patch16_224")) == [f"blocks.{i}" for i in range(12)]


def test_recomputing_a_network_without_blocks_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"needs a network of blocks.*got Classifier without any; leave it out"
    ):
        recomputed(build("lenet5_modern"))


def test_recomputing_leaves_evaluation_and_names_alone() -> None:
    net, x = residual().eval(), torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        expected = net(x)
        names = list(net.state_dict())
        recomputed(net)
        assert torch.equal(net(x), expected)
    assert list(net.state_dict()) == names


def test_channels_last_computes_the_same_network() -> None:
    net, x = residual(), torch.randn(4, 3, 16, 16)
    other = deepcopy(net)
    model = prepared(other, replace(PLAIN, channels_last=True))
    assert other.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
    expected, found = learned(net, net, x), learned(other, model, x)
    for key in expected:
        torch.testing.assert_close(found[key], expected[key], rtol=1e-3, atol=1e-3)


def test_choosing_leaves_the_network_and_the_random_numbers_alone() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 3)
    )
    sample = torch.randn(8, 1, 8, 8)
    before, drawn = deepcopy(net.state_dict()), torch.get_rng_state()
    net.eval()
    machine = chosen_machine(net, sample, CPU)
    after = net.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert not net.training
    assert machine.channels_last
    assert machine.keep_pages
    assert machine.threads in (1, torch.get_num_threads())
    assert all(machine.why)


class Rounds(nn.Module):
    """Refuses bfloat16, as an operation without a kernel for it does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        x = self.layer(x.flatten(1))
        if x.dtype == torch.bfloat16:
            raise RuntimeError("not implemented for 'BFloat16'")
        return x, {"aside": x}


def test_an_operation_that_lacks_bfloat16_is_computed_in_float32() -> None:
    assert chosen_machine(Rounds(), torch.randn(2, 1, 2, 2), CPU).precision == "float32"


def test_a_precision_that_the_user_names_is_taken() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    machine = chosen_machine(net, torch.randn(2, 1, 2, 2), CPU, "bfloat16")
    with machine.autocast():
        assert net(torch.randn(2, 1, 2, 2)).dtype == torch.bfloat16
    with PLAIN.autocast():
        assert net(torch.randn(2, 1, 2, 2)).dtype == torch.float32
    assert not machine.channels_last


def test_a_machine_comes_back_from_json_as_it_was() -> None:
    machine = Machine("bfloat16", True, 2, True, True, True, ("because",))
    found = Machine.from_json(json.loads(json.dumps(machine.to_json())))
    assert found == machine
    assert found.why == machine.why


def test_where_all_threads_are_one_there_is_nothing_to_choose() -> None:
    machine = chosen_machine(Rounds(), torch.randn(2, 1, 2, 2), CPU, "float32")
    assert machine.threads == 1
    assert machine.why == ("computes in float32", "trains with 1 thread, all there is")


def test_the_number_of_threads_is_one_or_all_and_is_said_with_both_times() -> None:
    torch.set_num_threads(2)
    try:
        machine = chosen_machine(Rounds(), torch.randn(2, 1, 2, 2), CPU, "float32")
    finally:
        torch.set_num_threads(1)
    said = re.fullmatch(
        r"trains with (\d) threads?: a pass took ([\d.]+) ms with 1 and ([\d.]+) ms with 2", machine.why[1]
    )
    assert said
    chosen, alone, together = int(said[1]), float(said[2]), float(said[3])
    assert machine.threads == chosen
    assert chosen == 1 or together <= alone / 1.2  # two have to be well faster for so small a network


@pytest.mark.parametrize(
    ("given", "words"), [({"precision": "float16"}, "unknown precision"), ({"threads": 0}, "at least 1")]
)
def test_a_machine_that_cannot_be_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Machine(**given)  # type: ignore[arg-type]


def test_threads_are_the_machines_inside_and_the_users_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), replace(PLAIN, threads=before + 1).settled():
        assert torch.get_num_threads() == before + 1
        raise KeyError


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc is meant")
def test_kept_pages_are_given_by_the_system_once() -> None:
    """The kernel's own count of pages: 64 MiB are 16,384 of them, at each use anew or at the first alone."""

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(4):
            torch.ones(64 * 2**20, dtype=torch.uint8)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with pages_kept():
        faults()
        kept = faults()
    given_anew = faults()
    assert kept < 1000
    assert given_anew > 4 * kept + 30
