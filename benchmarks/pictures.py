"""Folders of pictures to measure speed on: seeded crops and warps of photographs that other packages ship.

Never quote an accuracy on them: views of one photograph lie on both sides of any split.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("astronaut", "brick", "chelsea", "coffee", "coins", "grass", "gravel", "rocket", "china", "flower")


def originals() -> dict[str, Image.Image]:
    """Photographs of scikit-image and scikit-learn as RGB."""
    import skimage.data
    import sklearn.datasets

    found = {}
    for name in NAMES:
        if name in ("china", "flower"):
            pixels = sklearn.datasets.load_sample_image(f"{name}.jpg")
        else:
            pixels = getattr(skimage.data, name)()
        found[name] = Image.fromarray(pixels).convert("RGB")
    return found


def make_photographs(folder: Path, count: int, size: tuple[int, int], seed: int = 0) -> Path:
    """`count` JPEGs of `size` (width, height), a class per photograph; quality 85 to 92. Kept if already there."""
    if (folder / "done").exists():
        return folder
    rng = np.random.default_rng(seed)
    photographs = originals()
    for i in range(count):
        name = NAMES[i % len(NAMES)]
        place = folder / name / f"{i:06d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        view(photographs[name], size, rng).save(place, quality=int(rng.integers(85, 93)))
    (folder / "done").touch()
    return folder


def view(photograph: Image.Image, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A random quadrilateral of the photograph drawn to `size`, with noise as a sensor has it."""
    width, height = photograph.size
    scale = rng.uniform(0.5, 0.95)
    w, h = scale * width, scale * height
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    corners = np.array([(left, top), (left, top + h), (left + w, top + h), (left + w, top)])
    corners += rng.normal(0, 0.03 * min(w, h), corners.shape)
    warped = photograph.transform(
        size, Image.Transform.QUAD, corners.ravel().tolist(), Image.Resampling.BICUBIC
    )
    pixels = np.asarray(warped, np.float32) + rng.normal(0, 3, (size[1], size[0], 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
