"""Pictures of one size on a sheet."""

from __future__ import annotations

from neocog.draw.tiles import Pixels, enlarged, resized


def sized(pixels: Pixels, least: int, most: int) -> Pixels:
    """Small pictures enlarged to at least `least`, each pixel a square; those longer than `most` made smaller."""
    height, width = pixels.shape[:2]
    if max(height, width) <= most:
        return enlarged(pixels, least)
    share = most / max(height, width)
    return resized(pixels, max(1, round(height * share)), max(1, round(width * share)))
