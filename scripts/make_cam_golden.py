"""Writes tests/golden/cams.npz: class activation maps of two small networks by pytorch-grad-cam.

Run it where `pip install grad-cam` is: that brings OpenCV and torchvision, so neocog does not depend on it.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

TESTS = Path(__file__).parents[1] / "tests"
sys.path.append(str(TESTS))

from cam_networks import SIZE, Tokens, flat  # noqa: E402

METHODS = {"Grad-CAM": GradCAM, "LayerCAM": LayerCAM}


def on_grid(tokens: Tensor) -> Tensor:
    """The patches' tokens as maps, without the class token."""
    return tokens[:, 1:].reshape(len(tokens), 3, 4, -1).permute(0, 3, 1, 2)


def drawn(net: nn.Module, layer: nn.Module, x: Tensor, reshape: Any = None) -> dict[str, NDArray[Any]]:
    """Of class 2, before it is scaled, and as the library gives it: from 0 to 1, of the picture's size."""
    found, targets = {}, [ClassifierOutputTarget(2)]
    for name, method in METHODS.items():
        with method(model=net, target_layers=[layer], reshape_transform=reshape) as cam:
            found[f"{name} scaled"] = cam(input_tensor=x, targets=targets)[0]
            seen = cam.activations_and_grads
            arrays = [tensor[0].detach().numpy() for tensor in (seen.activations, seen.gradients)]
            found[name] = cam.get_cam_image(x, layer, targets, *arrays, False)[0]
    return found


if __name__ == "__main__":
    torch.manual_seed(0)
    maps, tokens, x = flat().eval(), Tokens().eval(), torch.randn(1, *SIZE)
    arrays: dict[str, NDArray[Any]] = {"x": x.numpy()}
    for name, net, found in (
        ("flat", maps, drawn(maps, maps[3], x)),
        ("tokens", tokens, drawn(tokens, tokens.mixed, x, on_grid)),
    ):
        arrays |= {f"{name} {key}": value for key, value in found.items()}
        arrays |= {f"{name} weights {key}": value.numpy() for key, value in net.state_dict().items()}
    np.savez_compressed(TESTS / "golden" / "cams.npz", **arrays)
