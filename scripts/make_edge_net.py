"""Makes the network that the package carries to be looked into: `edge_net`, which learned places of photographs.

Every place is a class of its own (Dosovitskiy et al., "Discriminative unsupervised feature learning with exemplar
convolutional neural networks", 2014): the network sees it shifted, turned, mirrored, larger or smaller and in other
colours, and says which place it is. Few photographs are enough for a first layer (Asano et al., "A critical analysis
of self-supervision, or what we can learn from a single image", 2020). They are files of scikit-image and
scikit-learn; nothing is fetched.

    python scripts/make_edge_net.py                      # writes the bundle and docs/see/edge_net.png
    python scripts/make_edge_net.py --steps 50 --output /tmp/edge_net
"""

import argparse
import csv
import math
from collections import OrderedDict
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, grid_sample
from torch.nn.utils.fusion import fuse_conv_bn_eval

from neocog.api.networks import loaded_from
from neocog.api.training.outputs import versions
from neocog.bundle import Bundle, Card, Golden, write_bundle
from neocog.data.builtin import HERE, whole_photographs
from neocog.data.preprocess import Preprocess
from neocog.draw import tiles
from neocog.files import sha256
from neocog.inference.engines import choose
from neocog.inside.orientation import tuning
from neocog.models import build
from neocog.weights.shipped import SHIPPED

ROOT = Path(__file__).resolve().parents[1]
SIDE = 51  # pixels of a patch: 11 positions of conv1
SPACING = 48  # pixels between places
CLASSES = 1000
LARGEST = 800  # pixels; a photograph with more is halved; those of `WIDE` are seen at half that size, too
WIDE = ("astronaut", "camera", "chelsea", "coffee", "rocket", "china", "flower")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# augmentation: pixels, degrees, and factors drawn evenly on a logarithmic scale between 1/f and f
SHIFT, TURN, SCALE, CONTRAST, SATURATION = 8.0, 10.0, 1.35, 1.8, 1.8
BRIGHTNESS, TINT = 0.24, 0.2  # added to all channels; deviations along the colours' principal axes
GREY = 0.2  # share of views without colour
BATCH, STEPS, RATE, WARM_UP, MOMENTUM = 128, 7000, 0.03, 100, 0.9
DECAY, FIRST_DECAY = 1e-3, 3e-3
FIRST_DEVIATION = 1e-3  # of conv1's first weights: so small that nothing of them is left in the end
VIEWS = 8  # of each place, to measure the accuracy on

FLOWERS = """\
name|file|title|author|licence|source
china|china.jpg|A temple in China|danielbuechele|CC BY 2.0|https://www.flickr.com/photos/danielbuechele/6061409035/
flower|flower.jpg|A dahlia|vultilion|CC BY 2.0|https://www.flickr.com/photos/vultilion/6056698931/
"""


@dataclass(frozen=True)
class Source:
    """A photograph: its file, and whom it is from."""

    path: Path
    facts: dict[str, str]

    @property
    def name(self) -> str:
        return self.facts["name"]


@dataclass(frozen=True)
class Atlas:
    """All photographs on one sheet, and the places on it that are classes."""

    sheet: Tensor
    """(1, 3, height, width), 0 to 1"""
    places: Tensor
    """(classes, 2): row and column of each middle"""
    names: tuple[str, ...]
    axes: Tensor
    """(3, 3): the colours' principal axes, each as long as one deviation, in columns"""


def photographs() -> list[Source]:
    """Those that scikit-image and scikit-learn install."""
    lines = (HERE / "sources.csv").read_text("utf-8").splitlines()
    found = []
    for row in csv.DictReader(lines):
        facts = {key: row[key] for key in ("name", "title", "author", "licence", "source")}
        found.append(Source(Path(str(files("skimage.data") / row["scikit_image_file"])), facts))
    for row in csv.DictReader(FLOWERS.splitlines(), delimiter="|"):
        found.append(Source(Path(str(files("sklearn.datasets") / "images" / row.pop("file"))), row))
    return found


def scaled(sources: list[Source]) -> list[tuple[str, int, NDArray[np.float32]]]:
    """(name, how many times smaller than the file, pixels (height, width, 3) from 0 to 1)."""
    found = []
    for source in sources:
        photograph = Image.open(source.path).convert("RGB")
        first = 2 if max(photograph.size) > LARGEST else 1
        for factor in (first, 2 * first) if source.name in WIDE else (first,):
            size = (photograph.width // factor, photograph.height // factor)
            small = photograph.resize(size, Image.Resampling.LANCZOS) if factor > 1 else photograph
            found.append((source.name, factor, np.asarray(small, np.float32) / 255))
    return found


def atlas_of(sources: list[Source]) -> Atlas:
    """The places lie on a grid; those with the most contrast become classes."""
    pictures = scaled(sources)
    height, width = sum(p.shape[0] for *_, p in pictures), max(p.shape[1] for *_, p in pictures)
    sheet = np.zeros((height, width, 3), np.float32)
    found: list[tuple[float, float, float, str]] = []
    top, margin = 0, SIDE / 2 * math.sqrt(2) * 1.2
    for name, factor, pixels in pictures:
        rows, columns = pixels.shape[:2]
        sheet[top : top + rows, :columns] = pixels
        for y in np.arange(margin, rows - margin, SPACING):
            for x in np.arange(margin, columns - margin, SPACING):
                patch = pixels[int(y) - SIDE // 2 :, int(x) - SIDE // 2 :][:SIDE, :SIDE]
                title = f"{name} {int(x * factor)},{int(y * factor)}" + (f" 1:{factor}" if factor > 1 else "")
                found.append((float(patch.std((0, 1)).max()), top + float(y), float(x), title))
        top += rows
    best = sorted(sorted(found, reverse=True)[:CLASSES], key=lambda place: place[1:3])
    colours = np.concatenate([p.reshape(-1, 3) for *_, p in pictures])
    lengths, axes = np.linalg.eigh(np.cov(colours.T))
    return Atlas(
        torch.from_numpy(sheet.transpose(2, 0, 1).copy())[None],
        torch.tensor([place[1:3] for place in best], dtype=torch.float32),
        tuple(place[3] for place in best),
        torch.from_numpy((axes * np.sqrt(lengths.clip(0))).astype(np.float32)),
    )


def patches(atlas: Atlas, classes: Tensor, generator: torch.Generator) -> Tensor:
    """A view of each place, drawn anew: (n, 3, SIDE, SIDE), normalised."""
    n = len(classes)

    def between(low: float, high: float) -> Tensor:
        return torch.empty(n, 1, 1).uniform_(low, high, generator=generator)

    def factor(most: float) -> Tensor:
        return torch.exp(between(-math.log(most), math.log(most)))

    along = torch.arange(SIDE) - (SIDE - 1) / 2
    down, right = torch.meshgrid(along, along, indexing="ij")
    angle, scale = torch.deg2rad(between(-TURN, TURN)), factor(SCALE)
    middle = atlas.places[classes]
    y = (
        middle[:, 0].view(-1, 1, 1)
        + between(-SHIFT, SHIFT)
        + scale * (angle.sin() * right + angle.cos() * down)
    )
    x = (
        middle[:, 1].view(-1, 1, 1)
        + between(-SHIFT, SHIFT)
        + scale * (angle.cos() * right - angle.sin() * down)
    )
    height, width = atlas.sheet.shape[2:]
    grid = torch.stack([x * 2 / (width - 1) - 1, y * 2 / (height - 1) - 1], -1).view(1, n * SIDE, SIDE, 2)
    seen = grid_sample(atlas.sheet, grid, align_corners=True).view(3, n, SIDE, SIDE).transpose(0, 1)
    grey = seen.mean(1, keepdim=True)
    colour = factor(SATURATION) * (between(0, 1) > GREY)
    seen = grey + (seen - grey) * colour[..., None]
    level = seen.mean((1, 2, 3), keepdim=True)
    seen = level + (seen - level) * factor(CONTRAST)[..., None] + between(-BRIGHTNESS, BRIGHTNESS)[..., None]
    seen = seen + (TINT * torch.randn(n, 3, generator=generator) @ atlas.axes.T).view(n, 3, 1, 1)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return ((seen.clamp(0, 1) - mean) / std).contiguous(memory_format=torch.channels_last)


def with_norms(net: nn.Module) -> nn.Sequential:
    """The layers of `net`, with a batch norm behind each convolution but the first.

    A norm behind the first would keep up kernels, whatever they are worth, that weight decay makes smooth or small.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, layer in net.named_children():
        layers[name] = layer
        if isinstance(layer, nn.Conv2d) and name != "conv1":
            nn.init.kaiming_normal_(layer.weight)
            layers[f"{name}_norm"] = nn.BatchNorm2d(layer.out_channels)
    nn.init.normal_(net.get_submodule("conv1").weight, std=FIRST_DEVIATION)  # type: ignore[arg-type]
    return nn.Sequential(layers).to(memory_format=torch.channels_last)


def without_norms(net: nn.Module, learned: nn.Sequential) -> nn.Module:
    """`net` with what was learned: each norm becomes a factor and an offset of the convolution before it."""
    learned.eval()
    for name, layer in list(net.named_children()):
        if isinstance(layer, nn.Conv2d) and name != "conv1":
            merged = fuse_conv_bn_eval(layer, learned.get_submodule(f"{name}_norm"))  # type: ignore[type-var]
            layer.load_state_dict(merged.state_dict())
    return net.eval()


def train(net: nn.Sequential, atlas: Atlas, steps: int, generator: torch.Generator, sheet: Path) -> None:
    """SGD with momentum; the rate rises for `WARM_UP` steps, then falls along a cosine to 0."""
    conv1 = net.get_submodule("conv1").weight
    others = [p for p in net.parameters() if p is not conv1]
    groups = [{"params": [conv1], "weight_decay": FIRST_DECAY}, {"params": others, "weight_decay": DECAY}]
    optimizer = torch.optim.SGD(groups, lr=RATE, momentum=MOMENTUM, nesterov=True)
    right, started = 0.0, perf_counter()
    for step in range(steps):
        rate = RATE * min(1, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2
        for group in optimizer.param_groups:
            group["lr"] = rate
        classes = torch.randint(len(atlas.names), (BATCH,), generator=generator)
        x = patches(atlas, classes, generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(x)
        optimizer.zero_grad()
        loss = cross_entropy(logits.float(), classes)
        loss.backward()
        optimizer.step()
        right += 0.02 * (float((logits.argmax(1) == classes).float().mean()) - right)
        if (step + 1) % 250 == 0:
            kernels = conv1.detach().float().numpy()
            sheet.write_bytes(drawn(kernels))
            seconds = perf_counter() - started
            print(
                f"{step + 1} loss {loss.item():.3f} top1 {right:.3f} {seconds:.0f} s {told(kernels)}",
                flush=True,
            )


def told(kernels: NDArray[np.float32]) -> str:
    found = tuning(kernels)
    return f"{found.oriented.sum()} of {len(kernels)} oriented, {found.coloured.sum()} coloured"


def drawn(kernels: NDArray[np.float32]) -> bytes:
    """PNG: each kernel from its least weight to its greatest, 7 pixels a weight."""
    squares = [tiles.enlarged(tiles.stretched(kernel.transpose(1, 2, 0)), 77) for kernel in kernels]
    return tiles.png(tiles.mosaic(squares, columns=8, gap=4))


@torch.no_grad()
def accuracy(net: nn.Module, atlas: Atlas) -> dict[str, float]:
    """Shares right of `VIEWS` new views of each place."""
    generator, hits = torch.Generator().manual_seed(1), []
    for _ in range(VIEWS):
        for classes in torch.arange(len(atlas.names)).split(100):
            best = net(patches(atlas, classes, generator)).topk(5).indices
            hits.append(best == classes[:, None])
    found = torch.cat(hits).float().mean(0).cumsum(0)
    return {"top1": round(float(found[0]), 4), "top5": round(float(found[4]), 4)}


def card(atlas: Atlas, sources: list[Source], steps: int, seed: int, metrics: dict[str, float]) -> Card:
    photographs = [{**source.facts, "sha256": sha256(source.path)} for source in sources]
    return Card(
        model="edge_net",
        head="fc",
        classes=atlas.names,
        preprocess=Preprocess(size=(224, 224), crop_pct=1.0, mean=MEAN, std=STD),
        recipe={
            "made by": "scripts/make_edge_net.py", "steps": steps, "batch_size": BATCH, "lr": RATE, "seed": seed,
            "momentum": MOMENTUM, "weight_decay": DECAY, "weight_decay of conv1": FIRST_DECAY,
            "batch norms": "behind conv2 to conv4 while it learned, then merged into them",
        },
        data={"name": "places on photographs", "n_train": len(atlas.names), "side": SIDE, "photographs": photographs},
        metrics=metrics,
        versions=versions(),
        license="Apache-2.0; learned from photographs in the public domain, under CC0 and under CC BY 2.0, see data",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the network that is looked into where none is named.")
    parser.add_argument("--output", type=Path, default=SHIPPED["edge_net"], help="folder of the bundle")
    parser.add_argument(
        "--sheet", type=Path, default=ROOT / "docs" / "see" / "edge_net.png", help="its kernels"
    )
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(given.seed)
    given.sheet.parent.mkdir(parents=True, exist_ok=True)
    sources = photographs()
    atlas = atlas_of(sources)
    net = build("edge_net", num_classes=len(atlas.names))
    learned = with_norms(net)
    train(learned, atlas, given.steps, torch.Generator().manual_seed(given.seed), given.sheet)
    net = without_norms(net, learned)
    metrics = accuracy(net, atlas)
    tensors = {name: tensor.contiguous().numpy() for name, tensor in net.state_dict().items()}
    bundle = Bundle(card(atlas, sources, given.steps, given.seed, metrics), tensors)
    loaded = loaded_from(bundle, None)
    samples = whole_photographs()
    pictures = tuple(samples.read(i) for i in range(len(samples)))
    pixels = np.stack([loaded.network.preprocess(picture) for picture in pictures])
    features = choose(loaded.network, loaded.head, "torch").engine(pixels)
    write_bundle(given.output, bundle, Golden(pictures, loaded.head.probabilities(features)))
    given.sheet.write_bytes(drawn(tensors["conv1.weight"]))
    print(metrics, told(tensors["conv1.weight"]))


if __name__ == "__main__":
    main()
