"""Several real processes on gloo: what they add up, the gradients they share, and how they end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from door import neocog
from neocog import runtime
from neocog.data.loading.order import Order, Position
from neocog.data.loading.pictures import Labelled
from neocog.data.preprocess import Preprocess
from neocog.errors import ToldElsewhere, UserError
from neocog.progress import Silent
from neocog.training.loop import Setting, Task, train_loop
from neocog.training.processes.distributed import World, distributed, joined, left_out
from neocog.training.recipes.recipe import Recipe
from worlds import LIMIT, free_port, in_world, neocog_in_world, variables

CPU = torch.device("cpu")
PICTURES, CLASSES = 23, 3
LARGE = 2**53 + 1  # no float64 is this number


def told(world: World) -> dict[str, object]:
    """What each process learns from the others."""
    return {
        "world": world,
        "first": world.first,
        "threads": torch.get_num_threads(),
        "whole": world.sum([LARGE + world.rank, -5, True]),
        "mixed": world.sum([world.rank, 0.1 * 3**world.rank]),
        "nothing": world.sum([]),
        "any": [world.any(world.rank == rank) for rank in (0, world.size - 1, world.size)],
        "waited": world.barrier(),
    }


@pytest.mark.parametrize("size", [2, 3])
def test_numbers_are_added_exactly_and_alike(size: int) -> None:
    answers = in_world(size, told)
    floats = [0.1 * 3**rank for rank in range(size)]
    for rank, answer in enumerate(answers):
        assert answer["world"] == World(rank, size, rank)
        assert answer["first"] == (rank == 0)
        assert answer["threads"] == max(1, runtime.threads() // size)
        assert answer["whole"] == [LARGE * size + sum(range(size)), -5 * size, size]
        assert answer["mixed"] == pytest.approx([sum(range(size)), sum(floats)], rel=1e-15)
        assert answer["mixed"] == answers[0]["mixed"]
        assert [type(value) for value in answer["mixed"]] == [int, float]
        assert answer["nothing"] == []
        assert answer["any"] == [True, True, False]


def test_alone_there_is_no_group_and_the_net_stays_bare(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Sequential(nn.BatchNorm2d(3))
    for environment in ({}, {"WORLD_SIZE": "1", "RANK": "0"}):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with joined(CPU) as world:
            assert not dist.is_initialized()
            assert world == World(0, 1, 0)
            assert world.sum([LARGE, 0.5]) == [LARGE, 0.5]
            assert (world.any(True), world.any(False)) == (True, False)
            world.barrier()
            assert distributed(net, world, CPU) is net
    assert "forward" not in vars(net[0])


COMPLETE = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "9"}


@pytest.mark.parametrize(
    ("changed", "device", "message"),
    [
        (
            {"LOCAL_RANK": "", "MASTER_PORT": ""},
            "cpu",
            "LOCAL_RANK and MASTER_PORT is missing; start them with",
        ),
        ({"RANK": "one"}, "cpu", "must be whole numbers: .*'one'"),
        ({"RANK": "2"}, "cpu", r"RANK must lie in 0..WORLD_SIZE - 1, got 2 of 2"),
        ({}, "mps", "train on cpu or cuda devices, got mps; use --device cpu"),
        ({"LOCAL_RANK": "99"}, "cuda", r"a CUDA device of its own, got \d+ for local rank 99"),
    ],
)
def test_processes_that_cannot_meet_are_refused_in_words(
    changed: dict[str, str], device: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (COMPLETE | changed).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message), joined(torch.device(device)):
        pass


def network() -> nn.Module:
    torch.manual_seed(4)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(96, 5),
        nn.Linear(5, CLASSES),
    )
    net[5].weight.requires_grad_(False)  # frozen
    return net.double()


def pictures() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(9)
    x = torch.randn(PICTURES, 3, 6, 6, generator=generator, dtype=torch.float64)
    return x, torch.arange(PICTURES) % CLASSES


class Halved(nn.Module):
    """Reads one of its two heads, or gives a tuple as networks with auxiliary heads do."""

    def __init__(self, both: bool) -> None:
        super().__init__()
        self.both = both
        self.norm, self.used, self.other = nn.BatchNorm2d(3), nn.Linear(48, 2), nn.Linear(48, 2)
        self.used.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor | None]:
        x = F.dropout(self.norm(x).flatten(1), training=self.training)
        return (self.used(x), self.other(x)) if self.both else (self.used(x), None)


@pytest.mark.parametrize(("both", "expected"), [(True, []), (False, ["other.weight", "other.bias"])])
def test_parameters_that_take_no_part_are_found_without_a_trace(both: bool, expected: list[str]) -> None:
    net = Halved(both).eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    drawn = torch.get_rng_state()
    assert left_out(net, torch.randn(2, 3, 4, 4, generator=torch.Generator())) == expected
    assert torch.get_rng_state().equal(drawn)
    assert not net.training
    assert all(tensor.equal(before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def trained(world: World, dtype: torch.dtype, unused: bool) -> tuple[list[Tensor], str, int]:
    """Gradients of the first step, the weights' hash and the pictures seen after an epoch in global batches of 8."""
    x, y = pictures()
    net = network().to(dtype)
    if unused:
        net.register_parameter("aside", nn.Parameter(torch.ones(2)))
    whole = distributed(net, world, CPU, unused=unused)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1, momentum=0.9)
    order = Order(size=PICTURES, batch_size=8, seed=2, rank=world.rank, world=world.size)
    first: list[Tensor] = []
    seen = 0
    for picks in order.batches(Position(2, 0)):
        mine = torch.from_numpy(picks.indices)
        (count,) = world.sum([len(mine)])
        optimizer.zero_grad()
        loss = F.cross_entropy(whole(x[mine].to(dtype)), y[mine], reduction="sum")
        (loss / count * world.size).backward()
        first = first or [p.grad.clone() for p in net.parameters() if p.grad is not None]
        optimizer.step()
        seen += count
    state = net.state_dict()
    digest = sha256(b"".join(tensor.numpy().tobytes() for tensor in state.values())).hexdigest()
    assert not any(name.startswith("module.") for name in state)
    return [*first, *state.values()], digest, seen


@pytest.mark.parametrize(
    ("size", "dtype", "near"),
    [(2, torch.float32, 1e-6), (2, torch.float64, 1e-12), (3, torch.float64, 1e-12)],
)
def test_gradients_and_weights_are_those_of_one_process_with_the_whole_batch(
    size: int, dtype: torch.dtype, near: float
) -> None:
    """Batches of 8, 8 and 7 pictures, which the processes share unequally; some parameters frozen, some not used."""
    expected, _, _ = trained(World(), dtype, unused=True)
    answers = in_world(size, trained, dtype, True)
    for found, digest, seen in answers:
        assert digest == answers[0][1], "other weights in another process"
        assert seen == PICTURES
        for tensor, right in zip(found, expected, strict=True):
            torch.testing.assert_close(tensor, right, rtol=near, atol=near)


def test_the_same_run_twice_has_the_same_bits() -> None:
    first, second = (in_world(2, trained, torch.float32, False) for _ in range(2))
    assert [digest for _, digest, _ in first] == [digest for _, digest, _ in second]


def looped(world: World) -> dict[str, Tensor]:
    """Two epochs of the loop, batch norm and part of a linear layer frozen."""
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 6), nn.Linear(6, CLASSES))
    generator = torch.Generator().manual_seed(1)
    for parameter in net.parameters():
        parameter.data.uniform_(-0.2, 0.2, generator=generator)
    pixels = np.random.default_rng(0).integers(0, 256, (PICTURES, 4, 4, 3), np.uint8)
    part = Labelled(pixels, np.arange(PICTURES) % CLASSES)
    recipe = Recipe(epochs=2, batch_size=8, freeze=("0.*", "2.weight"))
    train_loop(net, Task(part, part, Preprocess(size=(4, 4))), recipe, 5, Silent(), Setting(world=world))
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def test_the_loop_freezes_before_processes_share_gradients() -> None:
    expected = looped(World())
    for found in in_world(2, looped):
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5)


def fails_in_one(world: World, how: str) -> None:
    world.barrier()
    if world.rank == world.size - 1:
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("a picture of another world")
    world.barrier()


@pytest.mark.parametrize("how", ["killed", "error"])
def test_the_others_are_told_when_one_ends_and_nobody_hangs(how: str) -> None:
    *others, last = in_world(3, fails_in_one, how)
    assert (last is None) if how == "killed" else (repr(last) == "ValueError('a picture of another world')")
    assert len(others) == 2 and all(isinstance(error, UserError) for error in others)
    told = [str(error) for error in others if not isinstance(error, ToldElsewhere)]
    assert len(told) <= 1 and all("this one lost another" in text for text in told)  # the third may have told
    assert told or how == "error"


@pytest.fixture
def kept_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[dist.TCPStore, dict[str, str]]]:
    """As torchrun keeps one for all attempts, and how it tells the processes."""
    port = free_port()
    store = dist.TCPStore("127.0.0.1", port, None, True, timedelta(seconds=60), wait_for_workers=False)
    yield store, {"MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "True"}


def killed_or_ranks(world: World, killed: bool) -> int:
    world.barrier()
    if killed:
        os.kill(os.getpid(), signal.SIGKILL)
    return world.sum([10**world.rank])[0]


def test_started_again_the_processes_find_the_living_in_a_store_full_of_the_dead(
    kept_store: tuple[dist.TCPStore, dict[str, str]],
) -> None:
    """pytorch issue 135712. The dead left their addresses, and some who had not met anyone yet left their words."""
    store, kept = kept_store
    for attempt in range(4):
        killed = attempt < 3
        answers = in_world(3, killed_or_ranks, killed, told=kept)
        assert answers == ([None] * 3 if killed else [111] * 3)
        store.set("word/1", f"of one who died before the meeting {attempt}")


def test_the_command_learns_the_same_from_each_picture_in_one_process_and_in_three(tmp_path: Path) -> None:
    """1,438 pictures in global batches of at most 64 are shared unequally; 359 are judged, a third by each."""
    words = (
        *("train", "builtin/digits", "-m", "lenet5_modern", "--epochs", 1, "--precision", "float32"),
        "-o",
    )
    neocog(*words, "one", cwd=tmp_path)
    codes, out, err = zip(*neocog_in_world(3, *words, "three", cwd=tmp_path), strict=True)
    assert codes == (0, 0, 0), err
    assert "accuracy" in out[0]
    assert out[1:] == err[1:] == ("", "")  # only the first speaks
    one, three = (load_file(tmp_path / run / "model.safetensors") for run in ("one", "three"))
    assert set(one) == set(three)
    for name, tensor in one.items():
        torch.testing.assert_close(three[name], tensor, rtol=1e-3, atol=1e-4)
    rows = [(tmp_path / run / "predictions.csv").read_text().splitlines() for run in ("one", "three")]
    assert len(rows[0]) == len(rows[1]) == 360
    pictures = [[row.split(",")[0] for row in part] for part in rows]
    assert pictures[0] == pictures[1]


@pytest.fixture
def two_hosts() -> Iterator[list[str]]:
    """Network namespaces joined by a virtual cable: each has addresses of its own and no way to the other but that."""
    hosts = [f"neocog{os.getpid()}{side}" for side in "ab"]
    ends = [f"nc{os.getpid()}{side}" for side in "ab"]
    commands = [f"netns add {host}" for host in hosts] + [f"link add {ends[0]} type veth peer name {ends[1]}"]
    for number, (host, end) in enumerate(zip(hosts, ends, strict=True)):
        inside = f"-n {host}"
        commands += [
            f"link set {end} netns {host}",
            f"{inside} link set {end} name cable",
            f"{inside} addr add 10.213.0.{number + 1}/24 dev cable",
            f"{inside} link set cable up",
            f"{inside} link set lo up",
        ]
    try:
        for command in commands:
            done = subprocess.run(["ip", *command.split()], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"no network namespaces here: {done.stderr.strip()}")
        yield hosts
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "del", host], capture_output=True)


SCRIPT = """
import torch
from neocog.training.processes.distributed import joined
from test_training_distributed import trained
with joined(torch.device("cpu")) as world:
    print(trained(world, torch.float32, False)[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ip") is None, reason="needs the command ip")
def test_two_hosts_learn_the_bits_of_two_processes_on_one(two_hosts: list[str]) -> None:
    started = []
    for rank, host in enumerate(two_hosts):
        numbers = variables(rank, 2, 29400) | {"MASTER_ADDR": "10.213.0.1", "GLOO_SOCKET_IFNAME": "cable"}
        environment = os.environ | numbers | {"PYTHONPATH": os.pathsep.join(sys.path)}
        words = ["ip", "netns", "exec", host, sys.executable, "-c", SCRIPT]
        started.append(subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True))
    found = [process.communicate(timeout=LIMIT)[0].strip() for process in started]
    assert found == [digest for _, digest, _ in in_world(2, trained, torch.float32, False)]
