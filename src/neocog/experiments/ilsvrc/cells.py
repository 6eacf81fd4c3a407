"""The challenge's results cell by cell: beside what was published, and layers beside those of our networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from neocog.experiments.claims import Sheet, Value
from neocog.experiments.networks import Networks, depth
from neocog.experiments.printed import Cells, sheet
from neocog.experiments.published import results

CLASSES, TRAINING = 1000, 1_281_167  # Russakovsky et al. 2015, table 2
PICTURES, SYNSETS = 14_197_122, 21_841  # of all ImageNet, image-net.org's statistics of April 2010

# the lecture's label -> the published result, and another that has as good a claim to the cell
ERRORS = {
    "XRCE": ("xrce", ""),
    "SuperVision – Toronto (7 layers)": ("alexnet_5", "alexnet_1"),
    "SuperVision": ("alexnet_7", ""),
    "Clarifai – NYU (7 layers)": ("clarifai", "clarifai_1"),
    "Clarifai": ("clarifai_extra", ""),
    "VGG – Oxford (16 layers)": ("vgg_7", "vgg_1"),
    "GoogLeNet (19 layers)": ("googlenet_7_144", "googlenet_1_144"),
    "ResNet (152 layers)": ("resnet_6", "resnet152_1"),
    "Human expert": ("human", "human_2"),
}
DATA = {
    "XRCE": "xrce",
    "SuperVision – Toronto (AlexNet)": "alexnet_5",
    "SuperVision": "alexnet_7",
    "Clarifai – NYU": "clarifai",
    "VGG – Oxford": "vgg_7",
    "GoogLeNet": "googlenet_7_144",
}
LAYERS = {
    "VGG – Oxford": "vgg16",
    "GoogLeNet": "googlenet_2014",
    "ResNet": "resnet152_v1",
    "AlexNet, 8 layers (ILSVRC 2012)": "alexnet_2012",
    "VGG, 19 layers (ILSVRC 2014)": "vgg19",
    "ResNet, 152 layers (ILSVRC 2015)": "resnet152_v1",
}
HIDDEN = {"SuperVision – Toronto (AlexNet)": "alexnet_2012", "Clarifai – NYU": "zfnet"}
SIZE = {"alexnet_2012": (3, 227, 227)}  # the others read 224 pixels


def errors() -> Cells:
    """Year, place and error of each label; the error of another reading beside it."""
    cells: dict[tuple[str, str], Value] = {}
    for label, (name, other) in ERRORS.items():
        result = results()[name]
        cells[label, "year"], cells[label, "error"] = result.year, result.error
        if result.place is not None:
            cells[label, "place"] = result.place
        if other:
            column = "error of one net" if results()[other].nets else "error of the second annotator"
            cells[label, column] = results()[other].error
    return cells


def layers(networks: Networks) -> Cells:
    """Layers with weights on the longest path; without the last where the lecture counts hidden ones."""

    def of(name: str) -> int:
        return depth(networks.summary(name, SIZE.get(name, (3, 224, 224))))

    cells: dict[tuple[str, str], Value] = {(label, "layers"): of(name) for label, name in LAYERS.items()}
    for label, name in HIDDEN.items():
        cells[label, "layers"], cells[label, "layers with weights"] = of(name) - 1, of(name)
    cells["VGG – Oxford", "layers of the deepest"] = of("vgg19")
    return cells


def data() -> Cells:
    """What each entry was trained on, where its page says it in the lecture's words."""
    cells: dict[tuple[str, str], Value] = {
        (label, "external data"): results()[name].trained_on for label, name in DATA.items()
    }
    cells["Clarifai", "what the page says"] = results()["clarifai_extra"].trained_on
    return cells


def statements() -> Cells:
    """How large ImageNet is, and until when classification was ranked."""
    ranked = max(result.year for result in results().values() if result.place)
    return {
        ("ImageNet", "labelled pictures"): PICTURES,
        ("ImageNet", "classes"): SYNSETS,
        ("ILSVRC", "training pictures"): TRAINING,
        ("ILSVRC", "classes"): CLASSES,
        ("image classification", "first year outside ILSVRC"): ranked + 1,
    }


SHEETS: dict[str, Callable[[Networks], Cells]] = {
    "ilsvrc_errors": lambda _: errors(),
    "ilsvrc_layers": layers,
    "ilsvrc_data": lambda _: data(),
    "ilsvrc_statements": lambda _: statements(),
}


def sheets(networks: Networks | None = None) -> tuple[Sheet, ...]:
    """What the lecture prints about the challenge; layers are counted in `networks`."""
    networks = networks or Networks()
    return tuple(sheet(name, partial(recompute, networks)) for name, recompute in SHEETS.items())
