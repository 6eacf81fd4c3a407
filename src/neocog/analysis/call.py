"""A call of torch seen from outside: its name, the tensors in it, whether it needs values or writes in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from torch import Tensor

# methods that turn a tensor into a Python value, or show its values; with underscores those that Python calls
VALUES = {
    "__bool__", "__int__", "__float__", "__index__", "__complex__", "__contains__", "__array__", "item", "tolist",
    "numpy", "nonzero", "equal", "allclose", "unique", "masked_select", "is_nonzero",
}  # fmt: skip
REVERSED = {"add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"}
SAME = {"truediv": "div", "true_divide": "div", "divide": "div", "multiply": "mul", "subtract": "sub"}


@dataclass(frozen=True)
class Ref:
    """A tensor among the arguments of a call."""

    op: int | None
    """position of the op that made it; None for a parameter, a buffer or a constant"""
    shape: tuple[int, ...]
    name: str = ""
    """of the parameter or buffer"""
    trained: bool = False
    """whether it is a parameter"""
    itemsize: int = 4
    """bytes of one number"""
    value: Tensor | None = field(default=None, compare=False, repr=False)
    """of a constant that no operation made: a tensor that is an attribute of a module"""


class Arguments:
    """What a call was given, by position and by name: whatever stands for a call is one of these."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def arg(self, position: int, name: str, default: Any = None) -> Any:
        """An argument by torch's position and name; `default` where it was left out."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)


def kind_of(func: Callable[..., Any]) -> str:
    """torch's name of a function, one for a method, an operator and their forms in place."""
    name: str = getattr(func, "__name__", type(func).__name__)
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    dunder = name.startswith("__") and name.endswith("__")
    name = name.strip("_")
    if dunder and name[:1] in "ri" and name[1:] in REVERSED:
        name = ("r" if name[0] == "r" and name[1:] in ("sub", "truediv", "pow") else "") + name[1:]
    return SAME.get(name, name)


def writes_in_place(func: Callable[..., Any], kwargs: dict[str, Any]) -> bool:
    """Whether a call changes one of its arguments."""
    name: str = getattr(func, "__name__", "")
    if name.startswith("__"):
        return name == "__setitem__" or (name.startswith("__i") and name[3:].strip("_") in REVERSED)
    return name.endswith("_") or bool(kwargs.get("inplace")) or kwargs.get("out") is not None


def calls_for_values(func: Callable[..., Any]) -> bool:
    """Whether a call's result depends on values: `float(x)` does, `x.float()` does not."""
    return getattr(func, "__name__", "") in VALUES


def tensors_in(value: Any) -> list[Any]:
    """The tensors (or `Ref`s in their place) in nested tuples, lists, dictionaries and dataclasses."""
    found: list[Any] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Any]) -> None:
    if isinstance(value, Tensor | Ref):
        found.append(value)
    elif isinstance(value, tuple | list):
        for item in value:
            _collect(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, found)
    elif is_dataclass(value) and not isinstance(value, type):
        for item in fields(value):
            _collect(getattr(value, item.name), found)


def replaced(value: Any, new: Callable[[Any], Any]) -> Any:
    """`value` with `new(tensor)` in the place of each tensor or `Ref`; tuples become plain tuples."""
    if isinstance(value, Tensor | Ref):
        return new(value)
    if isinstance(value, tuple):
        return tuple(replaced(item, new) for item in value)
    if isinstance(value, list):
        return [replaced(item, new) for item in value]
    if isinstance(value, dict):
        return {key: replaced(item, new) for key, item in value.items()}
    return value
