"""Birds of two parts, of which one tells the class by how its stripes run."""

import numpy as np

from neocog.classical.parts.aligned import Landmarked


def bird(name: int, seed: int, tell: int = 0) -> Landmarked:
    """Two striped discs at random places, turned and scaled with them; at part `tell` the stripes run by class.

    At the other part they run at random, so that only `tell` tells the class.
    """
    rng = np.random.default_rng(seed)
    down, right = np.mgrid[:96, :96] + 0.5
    middle, angle, half = 48 + rng.uniform(-6, 6, 2), rng.uniform(0, 2 * np.pi), rng.uniform(20, 26)
    along = np.array([np.cos(angle), np.sin(angle)])
    points = np.array([[*(middle - half * along), 1], [*(middle + half * along), 1]])
    image = np.full((96, 96, 3), 128.0) + rng.normal(0, 4, (96, 96, 3))
    for part in range(2):
        turn = angle + (np.pi / 2 * name if part == tell else rng.uniform(0, np.pi))
        x, y = right - points[part, 0], down - points[part, 1]
        disc = np.hypot(x, y) < 12
        image[disc] += 90 * np.sin((x * np.cos(turn) + y * np.sin(turn)) * 2 * np.pi / 7)[disc, None]
    return Landmarked(image.clip(0, 255).astype(np.uint8), points)


def flock(count: int, first: int, tell: int = 0) -> tuple[list[Landmarked], np.ndarray]:
    y = np.arange(count) % 2
    return [bird(int(name), first + i, tell) for i, name in enumerate(y)], y
