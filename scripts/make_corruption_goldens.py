"""Writes tests/golden/corruptions.npz: what OpenCV and ImageMagick make of one small picture.

The authors of the corruptions use both; neocog depends on neither. Needs `pip install opencv-python-headless` and
ImageMagick's `convert`.
"""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neocog.data.builtin import whole_photographs
from neocog.data.preprocess import Preprocess

TARGET = Path(__file__).parents[1] / "tests" / "golden" / "corruptions.npz"
MOTIONS = ((6, 1.5, 30), (15, 8, -45), (10, 4, -100))  # radius, sigma, angle
DISKS = ((3, 0.1), (4, 0.5), (8, 0.5), (10, 0.5), (0.5, 0.6))  # radius, softness
Array = NDArray[Any]


def motion(picture: Array, radius: int, sigma: float, angle: int) -> Array:
    with TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.png", Path(folder) / "made.png"
        Image.fromarray(picture).save(given)
        subprocess.run(
            ["convert", given, "-motion-blur", f"{radius}x{sigma}{angle:+}", f"png24:{made}"], check=True
        )
        return np.asarray(Image.open(made))


def disk(radius: float, softness: float) -> Array:
    side = np.arange(-8, 9) if radius <= 8 else np.arange(-radius, radius + 1)
    kernel = (side[:, None] ** 2 + side**2 <= radius**2).astype(np.float32)
    taps = 3 if radius <= 8 else 5
    return cv2.GaussianBlur(kernel / kernel.sum(), ksize=(taps, taps), sigmaX=softness)


def water(liquid: Array) -> dict[str, Array]:
    """The steps of the spatter of water."""
    rim = cv2.Canny(liquid, 50, 150)
    distance = np.minimum(cv2.distanceTransform(255 - rim, cv2.DIST_L2, 5), 20)
    height = cv2.blur(distance, (3, 3)).astype(np.uint8)
    levels = cv2.equalizeHist(height)
    lit = cv2.filter2D(levels, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
    shine = liquid * cv2.blur(lit, (3, 3)).astype(np.float32)
    found = {"rim": rim > 0, "distance": distance, "height": height, "levels": levels}
    return found | {"shine": shine / shine.max()}


def warped(picture: Array, shift: Array) -> Array:
    middle, side = np.float32(picture.shape[:2]) // 2, min(picture.shape[:2]) // 3
    points = middle + side * np.float32([[1, 1], [1, -1], [-1, -1]])
    matrix = cv2.getAffineTransform(points, (points + shift).astype(np.float32))
    size = picture.shape[1::-1]
    return cv2.warpAffine(np.float32(picture / 255), matrix, size, borderMode=cv2.BORDER_REFLECT_101)


if __name__ == "__main__":
    picture = np.ascontiguousarray(Preprocess(size=(96, 96))(whole_photographs().read(0))[10:58, 30:70])
    rng = np.random.default_rng(1)
    liquid = cv2.GaussianBlur(rng.normal(0.65, 0.3, (64, 64)), (0, 0), 2)
    liquid = (np.where(liquid < 0.68, 0, liquid) * 255).astype(np.uint8)
    shift = rng.uniform(-4, 4, (3, 2))
    arrays = {"picture": picture, "liquid": liquid, **water(liquid)}
    arrays |= {"shift": shift, "warped": warped(picture, shift)}
    arrays |= {"edges": cv2.Canny(picture.mean(axis=2).astype(np.uint8), 50, 150) > 0}
    arrays |= {f"motion {r} {s} {a}": motion(picture, r, s, a) for r, s, a in MOTIONS}
    arrays |= {f"disk {r} {s}": disk(r, s) for r, s in DISKS}
    np.savez_compressed(TARGET, **arrays)
