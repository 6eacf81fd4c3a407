"""What tests of views look at: small networks in a file, one picture, and pages read back."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
from PIL import Image

SVG = "{http://www.w3.org/2000/svg}"
NETWORKS = """
import torch
from torch import nn

def small():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, 2, 1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        nn.Conv2d(6, 8, 3, padding=1, groups=2), nn.ReLU6(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5),
    )

def dense():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 7), nn.ReLU(), nn.Linear(7, 3))
"""
SIDE = 32


def make_world(folder: Path) -> Path:
    """`net.py` with the networks and `cat.png`, a picture of 40 x 48 pixels."""
    (folder / "net.py").write_text(NETWORKS)
    rng = np.random.default_rng(0)
    smooth = np.asarray(Image.fromarray(rng.integers(0, 256, (10, 12, 3), np.uint8)).resize((48, 40)))
    Image.fromarray(smooth).save(folder / "cat.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def tiles_of(svg: Path | str) -> list[tuple[np.ndarray, str]]:
    """The pictures of a sheet with the words below each, as they lie in the file."""
    root = Xml.fromstring(svg.read_text("utf-8") if isinstance(svg, Path) else svg)
    found: list[tuple[np.ndarray, str]] = []
    for element in root:
        if element.tag == f"{SVG}image":
            code = element.attrib["href"].split("base64,")[1]
            found.append((np.asarray(Image.open(io.BytesIO(base64.b64decode(code)))), ""))
        elif element.tag == f"{SVG}text":
            found[-1] = (found[-1][0], element.text or "")
    return found


def number(text: str) -> float:
    """As a page shows it, with a true minus."""
    return float(text.replace("\N{MINUS SIGN}", "-").replace(",", ""))
