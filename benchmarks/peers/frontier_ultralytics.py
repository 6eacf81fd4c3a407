"""ultralytics' smallest classifier trained on FOLDER/train; its own accuracy on FOLDER/val each epoch.

python frontier_ultralytics.py FOLDER --epochs 3 --size 224. From first weights drawn at random: its trained ones are
in no package. Prints {"accuracy": x} after every epoch. It does not use neocog.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import tempfile
from pathlib import Path
from typing import Any

from ultralytics import YOLO


def main(folder: Path, epochs: int, size: int, seed: int) -> None:
    model = YOLO("yolo11n-cls.yaml", verbose=False)
    model.add_callback("on_fit_epoch_end", said)
    with tempfile.TemporaryDirectory() as place:
        model.train(
            data=str(folder.resolve()),
            epochs=epochs,
            imgsz=size,
            batch=32,
            workers=2,
            device="cpu",
            seed=seed,
            project=place,
            plots=False,
            verbose=False,
        )
    versions = {name: importlib.metadata.version(name) for name in ("ultralytics", "torch", "pillow")}
    print(json.dumps({"versions": versions}))


def said(trainer: Any) -> None:
    print("\n" + json.dumps({"accuracy": float(trainer.metrics["metrics/accuracy_top1"])}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.folder, given.epochs, given.size, given.seed)
