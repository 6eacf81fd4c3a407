"""Other libraries' ways from a JPEG file to 224 x 224 RGB pixels, timed on request in the Python that has them.

bench_data.py starts it. Each line on stdin is a JSON list: a way, an interpolation, a folder of pictures, and a file
for their pixels or null. The answer is a line of JSON: seconds of the clock and of the processor over all pictures.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

EDGE, SIZE = 256, 224
Way = Callable[[Path], Any]


def torchvision_io(interpolation: str) -> Way:
    """torchvision's own decoder and its antialiased resize of bytes, both native code."""
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg, read_file
    from torchvision.transforms import InterpolationMode, v2

    torch.set_num_threads(1)
    mode = InterpolationMode(interpolation)
    steps = v2.Compose([v2.Resize(EDGE, mode, antialias=True), v2.CenterCrop(SIZE)])
    return lambda path: steps(decode_jpeg(read_file(str(path)), ImageReadMode.RGB)).permute(1, 2, 0).numpy()


def image_folder(interpolation: str) -> Way:
    """torchvision's ImageFolder: Pillow opens and converts, Resize and CenterCrop on Pillow's picture."""
    from PIL import Image
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    steps = Compose([Resize(EDGE, InterpolationMode(interpolation)), CenterCrop(SIZE)])

    def way(path: Path) -> Any:
        with path.open("rb") as file:
            return np.asarray(steps(Image.open(file).convert("RGB")))

    return way


def opencv(interpolation: str, eighths: int = 8) -> Way:
    """imread, at a scale where `eighths` says so, and INTER_AREA: OpenCV's one filter against aliasing."""
    import cv2

    cv2.setNumThreads(1)
    flag = {8: cv2.IMREAD_COLOR, 4: cv2.IMREAD_REDUCED_COLOR_2, 2: cv2.IMREAD_REDUCED_COLOR_4}[eighths]

    def way(path: Path) -> Any:
        pixels = cv2.imread(str(path), flag)
        height, width = pixels.shape[:2]
        scale = EDGE / min(height, width)
        high, wide = round(height * scale), round(width * scale)
        small = cv2.resize(pixels, (wide, high), interpolation=cv2.INTER_AREA)
        top, left = (high - SIZE) // 2, (wide - SIZE) // 2
        return cv2.cvtColor(small[top : top + SIZE, left : left + SIZE], cv2.COLOR_BGR2RGB)

    return way


def opencv_quarter(interpolation: str) -> Way:
    """OpenCV with libjpeg's scaling by four, for pictures that are large enough."""
    return opencv(interpolation, 2)


WAYS = {way.__name__: way for way in (image_folder, torchvision_io, opencv, opencv_quarter)}


def main() -> None:
    names = ("torch", "torchvision", "numpy", "pillow", "opencv-python-headless")
    say({name: importlib.metadata.version(name) for name in names})
    made: dict[tuple[str, str], Way] = {}
    for line in sys.stdin:
        name, interpolation, folder, target = json.loads(line)
        key = name, interpolation
        if key not in made:
            made[key] = WAYS[name](interpolation)
        way, paths = made[key], sorted(Path(folder).rglob("*.jpg"))
        wall, processor = perf_counter(), process_time()
        pixels = [way(path) for path in paths]
        seconds = {"wall": perf_counter() - wall, "processor": process_time() - processor}
        if target:
            np.save(target, np.stack(pixels))
        say(seconds)


def say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
