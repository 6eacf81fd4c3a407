"""How many layers the lecture says the winners have."""

from __future__ import annotations

from neocog.experiments.networks import Networks, depth
from neocog.experiments.printed import Cells

HIDDEN = {"SuperVision (AlexNet)": "alexnet_2012", "Clarifai (ZFNet)": "zfnet"}
LEARNED = {
    "AlexNet": "alexnet_2012",
    "VGG D": "vgg16",
    "VGG E": "vgg19",
    "plain net": "plain34",
    "ResNet": "resnet152_v1",
}


def depths(networks: Networks) -> Cells:
    """Layers with weights on the longest path; without the last where the lecture counts hidden ones."""

    def of(name: str) -> int:
        return depth(networks.summary(name))

    hidden = {(label, "layers"): of(name) - 1 for label, name in HIDDEN.items()}
    learned = {(label, "layers"): of(name) for label, name in LEARNED.items()}
    trend = {
        ("trend 1", "layers"): of("alexnet_2012") - 1,
        ("trend 2", "layers"): of("vgg19"),
        ("trend 3", "layers"): of("resnet152_v1"),
    }
    return {**hidden, **learned, **trend}
