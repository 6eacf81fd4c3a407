"""Several processes that train one network: how they meet, add up numbers, and share gradients and batch norm.

torchrun starts them, or anything else that sets the same variables. One process alone needs none of this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from inspect import signature
from time import monotonic, sleep
from typing import TypeVar
from uuid import uuid4

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import distributed_c10d
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from neocog import runtime
from neocog.errors import ToldElsewhere, UserError
from neocog.layers.sync_batch_norm import synchronised
from neocog.training.apart import apart

ANSWER = timedelta(
    seconds=60
)  # a process that is later than this to a sum counts as lost; torch waits for 30 minutes
START = timedelta(minutes=5)  # from the first process to the last: some may still be importing torch
NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class World:
    """The processes of a run, seen from one of them. All must call each method."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """among those on this machine"""

    @property
    def first(self) -> bool:
        """The one that speaks and writes files."""
        return self.rank == 0

    def sum(self, values: Sequence[Number]) -> list[Number]:
        """Each value added up over the processes, the same bits in all: whole numbers in int64, others in float64."""
        if self.size == 1:
            return list(values)
        summed = list(values)
        for kind, dtype in ((int, torch.int64), (float, torch.float64)):
            rows = [i for i, value in enumerate(values) if isinstance(value, kind)]
            sums = torch.tensor([values[i] for i in rows], dtype=dtype, device=self._device())
            if rows:
                dist.all_reduce(sums)
            for i, value in zip(rows, sums.tolist(), strict=True):
                summed[i] = value
        return summed

    def any(self, flag: bool) -> bool:
        """Whether it is true in one of them."""
        return self.sum([int(flag)])[0] > 0

    def barrier(self) -> None:
        """Wait until all are here."""
        self.sum([0])

    def _device(self) -> torch.device:
        return torch.device("cuda", self.local_rank) if dist.get_backend() == "nccl" else torch.device("cpu")


@contextmanager
def joined(device: torch.device, answer: timedelta = ANSWER) -> Iterator[World]:
    """The processes that were started together, until the end of the `with`; alone where WORLD_SIZE is 1 or not set.

    They speak through gloo on a CPU, through NCCL on CUDA devices, of which each process makes that of its local rank
    the current one. The processes of a machine divide its cores. UserError where a variable or a device is missing,
    where the others do not start, and where one of them ends or does not `answer` in time before all are done.
    """
    world = _told()
    if world.size == 1:
        yield world
        return
    cuda = _check_device(device, world)
    if cuda:
        torch.cuda.set_device(world.local_rank)
    store = _meeting(world)
    with _share_of_cores(), _lost_is_told():
        dist.init_process_group(
            "nccl" if cuda else "gloo",
            store=store,
            rank=world.rank,
            world_size=world.size,
            timeout=answer,
            device_id=torch.device("cuda", world.local_rank) if cuda else None,
        )
        try:
            with _told_once(store), _lost_is_told():
                yield world
        except BaseException:
            _leave(cuda)
            raise
        dist.destroy_process_group()


def distributed(net: nn.Module, world: World, device: torch.device, unused: bool = False) -> nn.Module:
    """`net` on `device` so that its gradients are the mean over the processes; alone, `net` itself.

    Its batch norms use the pictures of all processes. Hence the running statistics have the same bits everywhere, and
    are not sent around before each pass. `unused`: some parameters are `left_out`, which must be told and costs a walk
    through the graph each time.
    """
    if world.size == 1:
        return net
    old = "forward_sync_buffers" not in signature(DistributedDataParallel).parameters  # before torch 2.13
    return DistributedDataParallel(
        synchronised(net),
        device_ids=[world.local_rank] if device.type == "cuda" else None,
        find_unused_parameters=unused,
        gradient_as_bucket_view=True,
        **{"broadcast_buffers" if old else "forward_sync_buffers": False},  # type: ignore[arg-type]
    )


def left_out(net: nn.Module, pixels: Tensor) -> list[str]:
    """The parameters that are to learn but do not take part in a training pass over (n, channels, rows, columns)."""
    with apart(net) as twin:
        outputs = twin.train()(pixels)
        tensors = outputs if isinstance(outputs, tuple) else (outputs,)
        torch.stack([tensor.sum() for tensor in tensors if tensor is not None]).sum().backward()  # type: ignore[no-untyped-call]
        return [name for name, p in twin.named_parameters() if p.requires_grad and p.grad is None]


def _told() -> World:
    """What the environment says."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return World()
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        raise UserError(
            f"several processes need {', '.join(NEEDED)} in the environment, {' and '.join(missing)} is missing; "
            f"start them with torchrun"
        )
    try:
        rank, size, local_rank, _ = (int(os.environ[name]) for name in (*NEEDED[:3], "MASTER_PORT"))
    except ValueError as error:
        raise UserError(
            f"RANK, WORLD_SIZE, LOCAL_RANK and MASTER_PORT must be whole numbers: {error}"
        ) from None
    if not 0 <= rank < size:
        raise UserError(f"RANK must lie in 0..WORLD_SIZE - 1, got {rank} of {size}")
    return World(rank, size, local_rank)


def _check_device(device: torch.device, world: World) -> bool:
    """Whether these are CUDA devices."""
    if device.type not in ("cpu", "cuda"):
        raise UserError(
            f"several processes train on cpu or cuda devices, got {device.type}; use --device cpu"
        )
    if device.type == "cuda" and world.local_rank >= torch.cuda.device_count():
        raise UserError(
            f"each process needs a CUDA device of its own, got {torch.cuda.device_count()} for local rank "
            f"{world.local_rank}; start fewer on this machine, or use --device cpu"
        )
    return device.type == "cuda"


def _meeting(world: World) -> Store:
    """A store of the processes that live now, without what earlier ones left there.

    torchrun keeps one store while it starts the processes again, and the new ones would read the addresses of the dead
    (pytorch issue 135712); its count of restarts is not the same on all machines. So the first process calls each of
    the others by a word that only this one knows, and what all who answer agree on is the prefix of their keys.
    """
    store: Store
    store, _, _ = next(rendezvous("env://", world.rank, world.size, timeout=START))
    deadline = monotonic() + START.total_seconds()
    group = _call(store, world.size, deadline) if world.first else _answer(store, world.rank, deadline)
    return PrefixStore(group, store)


def _call(store: Store, size: int, deadline: float) -> str:
    group = uuid4().hex
    called: dict[str, bytes] = {}
    while not store.check([f"{group}/{rank}" for rank in range(1, size)]):
        for name in (f"word/{rank}" for rank in range(1, size)):
            if store.check([name]) and called.get(name) != (word := store.get(name)):
                store.set(f"call/{word.decode()}", group)
                called[name] = word
        _wait(deadline)
    store.set(f"{group}/complete", "")
    return group


def _answer(store: Store, rank: int, deadline: float) -> str:
    word = uuid4().hex
    store.set(f"word/{rank}", word)
    while True:
        if store.check([f"call/{word}"]):
            group = store.get(
                f"call/{word}"
            ).decode()  # another one where the first process had to start again
            store.set(f"{group}/{rank}", "")
            if store.check([f"{group}/complete"]):
                return group
        _wait(deadline)


def _wait(deadline: float) -> None:
    if monotonic() > deadline:
        raise UserError(
            f"all processes must start within {START.total_seconds():.0f} s; "
            f"look whether WORLD_SIZE and MASTER_ADDR are the same for all"
        )
    sleep(0.05)


@contextmanager
def _share_of_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, runtime.threads() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _lost_is_told() -> Iterator[None]:
    """torch says that another process is gone, or did not answer, in errors of many kinds."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if isinstance(error, dist.DistError) or "gloo" in text:
            reason = text.partition("\n")[0]
            raise UserError(
                f"all processes must live and answer until the end, this one lost another: {reason}"
            ) from error
        raise


@contextmanager
def _told_once(store: Store) -> Iterator[None]:
    """Of the processes that end with an error, the first keeps it; those that end for its sake have another one.

    To be left before the group is, or the others hear of that before they hear of the error.
    """
    try:
        yield
    except BaseException as error:
        first = True
        with suppress(RuntimeError):  # the store went with the process that kept it
            first = store.add("failed", 1) == 1
        if first or not isinstance(error, UserError):
            raise
        raise ToldElsewhere("another process of the run tells what is wrong") from error


def _leave(cuda: bool) -> None:
    """After an error the others may be waiting: nothing that asks them is allowed any more."""
    if cuda:
        distributed_c10d._abort_process_group()
    else:
        dist.destroy_process_group()
