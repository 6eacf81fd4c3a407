"""Fine-tunes timm's EfficientNet-Lite0 on FOLDER/train by the calls of timm's train.py; judges FOLDER/val each epoch.

python frontier_timm.py FOLDER --epochs 3 --size 224. Prints {"accuracy": x} after every epoch. It does not use neocog.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from pathlib import Path

import timm
import torch
from timm.data import create_dataset, create_loader, resolve_data_config
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import AverageMeter, accuracy, random_seed

BATCH, WORKERS, RATE, DECAY, SMOOTHING = 32, 2, 1e-3, 0.05, 0.1


def main(folder: Path, epochs: int, size: int, seed: int) -> None:
    random_seed(seed)
    parts = {name: create_dataset("", str(folder), split=name) for name in ("train", "val")}
    classes = len(parts["train"].reader.class_to_idx)
    net = timm.create_model("tf_efficientnet_lite0", pretrained=True, num_classes=classes)
    data = resolve_data_config({"input_size": (3, size, size)}, model=net) | {
        "batch_size": BATCH,
        "num_workers": WORKERS,
        "use_prefetcher": False,
        "device": torch.device("cpu"),
    }
    data.pop("crop_mode", None)
    train = create_loader(parts["train"], is_training=True, **data)
    val = create_loader(parts["val"], is_training=False, **data)
    optimiser = create_optimizer_v2(net, opt="adamw", lr=RATE, weight_decay=DECAY)
    schedule, _ = create_scheduler_v2(
        optimiser,
        sched="cosine",
        num_epochs=epochs,
        warmup_epochs=0,
        step_on_epochs=False,
        updates_per_epoch=len(train),
    )
    loss, updates = LabelSmoothingCrossEntropy(SMOOTHING), 0
    for _ in range(epochs):
        net.train()
        for pictures, labels in train:
            optimiser.zero_grad()
            loss(net(pictures), labels).backward()
            optimiser.step()
            updates += 1
            schedule.step_update(num_updates=updates)
        print(json.dumps({"accuracy": judged(net, val)}), flush=True)
    versions = {name: importlib.metadata.version(name) for name in ("timm", "torch", "torchvision", "pillow")}
    print(json.dumps({"versions": versions}))


@torch.no_grad()
def judged(net: torch.nn.Module, loader: torch.utils.data.DataLoader) -> float:  # type: ignore[type-arg]
    net.eval()
    top1 = AverageMeter()
    for pictures, labels in loader:
        (right,) = accuracy(net(pictures), labels, topk=(1,))
        top1.update(right.item(), len(labels))
    return top1.avg / 100


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.folder, given.epochs, given.size, given.seed)
