import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.inference.dense import dense
from neocog.layers.chain import chain
from neocog.models import build
from neocog.models.catalogue import MODELS
from neocog.models.head import Flat
from networks import Net


def close(given: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-5)


def crops(net: nn.Module, x: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """The network's answers for each crop of `size`, in steps of `stride`: (n, classes, rows, columns)."""
    tops, lefts = (range(0, have - want + 1, stride) for have, want in zip(x.shape[2:], size, strict=True))
    with torch.no_grad():
        rows = [
            torch.stack([net(x[:, :, top : top + size[0], left : left + size[1]]) for left in lefts], -1)
            for top in tops
        ]
    return torch.stack(rows, -2)


def random_net(seed: int = 0, **layers: nn.Module) -> nn.Module:
    """A chain with all its numbers drawn, those of batch norm too."""
    net = chain(**layers).eval()
    draws = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in [*net.parameters(), *net.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(
                    0.1 + 0.5 * torch.rand(tensor.shape, generator=draws) * torch.rand((), generator=draws)
                )
    return net


def features(channels: int = 3) -> dict[str, nn.Module]:
    """No padding; on 18 pixels 6 positions and a stride of 2."""
    return {
        "conv1": nn.Conv2d(channels, 5, 3),
        "relu": nn.ReLU(),
        "pool": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(5, 4, 3),
        "norm": nn.BatchNorm2d(4),
    }


HEADS: dict[str, dict[str, nn.Module]] = {
    "flattened": {"flat": nn.Flatten(), "drop": nn.Dropout(), "fc1": nn.Linear(144, 9), "act": nn.ReLU(),
                  "norm1": nn.BatchNorm1d(9), "fc2": nn.Linear(9, 3, bias=False)},
    "mean": {"pool2": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(4, 3)},
    "maximum": {"pool2": nn.AdaptiveMaxPool2d((1, 1)), "flat": nn.Flatten(), "fc": nn.Linear(4, 3)},
    "means of parts": {"pool2": nn.AdaptiveAvgPool2d((4, 2)), "flat": nn.Flatten(), "fc": nn.Linear(32, 3)},
    "enlarged": {"pool2": nn.AdaptiveAvgPool2d(7), "flat": nn.Flatten(), "fc": nn.Linear(196, 3)},
    "kept": {"pool2": nn.AdaptiveAvgPool2d(6), "act": nn.ReLU(), "flat": nn.Flatten(), "fc": nn.Linear(144, 3)},
    "padded": {"pool2": nn.AdaptiveAvgPool2d(1), "fc": nn.Conv2d(4, 3, 3, padding=1), "flat": nn.Flatten()},
    "convolved": {"pool2": nn.AdaptiveAvgPool2d(1), "fc": nn.Conv2d(4, 3, 1), "flat": nn.Flatten()},
    "ours": {"flat": Flat(), "fc": nn.Linear(4, 3), "out": nn.Softmax(1)},
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_without_padding_the_map_holds_the_answers_for_all_crops(name: str) -> None:
    net = random_net(**features(), **HEADS[name])
    twin = dense(net, (3, 18, 18))
    x = torch.rand(2, 3, 25, 30, generator=torch.Generator().manual_seed(1))
    maps = twin(x)
    assert maps.shape == (2, 3, 4, 7)
    close(maps, crops(net, x, (18, 18), 2))
    assert maps.std((2, 3)).min() > 1e-4  # the crops differ


def test_an_oblong_input_slides_in_its_own_shape() -> None:
    net = random_net(**features(1), flat=nn.Flatten(), fc=nn.Linear(4 * 4 * 7, 3))
    x = torch.rand(1, 1, 20, 26, generator=torch.Generator().manual_seed(1))
    close(dense(net, (1, 14, 20))(x), crops(net, x, (14, 20), 2))


@pytest.mark.parametrize(("name", "stride"), [("lenet_caffe", 4), ("lenet5_modern", 4), ("lenet5", 4)])
def test_a_lenet_reads_a_line_of_digits_as_it_reads_each(name: str, stride: int) -> None:
    """LeNet pads nothing: LeCun et al. 1998, section VII, calls this a space displacement network."""
    channels, side, _ = MODELS[name].input_size
    torch.manual_seed(0)
    net = build(name).eval()
    x = torch.rand(1, channels, side, side + 5 * stride)
    close(dense(net, (channels, side, side))(x), crops(net, x, (side, side), stride))


@pytest.mark.parametrize(
    "name",
    [
        "lenet5",
        "lenet_caffe",
        "resnet20_cifar",
        "plain20_cifar",
        "quick_convnet",
        "resnet18",
        "efficientnet_lite0",
    ],
)
def test_a_picture_of_the_networks_own_size_gets_the_networks_own_answer(name: str) -> None:
    torch.manual_seed(0)
    net = build(name).eval()
    x = torch.rand(1, *MODELS[name].input_size)
    with torch.no_grad():
        expected, given = net(x), dense(net, MODELS[name].input_size)(x)
    close(given[..., 0, 0] / expected.abs().max(), expected / expected.abs().max())


FAMILIES = [
    "neocognitron", "lenet5_modern", "alexnet", "alexnet_2012", "caffenet", "zfnet", "vgg11", "vgg13_bn", "googlenet",
    "googlenet_2014", "resnet18", "resnet50_v1", "plain18", "resnet20_cifar", "resnetv2_50x1_bit", "efficientnet_b0",
    "tf_efficientnet_b0", "quick_convnet", "edge_net",
]  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_every_family_but_the_transformers_slides(name: str) -> None:
    channels, height, width = MODELS[name].input_size
    with torch.device("meta"):
        net = build(name).eval()
        twin = dense(net, MODELS[name].input_size)
        assert twin(torch.empty(2, channels, height, width)).shape == (2, MODELS[name].num_classes, 1, 1)
        rows, columns = twin(torch.empty(1, channels, height, width + 64)).shape[2:]
    assert rows == 1
    assert columns > 1


def narrow_vgg(padding: int) -> nn.Module:
    """VGG-11 with a few maps; its own pooling to 7x7, and torchvision's names."""
    layers: list[nn.Module] = []
    channels = 3
    for stage, width in zip(([1], [1], [1, 1], [1, 1], [1, 1]), (4, 6, 8, 8, 8), strict=True):
        for _ in stage:
            layers += [nn.Conv2d(channels, width, 3, padding=padding), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return random_net(
        features=nn.Sequential(*layers),
        avgpool=nn.AdaptiveAvgPool2d(7),
        flatten=nn.Flatten(),
        classifier=nn.Sequential(nn.Linear(8 * 49, 10), nn.ReLU(True), nn.Dropout(), nn.Linear(10, 5)),
    )


def test_a_vgg_without_padding_gives_the_crops_logits_at_each_position() -> None:
    """7x7 positions without padding need 342 pixels; the next crop is 32 further."""
    x = torch.rand(1, 3, 374, 406, generator=torch.Generator().manual_seed(1))
    net = narrow_vgg(padding=0)
    expected = crops(net, x, (342, 342), 32)
    assert expected.shape[2:] == (2, 3)
    scale = expected.abs().max()
    close(dense(net, (3, 342, 342))(x) / scale, expected / scale)


@pytest.mark.parametrize("size", [224, 96])  # of 96 pixels it makes 3x3 positions 7x7
def test_a_vgg_of_one_crop_is_the_vgg(size: int) -> None:
    x = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    net = narrow_vgg(padding=1)
    expected = net(x)
    close(dense(net, (3, size, size))(x)[..., 0, 0] / expected.abs().max(), expected / expected.abs().max())


def test_a_layer_put_behind_a_network_without_its_own_slides_along() -> None:
    backbone = build("lenet_caffe").eval()
    backbone.reset_classifier(0)  # type: ignore[operator]
    net = chain(backbone=backbone, flat=Flat(), fc=nn.Linear(500, 3)).eval()
    x = torch.rand(1, 1, 28, 40, generator=torch.Generator().manual_seed(1))
    close(dense(net, (1, 28, 28))(x), crops(net, x, (28, 28), 4))


def test_with_padding_only_a_picture_of_the_own_size_agrees() -> None:
    """A crop has zeros around it where the whole picture goes on."""
    net = random_net(
        conv=nn.Conv2d(1, 4, 3, padding=1), act=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(),
        fc=nn.Linear(4, 2),
    )  # fmt: skip
    x = torch.rand(1, 1, 8, 12, generator=torch.Generator().manual_seed(1))
    maps, expected = dense(net, (1, 8, 8))(x), crops(net, x, (8, 8), 1)
    assert maps.shape == expected.shape == (1, 2, 1, 5)
    assert (maps - expected).abs().max() > 1e-2
    close(dense(net, (1, 8, 12))(x), crops(net, x, (8, 12), 1))


def test_a_twin_shares_memory_and_changes_nothing_of_the_network() -> None:
    net = narrow_vgg(padding=1).train()
    before = {name: tensor.data_ptr() for name, tensor in net.state_dict().items()}
    twin = dense(net, (3, 224, 224))
    assert {tensor.data_ptr() for tensor in twin.state_dict().values()} == set(before.values())
    twin.to(torch.float64)
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert {name: tensor.data_ptr() for name, tensor in net.state_dict().items()} == before
    assert {tensor.dtype for tensor in net.state_dict().values()} == {torch.float32}


def test_kernels_are_those_of_the_papers() -> None:
    """VGG's section 3.2: the first fully connected layer becomes 7x7, the last two 1x1; AlexNet's has 6x6 maps."""
    for name, kernels in (("vgg11", [7, 1, 1]), ("alexnet", [6, 1, 1]), ("lenet_caffe", [4, 1])):
        with torch.device("meta"):
            twin = dense(build(name), MODELS[name].input_size)
        found = [layer.kernel_size for layer in twin.classifier.modules() if isinstance(layer, nn.Conv2d)]
        assert found == [(kernel, kernel) for kernel in kernels]


FLAT = nn.Flatten()
FC = nn.Linear(36, 2)
REFUSED: list[tuple[dict[str, nn.Module], str]] = [
    ({"norm": nn.BatchNorm2d(4)}, "followed by nothing but layers with one input, Sequential has none"),
    ({"fc": nn.Linear(16, 4), "flat": FLAT}, "larger than 18x18, but fc (Linear) does not run on 3x18x36: it reads 16"),
    ({"unfold": nn.Unfold(2), "flat": FLAT}, "that grow with the picture, got (1, 16, 225) of 18x18 pixels"),
    ({"flat": FLAT, "norm": nn.LayerNorm(1024), "fc": FC}, "the layer norm (LayerNorm) is in the way"),
    ({"pool": nn.AdaptiveMaxPool2d(3), "flat": FLAT}, "the layer pool (AdaptiveMaxPool2d) is in the way"),
    ({"pool": nn.AdaptiveAvgPool2d(3), "act": nn.ReLU(), "flat": FLAT, "fc": FC}, "the layer act (ReLU) is in the way"),
    ({"a": nn.AdaptiveAvgPool2d(3), "b": nn.AdaptiveAvgPool2d(1)}, "the layer b (AdaptiveAvgPool2d) is in the way"),
    ({"a": nn.AdaptiveAvgPool2d(3), "b": nn.AdaptiveAvgPool2d(16), "flat": FLAT, "fc": FC}, "the layer b (Adaptive"),
    ({"flat": FLAT, "pool": nn.AdaptiveAvgPool2d(1)}, "the layer pool (AdaptiveAvgPool2d) is in the way"),
    ({"pool": nn.AdaptiveAvgPool2d((1, 4)), "fc": nn.Linear(4, 2)}, "the layer fc (Linear) is in the way"),
    ({"flat": nn.Flatten(2), "fc": nn.Linear(256, 2)}, "the layer flat (Flatten) is in the way"),
    ({"flat": FLAT, "fc": nn.Linear(1000, 2)}, "the layer fc (Linear) is in the way"),
    ({"pool": nn.AdaptiveAvgPool2d(3), "fc": nn.Linear(3, 2)}, "the layer fc (Linear) is in the way"),
    ({"pool": nn.AdaptiveAvgPool2d(3), "flat": FLAT}, "the layer flat (Flatten) is in the way"),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "message"), REFUSED)
def test_a_network_without_a_dense_form_is_refused_with_the_layer_in_the_way(
    layers: dict[str, nn.Module], message: str
) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        dense(chain(conv=nn.Conv2d(3, 4, 3), **layers), (3, 18, 18))


def flattened(m: Any, x: Tensor) -> Tensor:
    x = m.norm(m.conv2(m.pool(F.relu(m.conv1(x)))))
    x = F.dropout(m.act(m.fc1(torch.flatten(x + x.mean(1, keepdim=True), 1))), training=m.training)
    out: Tensor = m.fc2(x)
    return out


def averaged(m: Any, x: Tensor) -> Tensor:
    out: Tensor = m.fc2(F.relu(m.fc1(m.norm(m.conv2(m.pool(F.relu(m.conv1(x))))).mean([2, 3]))))
    return out


def kept(m: Any, x: Tensor) -> Tensor:
    out: Tensor = torch.mean(m.pool(m.conv1(x)), (-2, -1), keepdim=True)
    return torch.flatten(m.conv3(out), 1)


def pooled(m: Any, x: Tensor) -> Tensor:
    x = F.adaptive_avg_pool2d(m.conv2(m.pool(m.conv1(x))), (3, 2)).flatten(1)
    out: Tensor = m.fc1(x)
    return out


@pytest.mark.parametrize(("run", "positions"), [(flattened, 36), (averaged, 1), (pooled, 6), (kept, 1)])
def test_a_network_whose_way_is_code_is_followed(run: Any, positions: int) -> None:
    """As those of torchvision are written."""
    net = Net(run, **features(), fc1=nn.Linear(4 * positions, 5), act=nn.ReLU(), fc2=nn.Linear(5, 3)).eval()
    net.conv3 = nn.Conv2d(5, 3, 1)
    x = torch.rand(1, 3, 22, 26, generator=torch.Generator().manual_seed(1))
    close(dense(net, (3, 18, 18))(x), crops(net, x, (18, 18), 2))


def decides(m: Any, x: Tensor) -> Tensor:
    out: Tensor = m.fc1(x.flatten(1) if x.sum() > 0 else -x.flatten(1))
    return out


def joined(m: Any, x: Tensor) -> Tensor:
    x = m.conv1(x).flatten(1)
    out: Tensor = m.fc1(x) + m.fc2(x)
    return out


def both(m: Any, x: Tensor) -> Tensor:
    x = m.conv1(x).flatten(1)
    out: Tensor = m.pair(x, 2 * x)
    return out


def of_rows(m: Any, x: Tensor) -> Tensor:
    out: Tensor = m.fc3(m.conv1(x).mean((1, 2)))
    return out


def of_pooled(m: Any, x: Tensor) -> Tensor:
    """Its last maps have one position, whatever the picture."""
    x = m.conv1(x).mean((2, 3), keepdim=True)
    out: Tensor = m.fc1((x * x).flatten(1))
    return out


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            decides,
            "Net decides in its code (symbolically traced variables cannot be used as inputs to control flow)",
        ),
        (joined, "followed by nothing but layers with one input, Net has none; use a protocol of crops"),
        (both, "followed by nothing but layers with one input, Net has none; use a protocol of crops"),
        (of_rows, "followed by nothing but layers with one input, Net has none; use a protocol of crops"),
        (
            of_pooled,
            "that grow with the picture, got (1, 5, 1, 1) of 18x18 pixels, (1, 5, 1, 1) of 18x36; use",
        ),
    ],
)
def test_a_network_whose_code_does_not_end_in_such_layers_is_refused(run: Any, message: str) -> None:
    net = Net(run, conv1=nn.Conv2d(3, 5, 3), fc1=nn.Linear(5, 3), fc2=nn.Linear(5, 3))
    net.pair, net.fc3 = nn.Bilinear(5 * 256, 5 * 256, 2), nn.Linear(16, 3)
    with pytest.raises(UserError, match=re.escape(message)):
        dense(net, (3, 18, 18))


def test_a_transformer_is_refused() -> None:
    with pytest.raises(UserError, match=r"ViT decides in its code \(.*; use a protocol of crops"):
        dense(build("vit_tiny_patch16_224"), (3, 224, 224))


@pytest.mark.parametrize("shape", [(1, 3, 17, 30), (1, 3, 30, 17), (3, 30, 30)])
def test_a_picture_smaller_than_the_input_is_refused(shape: tuple[int, ...]) -> None:
    twin = dense(random_net(**features(), **HEADS["mean"]), (3, 18, 18))
    with pytest.raises(UserError, match=r"of at least 18x18 pixels, got \("):
        twin(torch.rand(shape))


def test_a_network_in_double_precision_has_a_twin_in_it() -> None:
    net = random_net(**features(), **HEADS["means of parts"]).double()
    x = torch.rand(1, 3, 20, 20, dtype=torch.float64)
    torch.testing.assert_close(dense(net, (3, 18, 18))(x), crops(net, x, (18, 18), 2))
