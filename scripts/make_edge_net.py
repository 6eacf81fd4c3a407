"""Makes the network that the package carries to be looked into: `edge_net`, which learned places of photographs.

Every place is a class of its own (Dosovitskiy et al., "Discriminative unsupervised feature learning with exemplar
convolutional neural networks", 2014): the network sees it shifted, turned, larger or smaller and in other
colours, and says which place it is. Few photographs are enough for a first layer (Asano et al., "A critical analysis
of self-supervision, or what we can learn from a single image", 2020). They are files of scikit-image and
scikit-learn; nothing is fetched.

    python scripts/make_edge_net.py                      # writes the bundle and docs/see/edge_net.png
    python scripts/make_edge_net.py --steps 50 --output tried
"""

import argparse
import math
from collections import OrderedDict
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from edge_net_places import SIDE, Atlas, Source, atlas_of, patches, photographs
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.fusion import fuse_conv_bn_eval

from neocog.api.names import IMAGENET_MEAN, IMAGENET_STD
from neocog.api.networks import loaded_from
from neocog.api.training.outputs import versions
from neocog.bundle import Bundle, Card, Golden, write_bundle
from neocog.data.builtin import whole_photographs
from neocog.data.preprocess import Preprocess
from neocog.draw import tiles
from neocog.files import sha256
from neocog.inference.engines import choose
from neocog.inside.kernels.orientation import tuning
from neocog.models import build
from neocog.weights.shipped import SHIPPED

ROOT = Path(__file__).resolve().parents[1]
BATCH, STEPS, RATE, WARM_UP, MOMENTUM = 128, 7000, 0.03, 100, 0.9
DECAY, FIRST_DECAY = 1e-3, 3e-3
FIRST_DEVIATION = 1e-3  # of conv1's first weights: so small that nothing of them is left in the end
VIEWS = 8  # of each place, to measure the accuracy on


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
        preprocess=Preprocess(size=(224, 224), crop_pct=1.0, mean=IMAGENET_MEAN, std=IMAGENET_STD),
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


def write(folder: Path, bundle: Bundle) -> None:
    """With the self-test: the photographs that neocog brings, and torch's answers."""
    loaded, samples = loaded_from(bundle, None), whole_photographs()
    pictures = tuple(samples.read(i) for i in range(len(samples)))
    pixels = np.stack([loaded.network.preprocess(picture) for picture in pictures])
    features = choose(loaded.network, loaded.head, "torch").engine(pixels)
    write_bundle(folder, bundle, Golden(pictures, loaded.head.probabilities(features)))


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
    write(given.output, Bundle(card(atlas, sources, given.steps, given.seed, metrics), tensors))
    given.sheet.write_bytes(drawn(tensors["conv1.weight"]))
    print(metrics, told(tensors["conv1.weight"]))


if __name__ == "__main__":
    main()
