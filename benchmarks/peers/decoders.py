"""Other libraries' ways from a JPEG file to 224 x 224 pixels, timed on request in the Python that has them.

Started by bench_data.py. Each line on stdin names a way, an interpolation, a folder of pictures and a file for the
pixels; the answer is one line of JSON: seconds of wall and of processor time over all pictures.
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


def torchvision_io(interpolation: str) -> Callable[[Path], Any]:
    """torchvision's own decoder and its antialiased resize on bytes, both native code."""
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg, read_file
    from torchvision.transforms import InterpolationMode, v2

    torch.set_num_threads(1)
    mode = InterpolationMode(interpolation)
    steps = v2.Compose([v2.Resize(EDGE, mode, antialias=True), v2.CenterCrop(SIZE)])
    return lambda path: steps(decode_jpeg(read_file(str(path)), ImageReadMode.RGB)).permute(1, 2, 0).numpy()


def opencv(interpolation: str, reduced: bool = False) -> Callable[[Path], Any]:
    """imread, and INTER_AREA, which is OpenCV's one filter against aliasing; `reduced` by libjpeg's scaling first."""
    import cv2

    cv2.setNumThreads(1)

    def read(path: Path) -> Any:
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
        return cut(pixels) if not reduced else None

    def read_reduced(path: Path) -> Any:
        height, width = sizes[path.parent]
        eighths = next((n for n in (8, 4, 2) if min(height, width) >= n * EDGE), 1)
        return cut(cv2.imread(str(path), flags[eighths]))

    def cut(pixels: Any) -> Any:
        scale = EDGE / min(pixels.shape[:2])
        high, wide = (int(side * scale + 1e-9) for side in pixels.shape[:2])
        small = cv2.resize(pixels, (wide, high), interpolation=cv2.INTER_AREA)
        top, left = round((high - SIZE) / 2), round((wide - SIZE) / 2)
        return cv2.cvtColor(small[top : top + SIZE, left : left + SIZE], cv2.COLOR_BGR2RGB)
    ...
