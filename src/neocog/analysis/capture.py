"""What passes inside a network, read from outside: the network is not edited."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from neocog.analysis.call import Arguments, kind_of
from neocog.analysis.fast_paths import keep_fast_paths
from neocog.errors import UserError, unknown

LAST = -1


class Place(NamedTuple):
    """Where something is read: what a module puts out."""

    module: str
    """of `named_modules()`; nothing for the network itself"""
    call: int = LAST
    """which of its calls in one forward is meant, from 0 on"""


@dataclass(frozen=True)
class Call(Arguments):
    """A call of torch inside the network."""

    kind: str
    """torch's name of the function: relu for F.relu, torch.relu, x.relu() and x.relu_()"""
    layer: str
    """the module that makes it"""
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def run(self) -> Any:
        """What it gives."""
        return self.func(*self.args, **self.kwargs)


Handler = Callable[[Call], Any]
"""gives what a call of torch is to give"""


class _Reached(Exception):
    """Everything that was asked for has been seen."""


@dataclass
class Captured:
    """What was put out at the places asked for, in the latest forward."""

    net: nn.Module
    places: tuple[Place, ...]
    calls: dict[str, list[Tensor]] = field(default_factory=lambda: defaultdict(list))
    """module -> what each of its calls gave, in order"""
    _stops: bool = False

    def __getitem__(self, place: Place | str) -> Tensor:
        """What the module put out; of several calls the one that is meant."""
        wanted = Place(place) if isinstance(place, str) else place
        seen = self.calls.get(wanted.module, [])
        if not seen or wanted.call >= len(seen):
            raise UserError(f"the layer {wanted.module} takes no part in a forward; name another one")
        return seen[wanted.call]

    def run(self, x: Tensor) -> None:
        """One forward of the network on a copy of `x`, into which it may write; it ends where every place was seen."""
        self._stops = all(place.call != LAST for place in self.places)
        try:
            self.net(x.clone())
        except _Reached:
            pass
        finally:
            self._stops = False

    def note(self, module: str, out: Any) -> Any:
        """Keep what a module gives, as it is now: the network may write into it later.

        Where gradients flow the network goes on with a copy, since they are to flow through what is kept.
        """
        if not isinstance(out, Tensor):
            raise UserError(
                f"the layer {module or 'itself'} must give one tensor, it gave {type(out).__name__}"
            )
        through = torch.is_grad_enabled() and out.requires_grad
        self.calls[module].append(out if through else out.clone())
        if self._stops and all(len(self.calls[p.module]) > p.call for p in self.places):
            raise _Reached
        return out.clone() if through else out


@contextmanager
def capture(
    net: nn.Module, places: Sequence[Place | str] = (), handlers: Mapping[str, Handler] | None = None
) -> Iterator[Captured]:
    """Within the block, what each forward of `net` puts out at `places` is kept, and calls of torch can be seen.

    `handlers` are asked in place of the calls of torch of their kind. The network is in evaluation within the block;
    afterwards it is as before: modes, hooks and all. Unless a handler changes it, what the network gives is what it
    gives unwatched, bit for bit. Gradients flow where they are enabled. One thread at a time may use the network within
    the block: hooks belong to its modules, whoever calls them. UserError for a module that there is not, or one that
    does not give a tensor.
    """
    wanted = tuple(Place(place) if isinstance(place, str) else place for place in places)
    modules = dict(net.named_modules())
    for place in wanted:
        if place.module not in modules:
            raise unknown("layer", place.module, [name for name in modules if name])
    captured = Captured(net, wanted)
    with ExitStack() as stack:
        stack.enter_context(evaluated(net))
        hooked = {modules[place.module] for place in wanted} | {net}
        stack.enter_context(keep_fast_paths(net, set(net.modules()) if handlers else hooked, bool(handlers)))
        new = net.register_forward_pre_hook(lambda *_: captured.calls.clear(), prepend=True)
        stack.callback(new.remove)
        for name in {place.module for place in wanted}:
            hook = modules[name].register_forward_hook(lambda _, __, out, n=name: captured.note(n, out))
            stack.callback(hook.remove)
        if handlers:
            stack.enter_context(_Watching(net, handlers, stack))
        yield captured


class _Watching(TorchFunctionMode):
    """Asks the handler of each kind of call, and knows which module makes the call."""

    def __init__(self, net: nn.Module, handlers: Mapping[str, Handler], stack: ExitStack):
        super().__init__()
        self.handlers, self.layers = handlers, [""]
        for name, module in net.named_modules():
            enter = module.register_forward_pre_hook(lambda *_, n=name: self.layers.append(n), prepend=True)
            leave = module.register_forward_hook(lambda *_: self._left(), always_call=True)
            stack.callback(enter.remove)
            stack.callback(leave.remove)

    def _left(self) -> None:
        self.layers.pop()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        call = Call(kind_of(func), self.layers[-1], func, args, kwargs or {})
        handler = self.handlers.get(call.kind)
        return call.run() if handler is None else handler(call)


@contextmanager
def evaluated(net: nn.Module) -> Iterator[None]:
    """The network in evaluation; every module is put back into its own mode."""
    modes = [(module, module.training) for module in net.modules()]
    for module, _ in modes:
        module.training = False  # as eval() does, but for what a module's own train() would do besides
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
