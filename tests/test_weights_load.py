"""Weights into a network: which are loaded, which are adapted, and what is refused in which words."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.models import build
from neocog.models import vit as models
from neocog.weights.load import arrange, check_weights, load_weights
from neocog.weights.published import published_tensors

CIFAR = "resnet20_cifar"
State = dict[str, Tensor]


def state_of(net: nn.Module) -> State:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def equal(one: State, other: State) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


def net(name: str = CIFAR, seed: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    return build(name, **options)


def saved(module: nn.Module, path: Path) -> Path:
    torch.save(module.state_dict(), path)
    return path


@pytest.fixture(autouse=True)
def one_thread(two_threads: None) -> None:
    torch.set_num_threads(1)  # small networks are slower on two, far slower beside other work


# Everything fits


def test_all_tensors_are_the_files_afterwards(tmp_path: Path) -> None:
    given, target = net(seed=1), net(seed=2)
    given(torch.randn(4, 3, 32, 32))  # moves batch norm's averages and counters
    report = load_weights(target, saved(given, tmp_path / "a.pth"))
    assert equal(state_of(target), state_of(given))
    assert report.ok
    assert list(report.matched) == list(given.state_dict())
    assert (report.missing, report.unexpected, report.fresh, report.left_out, report.adapted) == (
        (),
        (),
        (),
        {},
        {},
    )


@pytest.mark.parametrize("convert", [lambda tensor: tensor, lambda tensor: tensor.numpy()])
def test_tensors_by_name_are_as_good_as_a_file(convert: Callable[[Tensor], Any]) -> None:
    given, target = net(seed=1), net(seed=2)
    load_weights(target, {name: convert(tensor) for name, tensor in given.state_dict().items()})
    assert equal(state_of(target), state_of(given))


def test_the_networks_memory_is_its_own_afterwards() -> None:
    given = {name: tensor.numpy().copy() for name, tensor in net(seed=1).state_dict().items()}
    target = net(seed=2)
    load_weights(target, given)
    before = state_of(target)
    for array in given.values():
        array[...] = 0
    assert equal(state_of(target), before)


def test_the_networks_types_stay(tmp_path: Path) -> None:
    target = net(seed=2).half()
    load_weights(target, net(seed=1).double().state_dict())
    assert {tensor.dtype for tensor in target.parameters()} == {torch.float16}
    torch.testing.assert_close(target.conv1.weight, net(seed=1).conv1.weight.half())


def test_a_wrapped_network_takes_what_an_unwrapped_one_has_and_the_reverse() -> None:
    given, target = net(seed=1), net(seed=2)
    load_weights(nn.DataParallel(target), given.state_dict())
    assert equal(state_of(target), state_of(given))
    target = net(seed=2)
    load_weights(target, nn.DataParallel(given).state_dict())
    assert equal(state_of(target), state_of(given))


@pytest.mark.parametrize("attribute", ["model", "backbone", "net"])
def test_the_attribute_of_a_class_around_the_network_does_not_matter(attribute: str) -> None:
    given, target = net(seed=1), net(seed=2)
    load_weights(target, {f"{attribute}.{name}": tensor for name, tensor in given.state_dict().items()})
    assert equal(state_of(target), state_of(given))


def test_a_network_of_the_users_own_is_filled_as_well() -> None:
    def own() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
        )

    given, target = own(), own()
    assert load_weights(target, given.state_dict()).ok
    assert equal(state_of(target), state_of(given))


def test_files_from_before_batch_norm_counted_its_batches_start_at_zero() -> None:
    """torchvision's VGG files with batch norm are of 2017; torch's own loading fills the counters in, too."""
    given, target = net(seed=1).state_dict(), net(seed=2)
    target(torch.randn(2, 3, 32, 32))
    report = load_weights(target, {k: v for k, v in given.items() if "num_batches_tracked" not in k})
    assert report.notes == ("19 num_batches_tracked are not in the file and start at 0",)
    assert equal(state_of(target), {**given})
    assert report.missing == ()


ONE_OF_EACH_KIND = [
    "lenet5",
    "lenet_caffe",
    "alexnet_2012",
    "zfnet",
    "vgg11_lrn",
    "vgg13_bn",
    "googlenet_2014",
]
ONE_OF_EACH_KIND += [
    "resnet18_a",
    "resnet34_c",
    "plain18",
    "plain20_cifar",
    "resnetv2_50x1_bit",
    "vit_small_patch32_224",
]
ONE_OF_EACH_KIND += ["tf_efficientnet_b1", "efficientnet_lite4"]


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_every_kind_of_network_takes_back_its_own_tensors(name: str) -> None:
    with torch.device("meta"):
        whole = build(name)
    rng = np.random.default_rng(0)
    given = {key: np.broadcast_to(rng.random(), tensor.shape) for key, tensor in whole.state_dict().items()}
    arrays, report = arrange(whole, given)
    assert report.ok, report.refusal
    assert report.layout == "neocog's own"
    assert not report.adapted
    assert {key: array.flat[0] for key, array in arrays.items()} == {
        key: a.flat[0] for key, a in given.items()
    }


# Something does not fit


def test_a_smaller_networks_file_lacks_tensors(tmp_path: Path) -> None:
    target = net("resnet32_cifar")
    before = state_of(target)
    path = saved(net(), tmp_path / "small.pth")
    with pytest.raises(UserError) as caught:
        load_weights(target, path, name="resnet32_cifar")
    message = str(caught.value)
    # two blocks more in each of three stages, of two convolutions (1) with batch norm (4, and a counter) each
    assert (
        f"{path} does not fit resnet32_cifar: 60 of its 188 tensors are missing (layer1.3.conv1.weight, "
        in message
    )
    assert "unexpected" not in message
    assert "after trying 10 layouts (neocog's own; torchvision's ViT;" in message
    assert "\n" not in message
    assert equal(state_of(target), before), "a refused file changed the network"


def test_a_larger_networks_file_has_tensors_too_many(tmp_path: Path) -> None:
    path = saved(net("resnet32_cifar"), tmp_path / "large.pth")
    with pytest.raises(
        UserError, match=r"does not fit Classifier: 72 are unexpected \(layer1.3.conv1.weight, "
    ):
        load_weights(net(), path)


def test_a_file_of_other_widths_has_other_shapes() -> None:
    with pytest.raises(
        UserError,
        match=r"the given state dict does not fit .* have another shape \(.*weight \(16x3x3x3 in the file, 4x3x",
    ):
        load_weights(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 5)), {"0.weight": np.ones((16, 3, 3, 3))})


def test_checking_says_the_same_without_an_error_or_a_change() -> None:
    target = net("resnet32_cifar")
    before = state_of(target)
    given = net().state_dict()
    given["extra.weight"] = torch.ones(1)
    report = check_weights(target, given, name="resnet32_cifar")
    assert not report.ok
    assert len(report.missing) == 60
    assert report.unexpected == ("extra.weight",)
    assert set(report.matched) | set(report.missing) | set(report.misfits) >= {
        name for name in before if "num_batches" not in name
    }
    with pytest.raises(UserError) as caught:
        load_weights(target, given, name="resnet32_cifar")
    assert str(caught.value) == report.refusal
    assert equal(state_of(target), before)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({}, "must be tensors by name, got none"),
        ({"a": 3}, "must be tensors by name, got int for 'a'"),
        ({"a": {"b": torch.ones(1)}}, "must be tensors by name, got dict"),
        ({1: torch.ones(1)}, "must be tensors by name, got Tensor for 1"),
    ],
)
def test_what_is_no_state_dict_is_refused(source: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_weights(net(), source)


# The last layer


REFUSED, LOADED, FRESH = "refused", "loaded", "fresh"


@pytest.mark.parametrize(
    ("in_file", "asked", "head", "becomes"),
    [
        (10, None, "auto", LOADED),
        (10, 10, "auto", LOADED),
        (10, 7, "auto", FRESH),
        (7, 10, "auto", FRESH),
        (7, None, "auto", REFUSED),
        (10, 10, "fresh", FRESH),
        (10, None, "fresh", FRESH),
        (7, None, "fresh", FRESH),
        (10, 10, "keep", LOADED),
        (7, 10, "keep", REFUSED),
    ],
)
def test_the_last_layer_is_loaded_drawn_or_refused(
    in_file: int, asked: int | None, head: Any, becomes: str
) -> None:
    given, target = net(seed=1, num_classes=in_file), net(seed=2, num_classes=asked)
    before = state_of(target)
    if becomes == REFUSED:
        with pytest.raises(
            UserError, match=f"has {in_file} classes and n was built for 10; pass num_classes={in_file} to"
        ):
            load_weights(target, given.state_dict(), name="n", classes=asked, head=head)
        assert equal(state_of(target), before)
        return
    report = load_weights(target, given.state_dict(), classes=asked, head=head)
    whole = state_of(given)
    if becomes == FRESH:
        assert report.fresh == ("fc.weight", "fc.bias")
        assert set(report.left_out) == {"fc.weight", "fc.bias"}
        whole |= {name: before[name] for name in ("fc.weight", "fc.bias")}
    assert equal(state_of(target), whole)


def test_a_file_without_a_last_layer_needs_the_users_word() -> None:
    given = {k: v for k, v in net(seed=1).state_dict().items() if not k.startswith("fc.")}
    with pytest.raises(
        UserError, match="the given state dict has no last layer, and n needs one; ask for num_classes"
    ):
        load_weights(net(), given, name="n")
    assert load_weights(net(), given, classes=10).fresh == ("fc.weight", "fc.bias")


def test_a_network_without_a_last_layer_leaves_the_files_out() -> None:
    target = net(seed=2, num_classes=0)
    report = load_weights(target, net(seed=1).state_dict(), classes=0)
    assert report.left_out == dict.fromkeys(("fc.weight", "fc.bias"), "the network has no last layer")
    assert torch.equal(target.conv1.weight, net(seed=1).conv1.weight)


def test_only_the_last_layer_may_differ() -> None:
    """A wrong file does not become right because other classes were asked for."""
    with pytest.raises(UserError, match="does not fit"):
        load_weights(net("resnet32_cifar", num_classes=5), net().state_dict(), classes=5)


def test_auxiliary_heads_are_for_the_classes_too() -> None:
    with torch.device("meta"):
        given = build("googlenet", aux=True)
        target = build("googlenet", aux=True, num_classes=5)
    arrays = {
        name: np.broadcast_to(np.float32(0), tensor.shape) for name, tensor in given.state_dict().items()
    }
    _, report = arrange(target, arrays, classes=5)
    assert report.ok, report.refusal
    assert set(report.fresh) == {
        f"{layer}.{leaf}" for layer in ("aux1.fc2", "aux2.fc2", "fc") for leaf in ("weight", "bias")
    }


def test_published_weights_for_other_classes_change_nothing_but_the_last_layer() -> None:
    target = net("efficientnet_lite0", num_classes=3)
    before = state_of(target)
    tensors = published_tensors("efficientnet_lite0")
    report = load_weights(target, tensors, classes=3)
    for name, tensor in target.state_dict().items():
        wanted = before[name].numpy() if name.startswith("classifier.") else tensors[name]
        np.testing.assert_array_equal(tensor.numpy(), wanted, err_msg=name)
    assert report.fresh == ("classifier.weight", "classifier.bias")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"head": "new"}, "unknown head 'new'"),
        ({"classes": 9}, "classes must be the network's own number, 10, got 9"),
    ],
)
def test_wrong_arguments_are_refused(options: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_weights(net(), net().state_dict(), **options)


# The first layer


def test_one_channel_sees_what_three_equal_ones_saw() -> None:
    colour, grey = net(seed=1).eval(), net(seed=2, in_chans=1).eval()
    report = load_weights(grey, colour.state_dict())
    assert report.adapted == {"conv1.weight": "3 channels to 1: their sum"}
    x = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(grey(x), colour(x.expand(2, 3, 32, 32)), rtol=1e-4, atol=1e-4)


def test_three_channels_see_in_a_grey_picture_what_one_saw() -> None:
    grey, colour = net(seed=1, in_chans=1).eval(), net(seed=2).eval()
    load_weights(colour, grey.state_dict())
    x = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(colour(x.expand(2, 3, 32, 32)), grey(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [2, 4, 6, 13])
def test_other_channels_follow_timms_rule(channels: int) -> None:
    """Repeated and cut, times 3 / n: `adapt_input_conv` of timm 1.0."""
    given, target = net(seed=1), net(seed=2, in_chans=channels)
    report = load_weights(target, given.state_dict())
    kernel = given.conv1.weight.detach()
    repeated = kernel.repeat(1, math.ceil(channels / 3), 1, 1)[:, :channels] * (3 / channels)
    torch.testing.assert_close(target.conv1.weight.detach(), repeated)
    assert report.adapted == {"conv1.weight": f"3 channels to {channels}: in turn, times 3/{channels}"}


def test_a_kernel_of_another_size_is_not_adapted() -> None:
    given = net().state_dict()
    given["conv1.weight"] = torch.ones(16, 1, 5, 5)
    with pytest.raises(UserError, match="16x1x5x5 in the file, 16x3x3x3 in the network"):
        load_weights(net(), given)


def test_caffes_blue_green_red_is_turned_to_red_green_blue() -> None:
    caffe, target = net(seed=1).eval(), net(seed=2).eval()
    report = load_weights(target, caffe.state_dict(), bgr=True)
    assert report.adapted == {"conv1.weight": "blue, green, red turned round"}
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(target(x), caffe(x.flip(1)), rtol=1e-4, atol=1e-4)


def test_blue_green_red_becomes_four_channels_in_the_right_order() -> None:
    given, target = net(seed=1), net(seed=2, in_chans=4)
    report = load_weights(target, given.state_dict(), bgr=True)
    wanted = given.conv1.weight[:, [2, 1, 0, 2]] * 0.75
    torch.testing.assert_close(target.conv1.weight, wanted)
    assert report.adapted["conv1.weight"].startswith("blue, green, red turned round; 3 channels to 4")


@pytest.mark.parametrize(
    ("given", "wanted"), [((4, 8), (4, 8, 1, 1)), ((4, 8, 1, 1), (4, 8)), ((4, 18), (4, 2, 3, 3))]
)
def test_a_linear_map_and_its_convolution_are_one_map(
    given: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    target = nn.Sequential(
        nn.Linear(8, 4, bias=False) if len(wanted) == 2 else nn.Conv2d(*wanted[1::-1], wanted[-1], bias=False)
    )
    array = np.random.default_rng(0).random(given, np.float32)
    report = load_weights(target, {"0.weight": array})
    np.testing.assert_array_equal(target[0].weight.detach().numpy().ravel(), array.ravel())
    assert list(report.adapted) == ["0.weight"]


# Positions


def vit(size: int, **options: Any) -> nn.Module:
    with torch.device("meta"):
        made = models.vit("tiny", 16, size, **options)
    return made.to_empty(device="cpu")


def positions_after_loading(grid: int, **options: Any) -> tuple[np.ndarray, np.ndarray, str]:
    rng = np.random.default_rng(0)
    given = {
        name: rng.random(tensor.shape, np.float32)
        if name == "pos_embed"
        else np.zeros(tensor.shape, np.float32)
        for name, tensor in vit(224).state_dict().items()
    }
    target = vit(16 * grid, **options)
    report = load_weights(target, given)
    return given["pos_embed"][0], target.pos_embed.detach().numpy()[0], report.adapted.get("pos_embed", "")


@pytest.mark.parametrize("grid", [7, 24])
def test_positions_of_another_grid_are_interpolated_as_google_does(grid: int) -> None:
    """scipy's zoom of order 1, which Google's own loading calls."""
    given, loaded, how = positions_after_loading(grid)
    maps = given[1:].reshape(14, 14, 192)
    wanted = scipy.ndimage.zoom(maps, (grid / 14, grid / 14, 1), order=1)
    np.testing.assert_array_equal(loaded[0], given[0])
    np.testing.assert_allclose(loaded[1:], wanted.reshape(-1, 192), atol=2e-5)
    assert how == f"grid 14x14 to {grid}x{grid}, interpolated as google does"


def test_the_network_says_by_which_rule() -> None:
    given, loaded, how = positions_after_loading(24, resize="torchvision")
    maps = torch.from_numpy(given[1:]).T.reshape(1, 192, 14, 14)
    wanted = F.interpolate(maps, (24, 24), mode="bicubic", align_corners=True)
    np.testing.assert_allclose(loaded[1:], wanted[0].flatten(1).T, atol=1e-5)
    assert how.endswith("as torchvision does")


def test_positions_of_the_same_grid_are_left_alone() -> None:
    given, loaded, how = positions_after_loading(14)
    np.testing.assert_array_equal(loaded, given)
    assert how == ""


@pytest.mark.parametrize("shape", [(1, 196, 192), (1, 197, 384), (197, 192)])
def test_positions_of_no_square_grid_or_another_width_are_refused(shape: tuple[int, ...]) -> None:
    given = {name: np.zeros(tensor.shape, np.float32) for name, tensor in vit(224).state_dict().items()}
    given["pos_embed"] = np.zeros(shape, np.float32)
    with pytest.raises(UserError, match="1 have another shape .pos_embed"):
        load_weights(vit(384), given)


# The report


def test_the_report_is_a_table_of_what_became_of_each_tensor(tmp_path: Path) -> None:
    path = saved(net(seed=1), tmp_path / "a.pth")
    lines = str(load_weights(net(num_classes=7, in_chans=1), path, classes=7)).splitlines()
    assert lines[0] == f"{path}, read as neocog's own"
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "tensors", "matched", "missing", "unexpected", "adapted", "freshly drawn", "left out"
    ]  # fmt: skip
    assert "114" in lines[2]  # 19 convolutions with 5 tensors of batch norm each
    assert "conv1.weight: 3 channels to 1: their sum" in lines[5]
    assert "fc.weight, fc.bias" in lines[6]


def test_the_whole_table_has_a_row_for_each_tensor() -> None:
    report = check_weights(net("resnet32_cifar"), net().state_dict())
    rows = list(report.table(all=True))
    assert sum(row["kind"] == "missing" for row in rows) == len(report.missing) == 60
    assert sum(row["kind"] == "matched" for row in rows) == len(report.matched)
    assert "not loaded: the given state dict does not fit" in str(report)


def test_names_from_a_file_cannot_draw_on_the_screen_or_into_the_page() -> None:
    evil = {"\x1b[2J<script>alert(1)</script>": torch.ones(1), **net().state_dict()}
    report = check_weights(net(), evil)
    assert report.unexpected == (next(iter(evil)),)
    assert "\x1b" not in str(report)
    assert "\x1b" not in report.refusal
    assert "<script>" not in report._repr_html_()
    assert "&lt;script&gt;" in report._repr_html_()
