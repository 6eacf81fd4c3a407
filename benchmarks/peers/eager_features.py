"""Features of timm's EfficientNet-Lite0 by eager torch, then scikit-learn's tuned logistic regression.

python eager_features.py FOLDER --size 224, in an environment with timm, torchvision and scikit-learn: what most people
write for a linear classifier on a frozen network. It learns from FOLDER/train and prints {"accuracy": x} on FOLDER/val.
It does not use neocog.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from pathlib import Path

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

GRID = [3e-5, 3e-4, 3e-3, 3e-2, 3e-1, 3.0]


@torch.no_grad()
def features(net: torch.nn.Module, folder: Path, size: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    wanted = timm.data.resolve_data_config({"input_size": (3, size, size)}, model=net)
    pictures = ImageFolder(folder, timm.data.create_transform(**wanted))
    parts = [(net(x).numpy(), y.numpy()) for x, y in DataLoader(pictures, batch_size=32, num_workers=2)]
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def main(folder: Path, size: int) -> None:
    net = timm.create_model("tf_efficientnet_lite0", pretrained=True, num_classes=0).eval()
    train, labels = features(net, folder / "train", size)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    search = GridSearchCV(model, {"logisticregression__C": GRID}, scoring="neg_log_loss", cv=3)
    search.fit(train, labels)
    val, truth = features(net, folder / "val", size)
    print(json.dumps({"accuracy": float((search.predict(val) == truth).mean())}), flush=True)
    names = ("scikit-learn", "timm", "torch", "torchvision", "pillow")
    print(json.dumps({"versions": {name: importlib.metadata.version(name) for name in names}}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=224)
    given = parser.parse_args()
    main(given.folder, given.size)
