"""What every network of `MODELS` promises: shapes on the meta device for all, numbers for one of each family."""

import os
from copy import deepcopy
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from drawn_networks import draw, on_meta
from neocog.errors import UserError
from neocog.models import MODELS, build
from neocog.models.features import create_feature_extractor

TRAINED = [name for name, model in MODELS.items() if model.gradient]
CHOOSABLE = [name for name in TRAINED if not MODELS[name].fixed_classes]
FAMILIES = [  # the smallest of each way to build
    *(
        "neocognitron",
        "neocognitron_1988",
        "lenet5",
        "lenet5_modern",
        "lenet_caffe",
        "alexnet_2012",
        "alexnet",
    ),
    *(
        "zfnet",
        "vgg11_bn",
        "googlenet",
        "googlenet_2014",
        "resnet18",
        "resnet50",
        "resnet50_v1",
        "resnet18_c",
    ),
    *("resnet20_cifar", "plain20_cifar", "resnetv2_50x1_bit", "efficientnet_b0", "tf_efficientnet_b0"),
    *("efficientnet_lite0", "vit_tiny_patch16_224", "quick_convnet", "edge_net"),
]
# What needs a forward takes minutes over all; in the suite one of each family stands for the rest.
EACH = list(MODELS) if os.environ.get("NEOCOG_EVERY_MODEL") else FAMILIES
LEARNING = [name for name in FAMILIES if MODELS[name].gradient]


def shapes(net: nn.Module) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in net.state_dict().items()}


def empty(
    name: str, batch: int = 2, channels: int | None = None, size: tuple[int, int] | None = None
) -> Tensor:
    own, *side = MODELS[name].input_size
    return torch.empty(batch, channels or own, *(size or side), device="meta")


@cache
def alive(name: str) -> tuple[nn.Module, Tensor]:
    """A network in evaluation mode with all its tensors drawn, and three pictures no larger than need be."""
    torch.manual_seed(0)
    net = draw(on_meta(name)) if MODELS[name].gradient else build(name).eval()
    channels, side, _ = MODELS[name].input_size
    return net, torch.rand(3, channels, *[max(net.min_size, min(side, 64))] * 2)


def test_exemptions_are_these_and_no_others() -> None:
    """The Neocognitron learns without gradient, LeNet-5 has a bitmap per digit; all others keep the whole contract."""
    assert set(MODELS) - set(TRAINED) == {"neocognitron", "neocognitron_1988"}
    assert {name for name in MODELS if MODELS[name].fixed_classes} == {"lenet5"}


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_at_the_models_own_size_gives_a_row_of_logits_each(name: str) -> None:
    assert on_meta(name).eval()(empty(name)).shape == (2, MODELS[name].num_classes)


@pytest.mark.parametrize("name", CHOOSABLE)
def test_another_number_of_classes_changes_the_last_layer_alone(name: str) -> None:
    before, after = shapes(on_meta(name)), shapes(on_meta(name, num_classes=7))
    changed = {key: shape for key, shape in after.items() if shape != before[key]}
    assert list(after) == list(before)
    assert list(changed) == list(before)[-2:]
    assert [shape[0] for shape in changed.values()] == [7, 7]


def test_lenet5_has_ten_classes_and_says_so() -> None:
    with pytest.raises(UserError, match="one drawn bitmap for each of 10 digits, got num_classes=7"):
        build("lenet5", num_classes=7)
    with pytest.raises(UserError, match="last layer rbf must be linear to be exchanged or left out, got RBF"):
        build("lenet5").reset_classifier(7)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_another_number_of_channels_changes_the_first_layer_alone(name: str, channels: int) -> None:
    before, net = shapes(on_meta(name)), on_meta(name, in_chans=channels)
    changed = {key: shape for key, shape in shapes(net).items() if shape != before[key]}
    assert len(changed) == (channels != MODELS[name].input_size[0])
    assert [shape[1] for shape in changed.values()] == [channels] * len(changed)
    if name in EACH:
        assert net.eval()(empty(name, channels=channels)).shape == (2, MODELS[name].num_classes)


@pytest.mark.parametrize("name", EACH)
def test_features_and_head_together_are_the_network(name: str) -> None:
    net, x = on_meta(name).eval(), empty(name)
    maps = net.forward_features(x)
    assert maps.dim() == (3 if "vit" in name else 4)
    assert net.forward_head(maps).shape == (2, MODELS[name].num_classes)


@pytest.mark.parametrize("name", FAMILIES)
def test_features_and_head_compute_what_the_network_computes(name: str) -> None:
    net, x = alive(name)
    with torch.no_grad():
        torch.testing.assert_close(net.forward_head(net.forward_features(x)), net(x), rtol=0, atol=0)


@pytest.mark.parametrize("name", [name for name in LEARNING if name != "lenet5"])
def test_the_last_layer_reads_what_pre_logits_says(name: str) -> None:
    net, x = deepcopy(alive(name))
    layer = net.get_classifier()
    with torch.no_grad():
        vector = net.forward_head(net.forward_features(x), pre_logits=True)
        assert vector.shape == (3, net.num_features)
        torch.testing.assert_close(
            vector @ layer.weight.flatten(1).T + layer.bias, net(x), rtol=1e-5, atol=1e-5
        )
        net.reset_classifier(0)
        torch.testing.assert_close(net(x), vector, rtol=0, atol=0)


@pytest.mark.parametrize("name", CHOOSABLE)
def test_a_reset_classifier_has_other_classes_and_leaves_the_rest(name: str) -> None:
    net = on_meta(name).eval()
    kept = {key: id(tensor) for key, tensor in list(net.state_dict(keep_vars=True).items())[:-2]}
    net.reset_classifier(5)
    after = net.state_dict(keep_vars=True)
    if name in EACH:
        assert net(empty(name)).shape == (2, 5)
    assert {key: id(after[key]) for key in kept} == kept
    assert shapes(net) == shapes(on_meta(name, num_classes=5))


@pytest.mark.parametrize("name", TRAINED)
def test_a_gradient_reaches_every_parameter(name: str) -> None:
    net = on_meta(name)
    net(empty(name)).sum().backward()
    assert [key for key, p in net.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", LEARNING)
def test_no_gradient_is_zero(name: str) -> None:
    net, x = alive(name)
    net.zero_grad()
    net(x).square().sum().backward()
    assert [key for key, p in net.named_parameters() if not p.grad.any()] == []
    net.zero_grad()


@pytest.mark.parametrize("name", FAMILIES)
def test_evaluation_is_deterministic_and_each_picture_stands_alone(name: str) -> None:
    net, x = alive(name)
    with torch.no_grad():
        once, again = net(x), net(x)
        alone = torch.cat([net(one[None]) for one in x])
    assert torch.equal(once, again)
    assert once.std(0).max() > 1e-6 * once.abs().max(), (
        "the pictures must matter for this test to mean anything"
    )
    # batched and single products are summed in other orders: a few roundings through up to 150 layers
    torch.testing.assert_close(alone, once, rtol=1e-4, atol=1e-5 * once.abs().max().item())


@pytest.mark.parametrize("name", EACH)
def test_the_smallest_picture_works_and_a_smaller_one_is_refused_with_the_size(name: str) -> None:
    net = on_meta(name).eval()
    least = net.min_size
    assert net(empty(name, size=(least, least))).shape == (2, MODELS[name].num_classes)
    for size in ((least - 1, least), (least, least - 1)):
        if least > 1:
            with pytest.raises(UserError, match=f"at least {least}x{least} pixels.*got {size[0]}x{size[1]}"):
                net(empty(name, size=size))


@pytest.mark.parametrize(
    "name", [name for name in FAMILIES if name not in ("neocognitron", "neocognitron_1988")]
)
def test_the_smallest_size_is_where_the_layers_themselves_give_up(name: str) -> None:
    net = on_meta(name).eval()
    low, high = net.min_size, net.max_size
    net.min_size, net.max_size = 1, None
    if low > 1:
        with pytest.raises(RuntimeError):
            net(empty(name, size=(low - 1, low - 1)))
    if high is not None:
        with pytest.raises(RuntimeError):
            net(empty(name, size=(high + 1, high + 1)))


@pytest.mark.parametrize("name", EACH)
def test_odd_and_oblong_pictures_work_where_the_paper_allows_them(name: str) -> None:
    net = on_meta(name).eval()
    if net.max_size is None:
        rows, cols = net.min_size + 46, net.min_size + 61
    else:
        rows, cols = net.max_size, net.min_size
        with pytest.raises(UserError, match=f"at most {rows}x{rows} pixels.*got {rows + 1}x{cols}"):
            net(empty(name, size=(rows + 1, cols)))
    assert net(empty(name, size=(rows, cols))).shape == (2, MODELS[name].num_classes)


def test_a_picture_without_its_batch_is_refused() -> None:
    with pytest.raises(UserError, match=r"\(batch, channels, height, width\), got \(3, 224, 224\)"):
        build("resnet20_cifar")(torch.zeros(3, 224, 224))


@pytest.mark.parametrize("name", EACH)
def test_every_layer_can_be_tapped_by_name(name: str) -> None:
    net = on_meta(name).eval()
    names = [key for key, module in net.named_modules() if key and not list(module.children())]
    tapped = create_feature_extractor(net, names[::7] + names[-1:])(empty(name))
    assert set(tapped) == set(names[::7] + names[-1:])
    assert all(isinstance(value, Tensor) for value in tapped.values())


@pytest.mark.parametrize("name", FAMILIES)
def test_it_compiles_whole(name: str) -> None:
    """One graph without a break: the eager backend spares the compiler, which is torch's own affair."""
    torch._dynamo.reset()
    net, x = alive(name)
    with torch.no_grad():
        compiled = torch.compile(net, backend="eager", fullgraph=True)(x)
        torch.testing.assert_close(compiled, net(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_it_exports_and_the_program_computes_the_same(name: str) -> None:
    net, x = alive(name)
    with torch.no_grad():
        program = torch.export.export(net, (x,)).module()
        torch.testing.assert_close(program(x), net(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_torchs_seed_decides_the_fresh_weights(seed: int) -> None:
    torch.manual_seed(seed)
    one = build("lenet5_modern").conv1.weight
    torch.manual_seed(0)
    other = build("lenet5_modern").conv1.weight
    assert torch.equal(one, other) == (seed == 0)


def test_a_slice_of_a_network_is_one() -> None:
    net, x = alive("resnet20_cifar")
    with torch.no_grad():
        torch.testing.assert_close(net[4:](net[:4](x)), net(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    "name", ["alexnet", "lenet5_modern", "resnet20_cifar", "resnetv2_50x1_bit", "vit_tiny_patch16_224"]
)
def test_a_last_layer_that_was_taken_off_can_be_put_back(name: str) -> None:
    net = on_meta(name, num_classes=0).eval()
    features = net(empty(name)).shape
    assert features == (2, net.num_features)
    net.reset_classifier(5)
    assert shapes(net) == shapes(on_meta(name, num_classes=5))
    assert net(empty(name)).shape == (2, 5)


@pytest.mark.parametrize(
    ("name", "option"), [("resnet18", {"shortcut": "b"}), ("resnet50", {"version": "V1"})]
)
def test_an_option_that_is_none_is_refused(name: str, option: dict[str, str]) -> None:
    with pytest.raises(UserError, match=f"unknown {next(iter(option))}"):
        build(name, **option)
