"""The verb `see`: what a network has learned, as pictures. Each view is a function of its name."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neocog.api.see.activations import activations as activations
    from neocog.api.see.attention import attention as attention
    from neocog.api.see.cam import cam as cam
    from neocog.api.see.deconv import deconv as deconv
    from neocog.api.see.embedding import embedding as embedding
    from neocog.api.see.filters import filters as filters
    from neocog.api.see.maps import maps as maps
    from neocog.api.see.occlusion import occlusion as occlusion
    from neocog.api.see.patches import patches as patches
    from neocog.api.see.positions import positions as positions
    from neocog.api.see.receptive_field import receptive_field as receptive_field
    from neocog.api.see.saliency import saliency as saliency
    from neocog.api.see.training import training as training
    from neocog.api.see.unit import unit as unit

_PLACES = {
    "filters": "filters",
    "unit": "unit",
    "maps": "maps",
    "receptive_field": "receptive_field",
    "activations": "activations",
    "patches": "patches",
    "deconv": "deconv",
    "saliency": "saliency",
    "cam": "cam",
    "occlusion": "occlusion",
    "attention": "attention",
    "positions": "positions",
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
