"""The torch engine: any device; on a CPU with batch norm folded into the convolutions and channels last."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from neocog.data.decode import Pixels
from neocog.data.preprocess import Preprocess
from neocog.inference.network import Floats

MICRO_BATCH = 4  # larger activations of a CPU batch are mapped and zeroed anew by the allocator at each call


class TorchEngine:
    """uint8 pixels (n, height, width, channels) -> features (n, d), from any thread."""

    name = "torch"

    def __init__(self, backbone: nn.Module, preprocess: Preprocess, device: torch.device):
        self._device = device
        self._mean = torch.tensor(preprocess.mean, device=device).view(-1, 1, 1) * 255
        self._std = torch.tensor(preprocess.std, device=device).view(-1, 1, 1) * 255
        self._net = backbone.eval().requires_grad_(False).to(device)
        shape = (2, preprocess.channels, *preprocess.size)
        probe = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)
        if device.type == "cpu":
            self._net = folded(self._net, probe)
        self._layout = laid_out(self._net, probe)
        self._lock = threading.Lock()

    def __call__(self, batch: Pixels) -> Floats:
        if self._device.type != "cpu":
            with self._lock:
                return self._run(batch)
        with _one_thread():
            parts = [self._run(batch[i : i + MICRO_BATCH]) for i in range(0, len(batch), MICRO_BATCH)]
        return np.concatenate(parts)

    def _run(self, batch: Pixels) -> Floats:
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device).permute(0, 3, 1, 2)
            x = ((pixels.float() - self._mean) / self._std).contiguous(memory_format=self._layout)
            features: Floats = self._net(x).cpu().numpy()
        return features


def laid_out(net: nn.Module, sample: Tensor) -> torch.memory_format:
    """The layout that the parameters of `net` are brought into, and that its pictures are to have.

    Channels last where it convolves and computes on such maps: `x.view(n, -1)` of one is an error.
    """
    if not any(isinstance(layer, nn.Conv2d) for layer in net.modules()):
        return torch.contiguous_format
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        with torch.no_grad():
            net(sample.contiguous(memory_format=torch.channels_last))
    except RuntimeError:
        net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        return torch.contiguous_format
    return torch.channels_last


@contextmanager
def _one_thread() -> Iterator[None]:
    """Each calling thread is a stream of its own: no barriers between cores. Its own work later gets them back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def folded(net: nn.Module, probe: Tensor, tolerance: float = 1e-4) -> nn.Module:
    """The network with each batch norm merged into the convolution it directly follows.

    Pairs are found by running `probe` and watching which tensor goes where, so functional code between a
    convolution and its norm is seen. The network is returned unchanged where the outputs would differ.
    """
    with torch.no_grad():
        before = net(probe)
        pairs = _pairs(net, probe)
        originals = {name: net.get_submodule(name) for pair in pairs for name in pair}
        for conv, norm in pairs:
            merged = fuse_conv_bn_eval(originals[conv], originals[norm])  # type: ignore[type-var, arg-type]
            identity = nn.Identity()
            identity._forward_hooks = originals[norm]._forward_hooks  # they read the same numbers there
            _set(net, conv, merged)
            _set(net, norm, identity)
        scale = before.abs().max().clamp_min(1e-30)
        if not torch.allclose(net(probe) / scale, before / scale, atol=tolerance, rtol=0):
            for name, module in originals.items():
                _set(net, name, module)
    return net


def _pairs(net: nn.Module, probe: Tensor) -> list[tuple[str, str]]:
    """(convolution, batch norm) where the norm reads what the convolution wrote and each runs once."""
    writer: dict[int, str] = {}
    found: list[tuple[str, str]] = []
    calls: Counter[str] = Counter()
    alive: list[Tensor] = []  # an id names one tensor only while that tensor lives
    handles = []

    def watch(name: str, module: nn.Module) -> None:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
            calls[name] += 1
            alive.extend((*inputs, out))
            if isinstance(module, nn.Conv2d):
                writer[id(out)] = name
            elif inputs and id(inputs[0]) in writer:
                found.append((writer[id(inputs[0])], name))

        handles.append(module.register_forward_hook(hook))

    for name, module in net.named_modules():
        if _foldable(module):
            watch(name, module)
    try:
        net(probe)
    finally:
        for handle in handles:
            handle.remove()
    readers = Counter(conv for conv, _ in found)
    return [(conv, norm) for conv, norm in found if calls[conv] == calls[norm] == readers[conv] == 1]


def _foldable(module: nn.Module) -> bool:
    """A convolution whose weight is a plain parameter (not weight-normed), or a norm that keeps statistics.

    No convolution that has a hook, which reads what it gives before the norm.
    """
    if isinstance(module, nn.Conv2d):
        return not module._forward_hooks and "weight" in dict(module.named_parameters(recurse=False))
    return type(module) is nn.BatchNorm2d and module.running_mean is not None


def _set(net: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(net.get_submodule(parent), leaf, module)
