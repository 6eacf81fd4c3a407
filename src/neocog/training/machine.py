"""How this machine computes a training step: precision, memory layout and threads, by measurement, not by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter, thread_time
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import UserError, unknown
from neocog.inference.torch_engine import laid_out
from neocog.runtime import pages_kept
from neocog.training.network.recomputing import recomputed

PRECISIONS = ("float32", "bfloat16")
WORTH = 1.3  # how many times faster bfloat16 has to be, since it rounds to 8 bits
WORTH_THREADS = 1.25  # clocks of a busy machine scatter more than processor time
SHORT = 0.1  # seconds of a step from which on one is enough to tell
PROBED = 2**18  # values of a batch that a probe reads at most, if these make two pictures
SMALL = 1_000_000  # parameters below which one thread is expected to be faster


@dataclass(frozen=True)
class Machine:
    """How steps are computed. The same machine computes the same bits, so a checkpoint keeps it."""

    precision: str = "float32"
    """of convolutions and matrix products: float32 or bfloat16; weights and the loss are float32 throughout"""
    channels_last: bool = False
    """pictures and maps lie in memory with the channels of a pixel side by side"""
    threads: int | None = None
    """that share an operation; as torch has it where None"""
    keep_pages: bool = False
    """freed memory stays with the process, so that large maps are not given by the system anew at every step"""
    compile: bool = False
    """torch.compile makes one program of the network"""
    recompute: bool = False
    """blocks are computed again on the way back instead of kept: less memory, a third more work"""
    why: tuple[str, ...] = field(default=(), compare=False)
    """how it was decided, a sentence each"""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)
        if self.threads is not None and self.threads < 1:
            raise UserError(f"threads must be at least 1, got {self.threads}")

    def autocast(self, device: str = "cpu") -> AbstractContextManager[Any]:
        """Inside, convolutions and matrix products on `device` have the machine's precision."""
        return torch.autocast(device, torch.bfloat16, enabled=self.precision == "bfloat16")

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Inside, the process has the machine's threads and keeps its pages; afterwards it is as it was."""
        before = torch.get_num_threads()
        with ExitStack() as stack:
            if self.keep_pages:
                stack.enter_context(pages_kept())
            if self.threads is not None:
                torch.set_num_threads(self.threads)
                stack.callback(torch.set_num_threads, before)
            yield

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"why": list(self.why)}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Machine:
        return cls(**{**given, "why": tuple(given.get("why", ()))})


PLAIN = Machine()
"""torch as it comes"""


def prepared(net: nn.Module, machine: Machine) -> nn.Module:
    """The network that a step calls: `net` itself in the machine's layout, or a compiled form of it."""
    if machine.channels_last:
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if machine.recompute:
        recomputed(net)
    return torch.compile(net) if machine.compile else net  # type: ignore[return-value]


def chosen_machine(
    net: nn.Module, sample: Tensor, device: torch.device, precision: str | None = None
) -> Machine:
    """What computes steps of `net` fastest here; `sample` is a normalised batch (n, channels, height, width).

    On a CPU a copy of the network learns from a few pictures of the sample in one way after the other, which takes
    seconds at most; processor flags decide nothing, since a processor may have bfloat16 instructions that are slower
    than float32. On CUDA the choice follows the card's abilities. `precision` is the user's, or None to choose.
    """
    if device.type == "cpu":
        return _measured(net, sample, precision)
    able = device.type == "cuda" and torch.cuda.is_bf16_supported()
    taken = precision or ("bfloat16" if able else "float32")
    return Machine(
        taken,
        channels_last=device.type == "cuda" and _takes_channels_last(net, sample),
        why=(f"computes in {taken} on {device.type}",),
    )


def _measured(net: nn.Module, sample: Tensor, precision: str | None) -> Machine:
    """Precision by processor time on one thread, which other work hardly changes; threads by the clock.

    Channels-last memory needs no measurement: docs/speed.md has those of seven convolutional networks, 1.1 to 4.2.
    """
    most = torch.get_num_threads()
    channels_last = _takes_channels_last(net, sample)
    plain = Machine(precision or "float32", channels_last=channels_last, threads=1, keep_pages=True)
    with pages_kept(), torch.random.fork_rng([]):
        probe = _Probe(net, sample)
        best, said = (plain, f"computes in {precision}") if precision else _precision(probe, plain)
        best, said_threads = _threads(probe, best, most)
    return replace(best, why=(said, said_threads))


def _precision(probe: _Probe, plain: Machine) -> tuple[Machine, str]:
    """bfloat16 where matrix products and then the network itself are faster in it."""
    gain, of = bfloat16_gain(), "matrix products"
    half = replace(plain, precision="bfloat16")
    if gain >= WORTH:
        gain, of = probe.seconds(plain) / probe.seconds(half), "this network"
    best = half if gain >= WORTH else plain
    return best, f"computes in {best.precision}: bfloat16 has {gain:.2f} times its speed here, on {of}"


def _threads(probe: _Probe, machine: Machine, most: int) -> tuple[Machine, str]:
    """One thread or all that torch may use, by the clock: waiting for each other on a busy machine can cost more.

    Where one pass is long, matrix products are timed in its place.
    """
    if most == 1:
        return machine, "trains with 1 thread, all there is"
    shared = replace(machine, threads=most)
    alone, of = probe.seconds(machine, perf_counter), "a pass"
    if alone < SHORT:
        together = probe.seconds(shared, perf_counter)
    else:
        (alone, together), of = (
            (product_seconds(threads=n, clock=perf_counter) for n in (1, most)),
            "a product",
        )
    few = probe.parameters < SMALL
    best = machine if alone * (1 / WORTH_THREADS if few else WORTH_THREADS) < together else shared
    timed = f"{of} took {alone * 1e3:.1f} ms with 1 and {together * 1e3:.1f} ms with {most}"
    return best, f"trains with {best.threads} thread{'s' * (best is shared)}: {timed}"


class _Probe:
    """A copy of a network, and a few pictures that it can learn from without anyone noticing."""

    def __init__(self, net: nn.Module, sample: Tensor):
        count = max(2, PROBED // sample[0].numel())
        self.sample = sample[:count].detach()
        self.net = deepcopy(net).train()
        self.parameters = sum(parameter.numel() for parameter in net.parameters())

    def seconds(self, machine: Machine, clock: Callable[[], float] = thread_time) -> float:
        """Of a forward and a backward: the least of three after the one that makes the kernels; of one if it is long.

        Infinite where an operation of the network is not made for the machine's precision.
        """
        layout = torch.channels_last if machine.channels_last else torch.contiguous_format
        self.net.to(memory_format=layout)  # type: ignore[call-overload]
        least = float("inf")
        with replace(machine, keep_pages=False).settled():
            try:
                for turn in range(4):
                    start = clock()
                    self._step(machine)
                    least = min(least, clock() - start) if turn else least
                    if SHORT < least < float("inf"):
                        break
            except RuntimeError:
                if machine.precision == "float32":
                    raise
        return least

    def _step(self, machine: Machine) -> None:
        with machine.autocast():
            outputs = self.net(self.sample)
        loss = sum(part.float().square().mean() for part in _tensors(outputs))
        if isinstance(loss, Tensor) and loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
        self.net.zero_grad(set_to_none=True)


def bfloat16_gain() -> float:
    """How many times faster this processor multiplies matrices in bfloat16 than in float32, on one thread."""
    return product_seconds() / product_seconds(torch.bfloat16)


def product_seconds(
    dtype: torch.dtype = torch.float32, threads: int = 1, clock: Callable[[], float] = thread_time
) -> float:
    """For the product of two matrices of 512 x 512, the least of nine: 20 ms of work on a slow processor."""
    matrix, times = torch.ones(512, 512, dtype=dtype), []
    with Machine(threads=threads).settled():
        for _ in range(10):
            start = clock()
            torch.mm(matrix, matrix)
            times.append(clock() - start)
    return min(times[1:])


def _takes_channels_last(net: nn.Module, sample: Tensor) -> bool:
    """Whether the network convolves, and computes on maps in that layout."""
    return laid_out(deepcopy(net).eval(), sample[:2]) == torch.channels_last


def _tensors(outputs: Any) -> Iterator[Tensor]:
    """All tensors of what a network returns: one, or several with auxiliary heads."""
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, Mapping):
        yield from _tensors(list(outputs.values()))
    elif isinstance(outputs, list | tuple):
        for part in outputs:
            yield from _tensors(part)
