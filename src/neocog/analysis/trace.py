"""What a network does with one picture: the flat list of its operations, in order, without computing a value."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace as changed
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from neocog.analysis.call import Ref, calls_for_values, kind_of, replaced, tensors_in, writes_in_place
from neocog.analysis.failure import DoesNotRun, Failed, why
from neocog.analysis.kinds import CONSTANT, IDENTITIES, RESHAPING, SPLITTING
from neocog.analysis.op import Op, Returned, Trace
from neocog.analysis.precision import autocast
from neocog.analysis.shortcut import shortcut
from neocog.analysis.twin import on_meta, picture, unchanged_random
from neocog.errors import UserError


class DecidesOnValues(UserError):
    """The network looks at values, which a trace of shapes does not have."""


def trace(net: nn.Module, size: Sequence[int], *, batch: int = 1, dtype: torch.dtype | None = None) -> Trace:
    """The operations of `net` in evaluation on a picture of `size`: (channels, height, width), or of 1 or 3 axes.

    Runs the network on the meta device, on a copy whose parameters are not copied, so nothing is computed or
    allocated and `net` stays as it is; hooks that are plain functions are not run, since they may write elsewhere.
    `dtype` is that of the network's parameters unless given. UserError where the network cannot run: a size too
    small, a decision on values, a layer without a shape yet; it names the layer.
    """
    twin = on_meta(net, dtype).eval()
    with torch.no_grad():
        made = record(twin, picture(twin, size, batch), type(net).__name__)
    return changed(made, buffers={name: b for name, b in net.named_buffers() if not b.is_meta})


def record(net: nn.Module, image: Tensor, name: str, fast: bool = True) -> Trace:
    """The operations of `net`, a network on the meta device, on `image`; unless `fast`, torch makes every shape."""
    recorder = Recorder(net, image, fast)
    with recorder.named_calls(net), unchanged_random():
        try:
            with recorder:
                out = net(image)
        except DecidesOnValues:
            raise
        except Exception as error:
            raise recorder.failure(error, image) from error
    recorder.mark_outputs(out)
    parameters = {key: _ref(p, None, key) for key, p in net.named_parameters()}
    return Trace(tuple(recorder.ops), parameters, recorder.classes, name, tuple(recorder.returned))


class Recorder(TorchFunctionMode):
    """Sees every call of torch while active and appends an `Op` for each tensor made."""

    def __init__(self, net: nn.Module, image: Tensor, fast: bool):
        super().__init__()
        self.fast = fast
        self.layers = [""]  # the modules that are being called
        self.alive: list[Tensor] = [image]  # an id is a tensor's only while it lives
        self.names = {id(t): name for name, t in [*net.named_buffers(), *net.named_parameters()]}
        self.unread = {id(p) for p in net.parameters()}
        self.storages: dict[int, int] = {}
        self.made = {id(image): 0}
        # of each storage, the tensors that lie in it
        self.sharing: dict[int, dict[int, Tensor]] = {self.storage(image): {id(image): image}}
        self.meta: dict[int, Tensor] = {}  # twins of tensors that have values
        self.values: dict[int, Tensor] = {}  # by the id of such a twin
        self.failed = ""
        self.raised: Failed | None = None  # the call of torch that failed, if it was one
        self.earlier = sys.exc_info()[1]  # an error that the caller is handling is none of this network's
        self.classes = {name: type(module).__name__ for name, module in net.named_modules()}
        self.returned: list[Returned] = []
        self.ops = [Op("input", "", (), tuple(image.shape), image.dtype, storage=self.storage(image))]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        kind = kind_of(func)
        if calls_for_values(func):
            self.refuse_values(kind, args)
        in_place = writes_in_place(func, kwargs)
        tensors = tensors_in((args, kwargs))
        if any(t.is_meta for t in tensors) and not all(t.is_meta for t in tensors):
            args, kwargs = replaced((args, kwargs), self.without_values)
            tensors = tensors_in((args, kwargs))
        try:
            out = self.result(func, kind, (args, kwargs), in_place)
        except Exception:
            self.failed = self.failed or self.layers[-1]
            self.raised = self.raised or Failed(kind, self.layers[-1], args, kwargs)
            raise
        made = [args[0]] if kind == "setitem" else tensors_in(out)
        if made:
            self.append(func, kind, (args, kwargs), tensors, made, in_place)
        return out

    def result(self, func: Callable[..., Any], kind: str, given: tuple[Any, Any], in_place: bool) -> Any:
        """What the call makes."""
        args, kwargs = autocast(kind, given, in_place)
        out = shortcut(kind, args, kwargs, in_place) if self.fast else None
        return func(*args, **kwargs) if out is None else out

    def append(
        self,
        func: Any,
        kind: str,
        given: tuple[Any, Any],
        tensors: list[Tensor],
        made: list[Tensor],
        in_place: bool,
    ) -> None:
        refs = {id(t): self.ref(t) for t in tensors}
        inputs = tuple(dict.fromkeys(value_sources(kind, tensors, refs)))
        seen = any(self.ops[i].from_picture for i in inputs)
        weights = tuple(ref for key, ref in refs.items() if key in self.unread)
        self.unread -= refs.keys()
        args, kwargs = replaced(given, lambda t: refs.get(id(t)) or self.ref(t))
        for part, tensor in enumerate(made):
            shape, storage = tuple(tensor.shape), self.storage(tensor)
            fresh = () if part else weights
            op = Op(
                kind, self.layers[-1], inputs, shape, tensor.dtype, func, args, kwargs,
                weights=fresh, part=part, storage=storage, from_picture=seen,
            )  # fmt: skip
            self.keep(tensor, op)
            if in_place and kind not in IDENTITIES:
                for other in list(self.sharing[storage].values()):
                    if other is not tensor and not self.apart(tensor, other):
                        self.write_through(other, tensor)

    def keep(self, tensor: Tensor, op: Op) -> None:
        self.made[id(tensor)] = len(self.ops)
        self.alive.append(tensor)
        self.sharing.setdefault(op.storage, {})[id(tensor)] = tensor
        self.ops.append(op)

    def apart(self, one: Tensor, other: Tensor) -> bool:
        """Whether two tensors are different pieces of one call, which share memory and overlap nowhere."""
        a, b = self.ops[self.made[id(one)]], self.ops[self.made[id(other)]]
        origin = self.ops[a.inputs[0]] if a.inputs and a.kind not in SPLITTING else a
        return (
            origin.kind in SPLITTING
            and b.kind == origin.kind
            and b.inputs == origin.inputs
            and b.part != origin.part
        )

    def write_through(self, other: Tensor, tensor: Tensor) -> None:
        """What was written into `tensor` is seen by every `other` one in the same memory, as far as they overlap."""
        before, now = self.made[id(other)], self.made[id(tensor)]
        layouts = [(t.stride(), t.storage_offset()) for t in (other, tensor)]
        refs = (self.ref(other), self.ref(tensor))
        seen = any(self.ops[i].from_picture for i in (before, now))
        shape, storage = tuple(other.shape), self.storage(other)
        op = Op("written_through_a_view", self.layers[-1], (before, now), shape, other.dtype, args=refs)
        self.keep(other, changed(op, kwargs={"layouts": layouts}, storage=storage, from_picture=seen))

    def ref(self, tensor: Tensor) -> Ref:
        """Where a tensor comes from. One that came about unseen, in compiled code, becomes an op of its own."""
        op, name = self.made.get(id(tensor)), self.names.get(id(tensor), "")
        if op is None and not name and tensor.is_meta and id(tensor) not in self.meta:
            op = len(self.ops)
            storage = self.storage(tensor)
            self.keep(
                tensor,
                Op("untraced", self.layers[-1], (), tuple(tensor.shape), tensor.dtype, storage=storage),
            )
        ref = _ref(tensor, op, name)
        value = self.values.get(id(tensor), None if tensor.is_meta else tensor)
        return ref if op is not None or name or value is None else changed(ref, value=value)

    def without_values(self, tensor: Tensor) -> Tensor:
        """The twin on the meta device of a constant that has values."""
        if tensor.is_meta:
            return tensor
        if id(tensor) not in self.meta:
            self.alive.append(tensor)
            with torch._C.DisableTorchFunction():
                twin = tensor.detach().to("meta")
            self.alive.append(twin)
            self.meta[id(tensor)] = self.meta[id(twin)] = twin
            self.values[id(twin)] = tensor
            if id(tensor) in self.made:
                self.made[id(twin)] = self.made[id(tensor)]
        return self.meta[id(tensor)]

    def storage(self, tensor: Tensor) -> int:
        return self.storages.setdefault(tensor.untyped_storage()._cdata, len(self.storages))

    def refuse_values(self, kind: str, args: tuple[Any, ...]) -> None:
        if any(t.is_meta for t in tensors_in(args)):
            where = self.where(self.layers[-1])
            raise DecidesOnValues(
                f"{where} decides on values ({kind} of a tensor), which a trace of shapes does not have; "
                "trace the part of the network that does not"
            )

    def failure(self, error: Exception, image: Tensor) -> DoesNotRun:
        size = "x".join(map(str, image.shape[1:]))
        call = self.raised if self.raised and self.raised.layer == self.failed else None
        where = self.where(self.failed)
        if call and any(name.startswith(f"{call.layer}.".lstrip(".")) for name in self.classes if name):
            where += f", at {call.kind}," if call.kind else ""
        too_large = call is not None and call.too_large
        return DoesNotRun(f"{where} does not run on {size}: {why(error, call)}", too_large)

    def where(self, layer: str) -> str:
        """A module with its class, as a message names it."""
        return f"{layer} ({self.classes[layer]})" if layer else f"the network ({self.classes['']})"

    def mark_outputs(self, out: Any) -> None:
        for tensor in tensors_in(out):
            i = self.ref(tensor).op
            if i is not None:
                self.ops[i] = changed(self.ops[i], output=True)

    @contextmanager
    def named_calls(self, net: nn.Module) -> Iterator[None]:
        """Keep `layers[-1]` at the name of the module that is being called."""
        hooks = []
        for name, module in net.named_modules():
            hooks.append(module.register_forward_pre_hook(self.entering(name), prepend=True))
            hooks.append(module.register_forward_hook(self.leaving, always_call=True))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def entering(self, name: str) -> Callable[..., None]:
        return lambda *_: self.layers.append(name)

    def leaving(self, _: nn.Module, __: Any, out: Any) -> None:
        if sys.exc_info()[1] not in (None, self.earlier):  # called while an error passes through
            self.failed = self.failed or self.layers[-1]
        given = self.made.get(id(out)) if isinstance(out, Tensor) else None
        self.returned.append(Returned(self.layers.pop(), given))


def _ref(tensor: Tensor, op: int | None, name: str) -> Ref:
    return Ref(op, tuple(tensor.shape), name, isinstance(tensor, nn.Parameter), tensor.element_size())


def value_sources(kind: str, tensors: list[Tensor], refs: dict[int, Ref]) -> list[int]:
    """The ops whose values a call reads; from some tensors it only takes the shape, the type or the device."""
    read = tensors
    if kind in CONSTANT or kind == "zero":
        read = []
    elif kind in IDENTITIES | RESHAPING:
        read = tensors[:1]
    elif kind in ("copy", "fill"):
        read = tensors[1:]
    return [op for op in (refs[id(t)].op for t in read) if op is not None]
