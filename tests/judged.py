"""Runs and pictures for the tests of evaluation: a small network made without training, and digits as PNG files.

The network's last layer is scikit-learn's; what the run should answer is computed by torch and PIL alone.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from neocog.bundle import Bundle, Card, Golden, write_bundle
from neocog.data.preprocess import Preprocess
from neocog.models.lenet import lenet5_modern

CLASSES = tuple("0123456789")
PREPROCESS = Preprocess(size=(32, 32), channels=1, mean=(0.5,), std=(0.25,), crop_pct=0.8)
EDGE, WIDTH = 40, 48  # pictures whose shorter edge is what they would be resized to
CARD = Card(
    model="lenet5_modern",
    head="fc5",
    classes=CLASSES,
    preprocess=PREPROCESS,
    recipe={},
    data={},
    metrics={},
    versions={},
    license="CC0-1.0",
)
DIGITS = load_digits()


def picture(number: int) -> Image.Image:
    """A digit of 40 x 48 pixels, of which no resizing changes one."""
    grey = (DIGITS.images[number] * 15.9).astype(np.uint8)
    whole = Image.new("L", (WIDTH, EDGE))
    whole.paste(Image.fromarray(grey).resize((EDGE, EDGE), Image.Resampling.NEAREST), (4, 0))
    return whole


def encoded(number: int) -> bytes:
    file = io.BytesIO()
    picture(number).save(file, "png")
    return file.getvalue()


def save_digits(folder: Path, numbers: Sequence[int], names: Sequence[str] = CLASSES) -> Path:
    """Folders of classes with the digits of these `numbers`, called by them."""
    for number in numbers:
        place = folder / names[DIGITS.target[number]]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:04}.png").write_bytes(encoded(number))
    return folder


def in_order(folder: Path) -> tuple[list[int], NDArray[np.int64]]:
    """The numbers of a folder's digits as neocog orders them, by their paths; and what they show."""
    numbers = [int(path.stem) for path in sorted(folder.rglob("*.png")) if path.stem.isdecimal()]
    return numbers, np.asarray(DIGITS.target[numbers], np.int64)


def crop(whole: Image.Image, left: int, top: int) -> NDArray[np.uint8]:
    return np.asarray(whole.crop((left, top, left + 32, top + 32)))


def middles(numbers: Sequence[int]) -> NDArray[np.uint8]:
    """(n, 32, 32), what the network sees by its own preprocessing."""
    return np.stack([crop(picture(number), 8, 4) for number in numbers])


def logits(net: torch.nn.Module, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(n, classes) of (n, 32, 32), by torch."""
    given = (torch.from_numpy(pixels.copy())[:, None].float() / 255 - 0.5) / 0.25
    with torch.no_grad():
        return np.asarray(net.eval()(given).numpy(), np.float64)


def softmax(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(rows - rows.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def module(run: Path, classes: int = 10) -> torch.nn.Module:
    """A run's network, without what neocog does to load it."""
    net = lenet5_modern(classes)
    net.load_state_dict(load_file(run / "model.safetensors"))
    return net.eval()


def make_run(
    folder: Path,
    seed: int = 0,
    names: Sequence[str] = CLASSES,
    taught: Sequence[int] = range(60),
    sure: float = 1.0,
    **card: Any,
) -> Path:
    """A run that has learned the digits `taught`, whose class d is called `names[d]`; classes sorted by name.

    Its logits are `sure` times those of logistic regression on random features.
    """
    torch.manual_seed(seed)
    net = lenet5_modern(len(names)).eval()
    order = np.argsort(np.array(names))
    place = np.argsort(order)  # of each digit among the classes
    body = torch.nn.Sequential(*list(net.children())[:-1])
    labels = [int(place[DIGITS.target[number]]) for number in taught]
    fit = LogisticRegression(C=10.0, max_iter=40, tol=1e-2).fit(logits(body, middles(taught)), labels)
    with torch.no_grad():
        net.fc5.weight.copy_(torch.from_numpy(sure * fit.coef_))
        net.fc5.bias.copy_(torch.from_numpy(sure * fit.intercept_))
    about = replace(CARD, classes=tuple(names[i] for i in order), **card)
    return write_run(folder, net, about, taught)


def write_run(folder: Path, net: torch.nn.Module, card: Card, taught: Sequence[int] = ()) -> Path:
    tensors = {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}
    raw = logits(net, middles([1700, 1701]))
    answers = softmax(raw) if card.activation == "softmax" else 1 / (1 + np.exp(-raw))
    golden = Golden((encoded(1700), encoded(1701)), answers.astype(np.float32))
    write_bundle(folder, Bundle(card, tensors), golden)
    rows = [f"{number}.png,train,{hashlib.sha256(encoded(number)).hexdigest()}" for number in taught]
    (folder / "split.csv").write_text("\n".join(["path,part,sha256", *rows]) + "\n")
    return folder
