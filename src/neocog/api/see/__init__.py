"""The verb `see`: what a network has learned, as pictures. Each view is a function of its name."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neocog.api.see.embedding import embedding as embedding
    from neocog.api.see.training import training as training

_PLACES: dict[str, str] = {
    "embedding": "embedding",
    "training": "training",
}
"""view -> its file"""

__all__ = sorted(_PLACES)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"neocog.see has no view {name!r}; there are {', '.join(_PLACES)}")
    value: object = getattr(import_module(f"neocog.api.see.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]
