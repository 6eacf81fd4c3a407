import json
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from neocog.errors import UserError
from neocog.models import MODELS, build
from neocog.models.efficientnet import round_channels

GOLDEN = Path(__file__).parent / "golden"
SIZES = {  # README of EfficientNet-Lite, Liu and Tan 2020
    "efficientnet_lite0": 224,
    "efficientnet_lite1": 240,
    "efficientnet_lite2": 260,
}

PARAMETERS = {  # timm 1.0.31, tf_efficientnet_lite*
    "efficientnet_lite0": 4_652_008,
    "efficientnet_lite1": 5_416_680,
    "efficientnet_lite2": 6_092_072,
}
LITES = list(PARAMETERS)

# LeCun et al. 1998, figure 2, with C3 fully connected: kernel * kernel * inputs * outputs + outputs
LENET5_MODERN = (25 * 6 + 6) + (25 * 6 * 16 + 16) + (25 * 16 * 120 + 120) + (120 * 84 + 84) + (84 * 10 + 10)


def golden(name: str) -> dict:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def on_meta(name: str, **options: int) -> nn.Module:
    with torch.device("meta"):
        return build(name, **options)


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def shapes(net: nn.Module) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in net.state_dict().items()}


def test_lenet5_modern_has_61706_parameters() -> None:
    assert parameters(on_meta("lenet5_modern")) == LENET5_MODERN == 61_706


@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_efficientnet_lite_has_as_many_parameters_as_timms(name: str, expected: int) -> None:
    assert parameters(on_meta(name)) == expected


@pytest.mark.parametrize("name", LITES)
def test_efficientnet_lite_has_timms_names_and_shapes_in_timms_order(name: str) -> None:
    assert list(shapes(on_meta(name)).items()) == list(golden(name)["state_dict"].items())


@pytest.mark.parametrize("name", LITES)
def test_efficientnet_lite_takes_as_many_macs_as_timms(name: str) -> None:
    net, image = on_meta(name).eval(), torch.empty(1, 3, SIZES[name], SIZES[name], device="meta")
    with FlopCounterMode(display=False) as counter:
        net(image)
    assert counter.get_total_flops() == 2 * golden(name)["macs"]


def lite_by_hand(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """EfficientNet-Lite in evaluation mode from its tensors alone, as TensorFlow computes it."""

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        kernel, groups = weight.shape[-1], x.shape[1] // weight.shape[1]
        total = max(kernel - (x.shape[-1] % stride or stride), 0)
        before, after = total // 2, total - total // 2
        return F.conv2d(F.pad(x, (before, after, before, after)), weight, stride=stride, groups=groups)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (
            state[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-3).sqrt() * weight + bias

    x = norm(conv(x, "conv_stem", 2), "bn1").clamp(0, 6)
    blocks = dict.fromkeys(found[0] for name in state if (found := re.match(r"blocks\.(\d)\.(\d)", name)))
    for block in blocks:
        stage, place = map(int, block.split(".")[1:])
        stride = (1, 2, 2, 2, 1, 2, 1)[stage] if place == 0 else 1
        if stage == 0:
            y = norm(conv(x, f"{block}.conv_dw"), f"{block}.bn1").clamp(0, 6)
            y = norm(conv(y, f"{block}.conv_pw"), f"{block}.bn2")
        else:
            y = norm(conv(x, f"{block}.conv_pw"), f"{block}.bn1").clamp(0, 6)
            y = norm(conv(y, f"{block}.conv_dw", stride), f"{block}.bn2").clamp(0, 6)
            y = norm(conv(y, f"{block}.conv_pwl"), f"{block}.bn3")
        x = x + y if place else y
    x = norm(conv(x, "conv_head"), "bn2").clamp(0, 6).mean((2, 3))
    return x @ state["classifier.weight"].T + state["classifier.bias"]


@pytest.mark.parametrize("side", [64, 75])
def test_efficientnet_lite_computes_what_its_definition_says(side: int) -> None:
    torch.manual_seed(0)
    net = build("efficientnet_lite0").eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):  # fresh ones would hide a wrong epsilon or order
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                nn.init.uniform_(tensor, 0.001, 1)
    x = torch.randn(2, 3, side, side)
    with torch.no_grad():
        got, expected = net(x), lite_by_hand(net.state_dict(), x)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)  # single precision through 50 layers


def test_lenet5_modern_computes_what_its_figure_says() -> None:
    net = build("lenet5_modern")
    state, x = net.state_dict(), torch.randn(2, 1, 32, 32)
    w = [
        state[f"{name}.{part}"]
        for name in ("conv1", "conv2", "conv3", "fc4", "fc5")
        for part in ("weight", "bias")
    ]
    y = F.avg_pool2d(F.conv2d(x, w[0], w[1]).tanh(), 2)
    y = F.avg_pool2d(F.conv2d(y, w[2], w[3]).tanh(), 2)
    y = F.conv2d(y, w[4], w[5]).tanh()[..., 0, 0]
    expected = (y @ w[6].T + w[7]).tanh() @ w[8].T + w[9]
    torch.testing.assert_close(net(x), expected)


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_at_the_models_own_size_gives_a_row_of_logits_each(name: str) -> None:
    model = MODELS[name]
    out = on_meta(name).eval()(torch.empty(2, *model.input_size, device="meta"))
    assert out.shape == (2, model.num_classes)


@pytest.mark.parametrize("name", LITES)
def test_each_efficientnet_lite_has_the_input_size_its_authors_gave_it(name: str) -> None:
    assert MODELS[name].input_size == (3, SIZES[name], SIZES[name])


def changed(name: str, **options: int) -> dict[str, list[int]]:
    """The tensors whose shape is another than by default."""
    before = shapes(on_meta(name))
    return {key: shape for key, shape in shapes(on_meta(name, **options)).items() if shape != before[key]}


@pytest.mark.parametrize("name", MODELS)
def test_another_number_of_classes_changes_the_last_layer_alone(name: str) -> None:
    (weight, rows), (bias, entries) = changed(name, num_classes=7).items()
    assert (rows[0], entries) == (7, [7])
    assert [weight, bias] == list(shapes(on_meta(name)))[-2:]


@pytest.mark.parametrize("name", MODELS)
def test_another_number_of_channels_changes_the_first_layer_alone(name: str) -> None:
    ((weight, shape),) = changed(name, in_chans=2).items()
    assert weight == next(iter(shapes(on_meta(name))))
    assert shape[1] == 2


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    net, side = build(name, num_classes=3), min(MODELS[name].input_size[1], 64)
    net(torch.randn(2, MODELS[name].input_size[0], side, side)).square().sum().backward()
    assert [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("seed", [0, 1])
def test_torchs_seed_decides_the_fresh_weights(seed: int) -> None:
    torch.manual_seed(seed)
    one = build("lenet5_modern").conv1.weight
    torch.manual_seed(0)
    other = build("lenet5_modern").conv1.weight
    assert torch.equal(one, other) == (seed == 0)


@given(st.floats(1, 2000))
def test_a_width_becomes_the_nearest_multiple_of_eight_that_is_not_a_tenth_below(width: float) -> None:
    allowed = [n for n in range(8, 2100, 8) if n >= 0.9 * width]
    assert round_channels(width) == min(allowed, key=lambda n: (abs(n - width), -n))


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown model 'lenet5'; did you mean lenet5_modern"):
        build("lenet5")


@pytest.mark.parametrize("options", [{"num_classes": 0}, {"in_chans": 0}])
def test_a_network_for_nothing_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(UserError, match="num_classes and in_chans must be at least 1, got"):
        build("lenet5_modern", **options)
