"""Deeper VGGs from net A, held against the layer tables of the paper, typed here by hand."""

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.models.classifier import Classifier
from neocog.models.vgg import vgg
from neocog.training.network.progressive import initialise_from, is_shallower

# torchvision's names: convolutions of A and where their copies stand in B, C, D and E (conv1_1, 2_1, 3_1 and 3_2)
A = ("features.0", "features.3", "features.6", "features.8")
PLACES = {
    "B": ("features.0", "features.5", "features.10", "features.12"),
    "C": ("features.0", "features.5", "features.10", "features.12"),
    "D": ("features.0", "features.5", "features.10", "features.12"),
    "E": ("features.0", "features.5", "features.10", "features.12"),
}
LINEAR = ("classifier.0", "classifier.3", "classifier.6")
CONVOLUTIONS = {"B": 10, "C": 13, "D": 13, "E": 16}


def small(column: str, num_classes: int = 7, in_chans: int = 3, batch_norm: bool = False) -> Classifier:
    """The column with fully connected layers of a few numbers instead of 120 million."""
    with torch.device("meta"):
        net = vgg(column, num_classes, in_chans, batch_norm=batch_norm)
    for number, (before, after) in {0: (8, 6), 3: (6, 1000), 6: (1000, num_classes)}.items():
        net.classifier[number] = nn.Linear(before, after)
    net.features.to_empty(device="cpu")
    return net


@cache
def trained_a() -> dict[str, Tensor]:
    """A for 7 classes, every tensor of its own numbers."""
    net = small("A")
    with torch.no_grad():
        for i, tensor in enumerate(net.state_dict().values()):
            tensor.fill_(i + 1)
    return dict(net.state_dict())


@pytest.mark.parametrize("column", PLACES)
def test_four_convolutions_and_three_linear_layers_come_from_a_and_the_others_are_drawn(column: str) -> None:
    net = small(column)
    copied = initialise_from(net, trained_a(), torch.Generator().manual_seed(0))
    assert copied == [*PLACES[column], *LINEAR]
    for name, source in zip((*PLACES[column], *LINEAR), (*A, *LINEAR), strict=True):
        layer = net.get_submodule(name)
        assert torch.equal(layer.weight, trained_a()[f"{source}.weight"])
        assert torch.equal(layer.bias, trained_a()[f"{source}.bias"])
    drawn = [
        layer for name, layer in net.named_modules() if isinstance(layer, nn.Conv2d) and name not in copied
    ]
    assert len(drawn) == CONVOLUTIONS[column] - 4
    for layer in drawn:
        assert layer.weight.var().item() == pytest.approx(1e-2, rel=0.05)
        assert layer.weight.mean().item() == pytest.approx(0, abs=0.01)
        assert layer.bias is not None
        assert not layer.bias.any()


def test_the_last_layer_is_drawn_where_there_are_other_classes() -> None:
    net = small("B", num_classes=3)
    assert "classifier.6" not in initialise_from(net, trained_a())
    assert net.classifier[6].weight.std().item() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(
    ("net", "tensors", "message"),
    [
        (lambda: small("A"), trained_a, "only vgg13, vgg16_c, vgg16 and vgg19"),
        (lambda: small("D", batch_norm=True), trained_a, "with batch norm a VGG needs no such help"),
        (lambda: nn.Sequential(nn.Linear(2, 2)), trained_a, "other networks are of other shapes"),
        (lambda: small("B"), lambda: {**trained_a(), "features.9.weight": torch.zeros(4)}, "got 9 layers"),
        (
            lambda: small("B"),
            lambda: {"conv1.weight": torch.zeros(4)},
            "got 0 layers in features; train vgg11",
        ),
        (
            lambda: small("B", in_chans=1),
            trained_a,
            r"of \(64, 3, 3, 3\); train net A for the same",
        ),
    ],
)
def test_others_are_refused(net, tensors, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=message):
        initialise_from(net(), tensors())


@pytest.mark.parametrize(("column", "answer"), [("A", False), ("B", True), ("E", True)])
def test_a_is_shallower_than_the_others(column: str, answer: bool) -> None:
    assert is_shallower(small(column), trained_a()) is answer
    assert not is_shallower(small(column), {"conv1.weight": torch.zeros(1, 1, 1, 1)})
