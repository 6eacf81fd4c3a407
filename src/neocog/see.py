"""What a network has learned, as pictures: each view is a function of its name, loaded when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neocog.api.see.evidence.cam import cam as cam
    from neocog.api.see.evidence.deconv import deconv as deconv
    from neocog.api.see.evidence.occlusion import occlusion as occlusion
    from neocog.api.see.evidence.saliency import saliency as saliency
    from neocog.api.see.learning.training import training as training
    from neocog.api.see.plane.embedding import embedding as embedding
    from neocog.api.see.strongest.patches import patches as patches
    from neocog.api.see.tokens.attention import attention as attention
    from neocog.api.see.tokens.positions import positions as positions
    from neocog.api.see.units.activations import activations as activations
    from neocog.api.see.units.filters import filters as filters
    from neocog.api.see.units.maps import maps as maps
    from neocog.api.see.units.receptive_field import receptive_field as receptive_field
    from neocog.api.see.units.unit import unit as unit

_PLACES = {
    "filters": "units.filters",
    "unit": "units.unit",
    "maps": "units.maps",
    "receptive_field": "units.receptive_field",
    "activations": "units.activations",
    "patches": "strongest.patches",
    "deconv": "evidence.deconv",
    "saliency": "evidence.saliency",
    "cam": "evidence.cam",
    "occlusion": "evidence.occlusion",
    "attention": "tokens.attention",
    "positions": "tokens.positions",
    "embedding": "plane.embedding",
    "training": "learning.training",
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
    return list(__all__)
