"""fastai's `fine_tune` of timm's EfficientNet-Lite0 on FOLDER/train; its own accuracy on FOLDER/val each epoch.

python frontier_fastai.py FOLDER --epochs 3 --size 224. One epoch with the body frozen comes first and counts as none,
as in fastai. Prints {"accuracy": x} after every epoch. It does not use neocog.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from pathlib import Path

from fastai.vision.all import (
    Callback,
    ImageDataLoaders,
    Resize,
    accuracy,
    aug_transforms,
    set_seed,
    vision_learner,
)


class Said(Callback):  # type: ignore[misc]
    """Prints the accuracy that fastai's recorder has just noted."""

    order = 60  # after the recorder

    def after_epoch(self) -> None:
        print(json.dumps({"accuracy": float(self.recorder.values[-1][-1])}), flush=True)


def main(folder: Path, epochs: int, size: int, seed: int) -> None:
    set_seed(seed, reproducible=True)
    loaders = ImageDataLoaders.from_folder(
        folder,
        train="train",
        valid="val",
        item_tfms=Resize(size),
        batch_tfms=aug_transforms(),
        bs=32,
        num_workers=2,
        device="cpu",
    )
    learner = vision_learner(loaders, "tf_efficientnet_lite0", metrics=accuracy, cbs=Said())
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(epochs)
    versions = {name: importlib.metadata.version(name) for name in ("fastai", "timm", "torch", "pillow")}
    print(json.dumps({"versions": versions}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.folder, given.epochs, given.size, given.seed)
