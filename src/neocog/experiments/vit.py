"""The Vision Transformers of the lecture's last table, and the networks beside them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from neocog.experiments.claims import Value
from neocog.experiments.networks import Networks, depth, layer, one, weight
from neocog.experiments.printed import Cells

if TYPE_CHECKING:
    from neocog.analysis.table import Summary

SIZES = {
    "ViT-Base": "vit_base_patch16_224",
    "ViT-Large": "vit_large_patch32_224",  # the printed 307 million are those of patches of 32 pixels
    "ViT-Huge": "vit_huge_patch14_224",
}


def sizes(networks: Networks) -> Cells:
    """The paper's table 1; parameters with the hidden layer of pre-training (section 3.1) instead of a classifier."""
    cells: dict[tuple[str, str], Value] = {}
    for label, name in SIZES.items():
        summary = networks.summary(name, num_classes=0)
        width = summary.rows[-1].output_size[-1]
        attention = [row for row in summary if row.kind == "scaled_dot_product_attention"]
        hidden = [row.output_size[-1] for row in summary if row.module.endswith("mlp.fc1")]
        cells[label, "layers"] = len(attention)
        cells[label, "width"] = width
        cells[label, "MLP"] = one(sorted(set(hidden)))
        cells[label, "heads"] = one(sorted({row.output_size[0] for row in attention}))
        cells[label, "params"] = summary.params + width * width + width
    return cells


def compared(networks: Networks) -> Cells:
    """What the names of the columns of the paper's table 2 say, and the sizes of the two that are not its own."""
    huge, large = (networks.summary(f"vit_{name}") for name in ("huge_patch14_224", "large_patch16_224"))
    bit = networks.summary("resnetv2_152x4_bit")
    return {
        ("ViT-H/14", "patch"): _first_kernel(huge),
        ("ViT-L/16", "patch"): _first_kernel(large),
        ("BiT-L (ResNet152x4)", "layers"): depth(bit),
        ("BiT-L (ResNet152x4)", "times as wide"): Fraction(bit.rows[0].output_size[0], 64),
        ("BiT-L (ResNet152x4)", "params"): networks.params("resnetv2_152x4_bit", num_classes=0),
        ("Noisy Student (EfficientNet-L2)", "params"): networks.params("efficientnet_l2"),
    }


def _first_kernel(summary: Summary) -> Value:
    return one(weight(layer(summary.rows[0], summary.trace))[2:])
