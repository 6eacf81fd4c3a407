"""Whoever asks for a picture's pixels gets the same ones: an odd file by every way that leads to a network."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import zoo
from neocog import ImageEmbedder, load, train
from neocog.data.decode import decode
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Arrays, Files
from neocog.inference.stream import stream

GOOD = zoo.good()
SIDE = 24
MODES = ("crop", "pad", "squash")
FACTORY = "from torch import nn\n\ndef flat():\n    return nn.Flatten()\n"


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network whose features are its normalised pixels."""
    path = tmp_path_factory.mktemp("factory") / "pixels.py"
    path.write_text(FACTORY)
    return f"{path}:flat"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The zoo in two class folders."""
    top = tmp_path_factory.mktemp("zoo")
    names = sorted(GOOD)
    first = zoo.make(top / "first", {name: GOOD[name] for name in names[::2]})
    return first + zoo.make(top / "second", {name: GOOD[name] for name in names[1::2]})


def made(resize_mode: Any) -> Preprocess:
    """What a network out of a file gets: ImageNet's mean and spread, the middle 7/8."""
    return Preprocess(
        size=(SIDE, SIDE),
        crop_pct=0.875,
        resize_mode=resize_mode,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


def pixels_of(features: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Undoes the normalisation of flattened features."""
    channels = features.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return np.rint((channels * (0.229, 0.224, 0.225) + (0.485, 0.456, 0.406)) * 255).astype(int)


def test_the_zoo_is_large_enough() -> None:
    assert len(GOOD) >= 12


@pytest.mark.parametrize("mode", MODES)
def test_python_gives_the_same_pixels_for_bytes_pictures_and_arrays(mode: str) -> None:
    make = made(mode)
    for name, data in GOOD.items():
        expected = make(data)
        with Image.open(io.BytesIO(data)) as image:
            assert (make(image) == expected).all(), name
        upright = np.asarray(decode(data, 3).image)
        turned = name.startswith("exif") and name[5] != "1"
        # turned afterwards, sums that lie at half a grey level may be rounded the other way
        assert np.abs(make(upright).astype(int) - expected).max() <= (2 if turned else 0), name


@pytest.mark.parametrize("mode", MODES)
def test_prediction_estimators_and_training_see_the_same_pixels(
    mode: str, paths: list[Path], factory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = np.stack([made(mode)(path.read_bytes()) for path in paths])

    streams = (Files(paths), Arrays([path.read_bytes() for path in paths]), Arrays([*paths]))
    for samples in streams:
        parts = list(stream(samples, made(mode), infer=lambda batch: batch))
        assert (np.concatenate([part.outputs for part in parts]) == expected).all()

    given = {"img_size": SIDE, "resize_mode": mode, "engine": "torch"}
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "of the estimator"))
    embedder = ImageEmbedder(factory, **given).fit(paths)
    assert (pixels_of(embedder.transform(paths)) == expected).all()
    assert (pixels_of(embedder.transform([path.read_bytes() for path in paths])) == expected).all()

    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "of training"))
    run = train(paths[0].parent.parent, factory, recipe="probe", output=tmp_path / "run", **given)
    classifier = load(run.folder, engine="torch")
    assert (pixels_of(classifier.embed(paths)) == expected).all()  # what training computed and kept
    trust = (tmp_path / "of training" / "trusted").rename(tmp_path / "trusted")
    monkeypatch.setenv("NEOCOG_CACHE", str(trust.parent))
    computed = load(run.folder, engine="torch").embed(Arrays([path.read_bytes() for path in paths]))
    assert (pixels_of(computed) == expected).all()


def test_what_training_evaluates_on_is_what_prediction_sees(paths: list[Path], factory: str) -> None:
    from neocog.api.training.pixels import read_pixels
    from neocog.data.loading.pictures import Held
    from neocog.data.source import open_dataset
    from neocog.progress import Silent

    dataset = open_dataset(paths[0].parent.parent)
    read = read_pixels(dataset.samples, made("crop"), Silent())
    assert isinstance(read.pixels, Held) and not read.skipped
    pixels = read.pixels.pixels
    for i in range(len(dataset)):
        data = Path(dataset.samples.name(i)).read_bytes()
        assert (pixels[i] == made("crop")(data)).all(), dataset.samples.name(i)
