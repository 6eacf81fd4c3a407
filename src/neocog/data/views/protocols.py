"""The protocols by name: how often, and where, each paper looks at a picture."""

from __future__ import annotations

from neocog.data.preprocess import Preprocess
from neocog.data.views.crops import five, grid, squares
from neocog.data.views.views import Protocol, Views
from neocog.errors import unknown

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(name="center", source="what the model's preprocessing cuts"),
        Protocol(name="flip", source="the same, and its mirror image", mirrored=True),
        Protocol(name="5-crop", source="torchvision's FiveCrop", places=five, boxes=5),
        Protocol(
            name="10-crop",
            source="Krizhevsky et al. 2012 (AlexNet), section 4.1",
            places=five,
            boxes=5,
            mirrored=True,
        ),
        Protocol(
            name="vgg-150",
            source="Simonyan and Zisserman 2015 (VGG), section 3.2",
            scales=(256, 384, 512),
            places=grid,
            boxes=25,
            mirrored=True,
        ),
        Protocol(
            name="googlenet-144",
            source="Szegedy et al. 2015 (GoogLeNet), section 7",
            scales=(256, 288, 320, 352),
            places=squares,
            boxes=18,
            mirrored=True,
        ),
        Protocol(
            name="multi-scale",
            source="10-crop at the scales of He et al. 2016 (ResNet), section 3.4",
            scales=(224, 256, 384, 480, 640),
            places=five,
            boxes=5,
            mirrored=True,
        ),
    )
}
"""name -> protocol, from the fewest views to the most but for the last

The scales of `multi-scale` are those at which ResNet runs over whole pictures (`inference/dense.py`); as crops they
are ours, for networks that cannot: at each scale the ten crops.
"""


def views(name: str, preprocess: Preprocess) -> Views:
    """The protocol `name` for the input of `preprocess`; UserError where there is none of this name."""
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return PROTOCOLS[name](preprocess)
