"""A whole picture resized for crops and for networks that run over all of it: to what size, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neocog.data.decode import Decoded
from neocog.data.preprocess import Preprocess, ResizeMode, shorter_to
from neocog.data.resize import Pixels
from neocog.data.views.crops import Extent
from neocog.errors import Unreadable

INPUT = 224
"""side of the input of the papers' networks, to which their scales belong"""
ALEXNET = 256
"""Krizhevsky et al. 2012, section 2: the side of the picture that crops of 224 are taken from"""
LARGEST = (
    1 << 25
)  # pixels of a resized picture: 512 for the shorter side of one 128 times as long as it is high


def edges_of(preprocess: Preprocess, scales: Sequence[int]) -> list[Extent]:
    """Height and width that pictures are resized to, at least, in one of the two exactly: one for each scale.

    `scales` are shorter sides for an input of 224 pixels; another input's are in proportion: 256 is 32 for 28 pixels,
    9 for 8. Without any it is that between resizing and the crop of `preprocess`, or where this leaves no room, since
    it crops nothing, 256 for 224.
    """
    if scales:
        return [_in_proportion(preprocess.size, scale) for scale in scales]
    own = preprocess.edges()
    return [own if own != preprocess.size else _in_proportion(preprocess.size, ALEXNET)]


def _in_proportion(size: Extent, scale: int) -> Extent:
    height, width = (round(side * scale / INPUT) for side in size)
    return height, width


def largest(edges: Sequence[Extent]) -> Extent:
    """What a picture must be decoded to, to be resized to any of `edges`."""
    return max(height for height, _ in edges), max(width for _, width in edges)


def whole(preprocess: Preprocess, decoded: Decoded, edges: Extent) -> Pixels:
    """All of a picture, resized as `preprocess` does but to `edges`: uint8 (height, width, channels).

    Cropping ones resize the shorter edge to a whole number of pixels, as torchvision's Resize; squashing ones resize
    to `edges` exactly, padding ones surround the picture up to them. Unreadable where the result would be immense.
    """
    size = shorter_to(decoded.shown, edges) if preprocess.resize_mode == "crop" else edges
    if size[0] * size[1] > LARGEST:
        height, width = decoded.shown
        raise Unreadable(
            f"too oblong to be resized whole: {width} x {height} pixels become {size[1]} x {size[0]}, "
            f"more than {LARGEST:,}; the center protocol resizes only the middle"
        )
    mode: ResizeMode = "pad" if preprocess.resize_mode == "pad" else "squash"
    return replace(preprocess, resize_mode=mode, size=size).of(decoded)
