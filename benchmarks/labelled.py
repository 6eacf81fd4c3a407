"""Folders of labelled pictures to measure accuracy on: train/CLASS and val/CLASS, drawn with a seed, disjoint."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pictures import originals
from PIL import Image

CLOTHES = (
    *("t-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
MORE = ("camera", "cell", "hubble_deep_field", "immunohistochemistry", "moon", "retina")  # of scikit-image
LEFT_OUT = ("Component", "Flags")  # skin tones alone; flags are told apart by anything


def make_fashion(idx: Path, folder: Path, train: int, val: int, seed: int = 0) -> Path:
    """Fashion-MNIST (Xiao et al. 2017) as PNG files: `train` per class of its train part, `val` of its test part."""
    if (folder / "done").exists():
        return folder
    rng = np.random.default_rng(seed)
    for part, file, wanted in (("train", "train", train), ("val", "t10k", val)):
        pictures = read_idx(idx / f"{file}-images-idx3-ubyte.gz")
        labels = read_idx(idx / f"{file}-labels-idx1-ubyte.gz")
        for label, name in enumerate(CLOTHES):
            place = folder / part / name
            place.mkdir(parents=True, exist_ok=True)
            for i in rng.permutation(np.flatnonzero(labels == label))[:wanted]:
                Image.fromarray(pictures[i]).save(place / f"{i:05d}.png")
    (folder / "done").touch()
    return folder


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Bytes of an IDX file in their shape: the fourth byte is the rank, then big-endian extents."""
    data = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(data, ">i4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def make_emoji(package: Path, folder: Path, train: int, val: int, seed: int = 0) -> Path:
    """Twitter's emoji, 64 pixels wide, by their category: `train` and `val` of all, drawn without regard to class.

    Left out are flags, skin tones and joined ones (a woman or a man of each profession), which repeat one
    another. Transparency lies on white, so that no side gains by how it treats it.
    """
    if (folder / "done").exists():
        return folder
    listed = json.loads((package / "emoji.json").read_text("utf-8"))
    kept = [one for one in listed if one["category"] not in LEFT_OUT and "200D" not in one["unified"]]
    order = np.random.default_rng(seed).permutation(len(kept))[: train + val]
    for place, i in enumerate(order):
        name = re.sub(r"\W+", "-", kept[i]["category"].lower())
        target = folder / ("train" if place < train else "val") / name / kept[i]["image"]
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(package / "img" / "twitter" / "64" / kept[i]["image"]) as image:
            on_white(image).save(target)
    (folder / "done").touch()
    return folder


def on_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def make_more(photographs: Path, folder: Path, times: int) -> Path:
    """`times` copies of each JPEG below `photographs`, told apart by a comment and so by their SHA-256."""
    if (folder / "done").exists():
        return folder
    for path in sorted(photographs.rglob("*.jpg")):
        data = path.read_bytes()
        place = folder / path.parent.name
        place.mkdir(parents=True, exist_ok=True)
        for copy in range(times):
            text = f"copy {copy}".encode()
            comment = b"\xff\xfe" + (2 + len(text)).to_bytes(2, "big") + text  # marker COM behind the SOI
            (place / f"{path.stem}-{copy}.jpg").write_bytes(data[:2] + comment + data[2:])
    (folder / "done").touch()
    return folder


def make_tiles(folder: Path, side: int = 160) -> Path:
    """Photographs of scikit-image and scikit-learn in squares that share no pixel; which photograph is the class.

    The pixels are the photographs' own, never enlarged, so that there is detail which a coarser decoding can lose.
    Squares alternate between train and val as on a chessboard.
    """
    if (folder / "done").exists():
        return folder
    import skimage.data

    more = {name: Image.fromarray(getattr(skimage.data, name)()).convert("RGB") for name in MORE}
    for name, image in (originals() | more).items():
        for row in range(image.height // side):
            for column in range(image.width // side):
                box = (column * side, row * side, (column + 1) * side, (row + 1) * side)
                place = folder / ("val" if (row + column) % 2 else "train") / name
                place.mkdir(parents=True, exist_ok=True)
                image.crop(box).save(place / f"{row}-{column}.jpg", quality=90)
    (folder / "done").touch()
    return folder
