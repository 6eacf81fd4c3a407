"""ImageNet classes of a folder of pictures, written down as most people would: DataLoader, Pillow, eager torch.

python plain_loader.py FOLDER OUT.csv
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import neocog
from neocog.weights.published import imagenet_classes


class Pictures(Dataset[Tensor]):
    """Pictures as normalised tensors, (3, 224, 224)."""

    def __init__(self, paths: list[Path]):
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.paths[index]) as file:
            image = file.convert("RGB")
        scale = 256 / min(image.size)
        width, height = (max(256, int(scale * extent)) for extent in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        left, top = round((width - 224) / 2), round((height - 224) / 2)
        pixels = np.array(image.crop((left, top, left + 224, top + 224)))
        return (torch.from_numpy(pixels).permute(2, 0, 1).float() - 127) / 128


def main(folder: Path, out: Path) -> None:
    paths = sorted(folder.rglob("*.jpg"))
    net = neocog.create_model("efficientnet_lite0", pretrained=True).eval()
    classes = imagenet_classes()
    with out.open("w", newline="") as file, torch.no_grad():
        writer = csv.writer(file)
        writer.writerow(("path", "label", "probability"))
        done = 0
        for batch in DataLoader(Pictures(paths), batch_size=32, num_workers=2):
            best, index = net(batch).softmax(1).max(1)
            labels = [classes[i] for i in index.tolist()]
            writer.writerows(zip(paths[done : done + len(labels)], labels, best.tolist(), strict=True))
            done += len(labels)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
