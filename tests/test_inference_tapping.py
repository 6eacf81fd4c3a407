"""Layers that are read on the way: against hooks and forwards written here, and numpy."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.inference.layer_features import POOLINGS, demand_pooling_and_views
from neocog.inference.tapping import Tap, Tapped, Tapping, pooled
from neocog.inference.torch_engine import TorchEngine
from neocog.models import build
from networks import Net

VALUES = st.floats(-8, 8, width=32)


def by_numpy(x: Any, pooling: str) -> Any:
    """A layer's output pooled literally, in doubles."""
    x = x.astype(np.float64)
    if x.ndim == 2 or pooling == "flat":
        return x.reshape(len(x), -1)
    if pooling == "token":
        return x[:, 0]
    axes = (1,) if x.ndim == 3 else (2, 3)
    if pooling == "max":
        return x.max(axis=axes)
    if pooling == "mean":
        return x.mean(axis=axes)
    return np.mean(np.maximum(x, 1e-6) ** 3, axis=axes) ** (1 / 3)


@given(
    st.one_of(
        arrays(np.float32, st.tuples(*[st.integers(1, 4)] * 4), elements=VALUES),
        arrays(np.float32, st.tuples(*[st.integers(1, 4)] * 3), elements=VALUES),
        arrays(np.float32, st.tuples(*[st.integers(1, 4)] * 2), elements=VALUES),
    ),
    st.sampled_from(POOLINGS),
)
def test_poolings_are_what_numpy_computes(x: Any, pooling: str) -> None:
    if pooling == "token" and x.ndim == 4:
        return
    wanted = by_numpy(x, pooling)
    got = pooled(torch.from_numpy(x), pooling).numpy()
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=1e-6)


def test_pooled_values_do_not_change_when_a_later_layer_writes_into_the_output() -> None:
    for pooling in ("flat", "token"):
        x = torch.ones(2, 3, 4)
        kept = pooled(x, pooling)
        x.zero_()
        assert (kept == 1).all()


def test_an_unknown_pooling_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown pooling 'gen'; did you mean gem"):
        demand_pooling_and_views("gen", "center")


def small() -> nn.Sequential:
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(inplace=True), nn.Conv2d(5, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(4 * 16, 7),
    )  # fmt: skip
    norm: Any = net[3]
    norm.running_mean.uniform_(-1, 1), norm.running_var.uniform_(0.5, 2)
    return net.eval()


def pictures(n: int = 2, size: int = 8) -> Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_layers_come_side_by_side_and_raw_although_a_relu_works_in_place() -> None:
    net, x = small(), pictures()
    taps = (Tap("a", "3", "mean"), Tap("b", "0", "flat"), Tap("c", "4", "max"))
    tapped = Tapped(small(), taps, (3, 8, 8)).eval()
    layers: Any = list(net)
    conv = F.conv2d(x, layers[0].weight, layers[0].bias)
    raw = layers[3](F.conv2d(conv.relu(), layers[2].weight, layers[2].bias))
    assert tapped.widths == (4, 5 * 36, 4)
    wanted = torch.cat([raw.mean((2, 3)), conv.flatten(1), raw.relu().amax((2, 3))], 1)
    torch.testing.assert_close(tapped(x), wanted)


@torch.no_grad()
def test_what_lies_behind_the_last_layer_read_is_not_computed() -> None:
    ran: list[str] = []

    def run(m: Any, x: Tensor) -> Tensor:
        x = m.a(x)
        ran.append("behind a")
        return m.b(x.flatten(1))  # type: ignore[no-any-return]

    tapped = Tapped(Net(run, a=nn.Conv2d(3, 2, 3), b=nn.Linear(72, 3)), (Tap("a", "a", "mean"),), (3, 8, 8))
    assert ran == ["behind a"]  # once, when it was looked over
    assert tapped(pictures()).shape == (2, 2)
    assert ran == ["behind a"]


@torch.no_grad()
def test_a_layer_that_is_called_several_times_gives_its_last_output() -> None:
    conv, x = nn.Conv2d(3, 3, 3, padding=1), pictures()
    wanted = conv(conv(conv(x))).flatten(1)
    net = Net(lambda m, x: m.c(m.c(m.c(x))), c=conv)
    torch.testing.assert_close(Tapped(net, (Tap("c", "c", "flat"),), (3, 8, 8))(x), wanted)


@torch.no_grad()
def test_threads_do_not_see_each_others_layers() -> None:
    tapped = Tapped(small(), (Tap("a", "0", "flat"), Tap("b", "6", "flat")), (3, 8, 8)).eval()
    batches = [pictures(3) * (i + 1) for i in range(4)]
    alone = [tapped(batch) for batch in batches]
    wrong: list[int] = []

    def work(i: int) -> None:
        with torch.no_grad():
            for _ in range(60):
                if not torch.equal(tapped(batches[i]), alone[i]):
                    wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(("layer", "fold"), [("2", "raw"), ("3", "folded"), ("4", "folded")])
def test_the_torch_engine_folds_no_norm_behind_a_convolution_that_is_read(layer: str, fold: str) -> None:
    """A norm that is read itself is folded: what is read there stays the same."""
    net = Tapped(small(), (Tap("x", layer, "flat"), Tap("end", "6", "flat")), (3, 8, 8))
    preprocess = Preprocess(size=(8, 8))
    batch = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    x = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255 * 2 - 1
    wanted = x
    with torch.no_grad():
        for name, module in small().named_children():
            wanted = module(wanted.clone())
            if name == layer:
                break
        whole = small()(x).numpy()
    engine = TorchEngine(net, preprocess, torch.device("cpu"))
    np.testing.assert_allclose(engine(batch)[:, :-7], wanted.flatten(1).numpy(), atol=2e-5)
    np.testing.assert_allclose(engine(batch)[:, -7:], whole, atol=2e-5)
    assert isinstance(net.net.get_submodule("3"), nn.BatchNorm2d if fold == "raw" else nn.Identity)


@pytest.mark.parametrize(
    ("net", "layer", "pooling", "message"),
    [
        (Net(lambda m, x: m.a(x), a=nn.Conv2d(3, 2, 3), b=nn.Identity()), "b", "mean", "b takes no part"),
        (Net(lambda m, x: m.a(x)[0], a=Net(lambda m, x: (x, x))), "a", "mean", "one tensor .* gave tuple"),
        (Net(lambda m, x: m.a(x), a=nn.Conv2d(3, 2, 3)), "a", "token", "the layer a gives maps"),
        (Net(lambda m, x: m.a(x), a=nn.Flatten()), "a", "token", "the layer a gives a vector"),
    ],
)
def test_layers_that_cannot_be_read_are_refused(
    net: nn.Module, layer: str, pooling: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Tapped(net, (Tap(layer, layer, pooling),), (3, 8, 8))


def tiny_vit(**choices: Any) -> Any:
    torch.manual_seed(0)
    return build("vit_tiny_patch16_224", **choices).eval()


@torch.no_grad()
def test_a_class_token_is_the_first_token_of_a_transformers_layer() -> None:
    net = tiny_vit()
    x = pictures(2, 224)
    y = net.patch_embed(x).flatten(2).transpose(1, 2)  # batch, patches, dim
    y = net.pos_drop(torch.cat([net.cls_token.expand(2, -1, -1), y], 1) + net.pos_embed)
    for block in list(net.blocks)[:2]:
        y = block(y)
    taps = (Tap("t", "blocks.1", "token"), Tap("m", "blocks.1", "mean"))
    got = Tapped(net, taps, (3, 224, 224))(x)
    torch.testing.assert_close(got, torch.cat([y[:, 0], y.mean(1)], 1), rtol=1e-4, atol=1e-4)


def test_a_transformer_without_a_class_token_has_none_to_give() -> None:
    with pytest.raises(UserError, match="tokens without a class token"):
        Tapped(tiny_vit(pool="mean"), (Tap("t", "blocks.0", "token"),), (3, 224, 224))


@torch.no_grad()
def test_a_mirrored_run_gives_the_mean_over_a_picture_and_its_mirror_image() -> None:
    tapping = Tapping(small, (Tap("a", "0", "flat"), Tap("b", "4", "mean")), (3, 8, 8), mirrored=True)
    x, net = pictures(), small()
    one, other = (torch.cat([net[0](y).flatten(1), net[:5](y).mean((2, 3))], 1) for y in (x, x.flip(3)))
    torch.testing.assert_close(tapping.module()(x), (one + other) / 2)
    assert tapping.widths == (180, 4)
