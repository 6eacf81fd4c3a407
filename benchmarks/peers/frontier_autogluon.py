"""AutoGluon's MultiModalPredictor with timm's EfficientNet-Lite0 on FOLDER/train within a time limit.

python frontier_autogluon.py FOLDER --seconds 300. Prints {"accuracy": x} on FOLDER/val once it is done.
It does not use neocog.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import tempfile
from pathlib import Path

import pandas as pd
from autogluon.multimodal import MultiModalPredictor

SETTINGS = {
    "model.names": ["timm_image"],
    "model.timm_image.checkpoint_name": "tf_efficientnet_lite0",
    "env.num_gpus": 0,
    "env.num_workers": 2,
    "env.precision": "32",
}


def listed(part: Path) -> pd.DataFrame:
    paths = sorted(path for path in part.glob("*/*") if path.is_file())
    return pd.DataFrame(
        {"image": [str(path) for path in paths], "label": [path.parent.name for path in paths]}
    )


def main(folder: Path, seconds: float, seed: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        predictor = MultiModalPredictor(label="label", path=f"{place}/model", verbosity=0)
        predictor.fit(listed(folder / "train"), time_limit=seconds, seed=seed, hyperparameters=SETTINGS)
        scores = predictor.evaluate(listed(folder / "val"), metrics=["accuracy"])
    print("\n" + json.dumps({"accuracy": float(scores["accuracy"])}), flush=True)
    versions = {name: importlib.metadata.version(name) for name in ("autogluon.multimodal", "timm", "torch")}
    print(json.dumps({"versions": versions}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.folder.resolve(), given.seconds, given.seed)
