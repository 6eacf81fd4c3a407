"""Which processor, threads, device and cache folder this process uses: decided once, here. Imports no torch."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from neocog.errors import UserError

if TYPE_CHECKING:
    import torch


def cache_folder() -> Path:
    """Where neocog keeps what it can make again: $NEOCOG_CACHE, else the system's place for caches."""
    if given := os.environ.get("NEOCOG_CACHE"):
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "neocog"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "neocog" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neocog"


def threads() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def launched() -> bool:
    """Whether torchrun, or what sets the same variables, started this process as one of several."""
    return os.environ.get("WORLD_SIZE", "1") != "1" and "RANK" in os.environ


def speaks() -> bool:
    """Whether this process is the only one, or the first of several."""
    return not launched() or os.environ["RANK"] == "0"


@cache
def processor() -> str:
    """The processor's name, which a compiled network depends on."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def device(name: str = "auto") -> torch.device:
    """The torch device called `name`; `auto` takes CUDA, then Apple's MPS, then the CPU."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(name)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"device must be auto, cpu, cuda or mps and present here, got {name!r} ({reason})"
        ) from error
    return chosen


def accelerator_possible() -> bool:
    """False where no accelerator can be there, found out without importing torch (which takes over a second)."""
    nvidia = any(Path(place).exists() for place in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))
    return nvidia or sys.platform == "darwin" or os.name == "nt"


@contextmanager
def single_thread(with_scipy: bool = True) -> Iterator[None]:
    """One thread for BLAS and OpenMP.

    Small products are computed sooner: threads that wait for each other made fits 5 to 70 times slower. And on how
    many a sum is made may decide its last digit. `with_scipy` is whether scipy is used inside: its BLAS is its own and
    can be limited only once it is loaded.
    """
    if with_scipy:
        import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


MMAP_THRESHOLD, MMAP_MAX, TRIM_THRESHOLD = -3, -4, -1  # names of glibc's malloc.h


@contextmanager
def pages_kept() -> Iterator[None]:
    """Inside, freed memory stays with the process (glibc only; elsewhere nothing changes).

    glibc gives blocks above 32 MiB back to the system, which zeroes their pages at every new use: 690 MB in a forward
    of ResNet-18 on 32 pictures. Its settings cannot be read; afterwards they are those that its own rule ends at once
    large blocks have been freed, and the memory is given back.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAP_MAX, 0)
    libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(MMAP_MAX, 65_536)
        libc.mallopt(MMAP_THRESHOLD, 32 * 2**20)
        libc.mallopt(TRIM_THRESHOLD, 64 * 2**20)
        libc.malloc_trim(0)
