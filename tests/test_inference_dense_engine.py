from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from neocog.data.preprocess import Preprocess
from neocog.data.samples import as_samples
from neocog.errors import Unreadable, UserError
from neocog.inference.dense_engine import DENSE, dense_engine
from neocog.inference.network import sigmoid
from neocog.inference.stream import stream
from neocog.layers.chain import chain
from reference.crops import resized

NUMBERS = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.25)}


def network() -> nn.Module:
    """No padding, a stride of 2; on 28 pixels 11 positions, of which it takes the mean."""
    torch.manual_seed(0)
    return chain(
        conv1=nn.Conv2d(3, 8, 3),
        act=nn.Tanh(),
        pool=nn.MaxPool2d(2),
        conv2=nn.Conv2d(8, 6, 3),
        act2=nn.Tanh(),
        mean=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(6, 4),
    ).eval()


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth, so that two ways of resizing agree within one grey level."""
    small = np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def by_crops(net: nn.Module, pixels: NDArray[np.uint8], average: str) -> NDArray[np.float64]:
    """Each crop of 28 pixels in steps of 2 through the network, of the picture and of its mirror image."""
    answers = []
    for seen in (pixels, pixels[:, ::-1]):
        x = (seen / 255.0 - NUMBERS["mean"]) / NUMBERS["std"]
        crops = [
            x[top : top + 28, left : left + 28]
            for top in range(0, x.shape[0] - 27, 2)
            for left in range(0, x.shape[1] - 27, 2)
        ]
        with torch.no_grad():
            logits = net(torch.tensor(np.stack(crops), dtype=torch.float32).permute(0, 3, 1, 2)).double()
        mean = logits.mean(0).softmax(0) if average == "logits" else logits.softmax(1).mean(0)
        answers.append(mean.numpy())
    return np.mean(answers, axis=0)


@pytest.mark.parametrize("average", ["logits", "probabilities"])
@pytest.mark.parametrize(
    ("protocol", "sides"),
    [("dense", (32,)), ("vgg-dense", (32, 48, 64)), ("resnet-dense", (28, 32, 48, 60, 80))],
)
def test_dense_evaluation_is_the_mean_over_all_crops_of_the_whole_picture(
    protocol: str, sides: tuple[int, ...], average: Any
) -> None:
    """The papers' scales are 256, 384 and so on for an input of 224; this one has 28."""
    net, preprocess = network(), Preprocess(size=(28, 28), interpolation="bilinear", **NUMBERS)  # type: ignore[arg-type]
    engine = dense_engine(net, preprocess, protocol, average=average, device="cpu")
    image = Image.fromarray(picture(70, 100))
    wholes = [np.asarray(resized(image, side, Image.Resampling.BILINEAR)) for side in sides]
    expected = np.mean([by_crops(net, pixels, average) for pixels in wholes], axis=0)
    given = engine(np.asarray(image))
    assert (given.shape, given.dtype) == ((4,), np.float32)
    assert np.abs(given - expected).max() <= 2e-3  # a grey level here and there


def test_a_picture_that_is_not_resized_is_answered_exactly() -> None:
    net, preprocess = network(), Preprocess(size=(28, 28), crop_pct=0.875, **NUMBERS)  # type: ignore[arg-type]
    pixels = picture(32, 45)
    engines = {
        average: dense_engine(net, preprocess, average=average, device="cpu")  # type: ignore[arg-type]
        for average in ("logits", "probabilities")
    }
    answers = {average: engine(pixels) for average, engine in engines.items()}
    for average, given in answers.items():
        np.testing.assert_allclose(given, by_crops(net, pixels, average), atol=2e-6)
    assert np.abs(answers["logits"] - answers["probabilities"]).max() > 1e-5


def test_the_order_of_averaging_is_that_of_the_paper() -> None:
    """Maps of known logits: positions are averaged as logits, mirror images as probabilities (VGG, section 3.2)."""
    net = chain(conv=nn.Conv2d(1, 2, 1), pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([0.0, 4.0]).view(2, 1, 1, 1))
        nn.init.zeros_(net[0].bias)
    preprocess = Preprocess(size=(7, 7), channels=1, mean=(0.0,), std=(1.0,))
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:, -1] = 255  # the 2 x 2 windows hold 0, and 1/7 of ones in those at the right
    second = np.array([0, 4 / 7])
    logistic = 1 / (1 + np.exp(-second))
    expected = {"logits": 1 / (1 + np.exp(-second.mean())), "probabilities": logistic.mean()}
    for average, value in expected.items():
        given = dense_engine(net, preprocess, average=average, device="cpu")(pixels)  # type: ignore[arg-type]
        np.testing.assert_allclose(given, [1 - value, value], atol=1e-6)


def test_classes_that_do_not_exclude_each_other_are_answered_by_themselves() -> None:
    net = network()
    preprocess = Preprocess(size=(28, 28), crop_pct=0.875, **NUMBERS)  # type: ignore[arg-type]
    pixels = picture(32, 32)
    engine = dense_engine(net, preprocess, average="probabilities", activated=sigmoid, device="cpu")
    logits = dense_engine(net, preprocess, device="cpu").maps(np.stack([pixels, pixels[:, ::-1]]))
    expected = 1 / (1 + np.exp(-logits.astype(float)))
    np.testing.assert_allclose(engine(pixels), expected.mean((0, 2, 3)), atol=1e-6)


@pytest.mark.parametrize("mode", ["pad", "squash"])
def test_a_padded_or_squashed_picture_is_made_whole_by_its_own_rule(mode: Any) -> None:
    net = network()
    engine = dense_engine(net, Preprocess(size=(28, 28), resize_mode=mode, **NUMBERS), device="cpu")  # type: ignore[arg-type]
    pixels = Preprocess(size=(32, 32), resize_mode=mode, **NUMBERS)(picture(40, 90))  # type: ignore[arg-type]
    np.testing.assert_allclose(engine(picture(40, 90)), by_crops(net, pixels, "logits"), atol=2e-6)


def test_pictures_of_all_shapes_stream_through_with_those_that_cannot_be_read_left_out() -> None:
    engine = dense_engine(network(), Preprocess(size=(28, 28), **NUMBERS), device="cpu")  # type: ignore[arg-type]
    pictures = [picture(40, 60), np.zeros((1, 300_000, 3), np.uint8), picture(90, 31)]
    (part,) = stream(as_samples(pictures), engine, lambda answers: answers)  # type: ignore[arg-type]
    assert part.indices.tolist() == [0, 2]
    assert part.skipped[0][1].startswith("too oblong to be resized whole: 300000 x 1 pixels")
    assert np.array_equal(part.outputs, np.stack([engine(pictures[0]), engine(pictures[2])]))
    with pytest.raises(Unreadable):
        engine(pictures[1])


def test_the_networks_protocols_have_the_scales_of_their_papers() -> None:
    assert {name: protocol.scales for name, protocol in DENSE.items()} == {
        "dense": (),
        "vgg-dense": (256, 384, 512),
        "resnet-dense": (224, 256, 384, 480, 640),
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"protocol": "dence"}, "unknown dense protocol 'dence'; did you mean dense"),
        ({"average": "votes"}, "average must be one of logits, probabilities, got 'votes'"),
    ],
)
def test_a_wrong_choice_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        dense_engine(network(), Preprocess(size=(28, 28)), **wrong)
