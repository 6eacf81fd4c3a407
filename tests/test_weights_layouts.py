"""Other libraries' weights under other names: what they compute here is what they compute there.

The names and shapes are lists from the libraries themselves (tests/golden/layouts.json.gz says which versions). The
values are random. What each tensor means is written down here a second time: as the order of the layers, or as a
forward pass on the foreign tensors. neocog's tables of names are not used.
"""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.models import build
from neocog.weights.load import LoadReport, arrange, check_weights, load_weights
from neocog.weights.onnx_graph import read_graph
from neocog.weights.read import Graph

GOLDEN = Path(__file__).parent / "golden"
LISTS = json.loads(gzip.decompress((GOLDEN / "layouts.json.gz").read_bytes()))
OURS = json.loads(gzip.decompress((GOLDEN / "state_dicts.json.gz").read_bytes()))
Arrays = dict[str, NDArray[np.float32]]


def shapes(name: str) -> dict[str, list[int]]:
    return LISTS[name]["state_dict"] if name in LISTS else OURS[name]["shapes"]


def drawn(listed: dict[str, list[int]], seed: int = 0) -> Arrays:
    """Random values at which a network neither dies nor explodes, under the names of the list."""
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}
    for name, shape in listed.items():
        if name.endswith("num_batches_tracked"):
            arrays[name] = np.array(len(arrays), np.int64)
            continue
        values = rng.standard_normal(shape, np.float32) * np.float32(0.1)
        if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
            values = 1 + abs(values)
        elif len(shape) > 1 and "pos" not in name and "token" not in name:
            values *= np.float32(10 / np.prod(shape[1:]) ** 0.5)
        arrays[name] = values
    return arrays


def torches(arrays: Arrays) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def loaded(model: str, arrays: Arrays, **options: object) -> tuple[nn.Module, LoadReport]:
    net = undrawn(model, **options)
    return net.eval(), load_weights(net, arrays, name=model)


def undrawn(model: str, **options: object) -> nn.Module:
    """The network with whatever stood in memory: drawing weights takes longer than all the rest."""
    with torch.device("meta"):
        net = build(model, **options)
    return net.to_empty(device="cpu")


def same(net: nn.Module, wanted: Callable[[Tensor], Tensor], side: int = 224) -> None:
    x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, theirs = net(x), wanted(x)
    assert theirs.std() > 0.05, "the reference is all alike: it would agree with anything"
    assert (ours - theirs).abs().max() < 1e-3 * theirs.std()


@pytest.fixture(autouse=True)
def one_thread(two_threads: None) -> None:
    torch.set_num_threads(1)  # small networks are slower on two, far slower beside other work


# EfficientNet: three libraries, one order of layers


@pytest.mark.parametrize(
    ("listed", "model", "layout"),
    [
        ("torchvision/efficientnet_b0", "efficientnet_b0", "torchvision's EfficientNet"),
        ("lukemelas/efficientnet-b0", "tf_efficientnet_b0", "EfficientNet-PyTorch's (lukemelas)"),
    ],
)
def test_each_tensor_of_an_efficientnet_stands_where_its_layer_stands(
    listed: str, model: str, layout: str
) -> None:
    """Both list their tensors in the order of the forward pass, and so do we: the n-th is the n-th."""
    given = drawn(shapes(listed))
    net, report = loaded(model, dict(reversed(given.items())))  # the order of the file does not matter
    for (ours, tensor), (theirs, array) in zip(net.state_dict().items(), given.items(), strict=True):
        np.testing.assert_array_equal(tensor.numpy(), array, err_msg=f"{ours} is not {theirs}")
        assert report.matched[ours] == theirs
    assert report.layout == layout
    assert not (report.missing or report.unexpected or report.adapted or report.left_out)


@pytest.mark.parametrize(
    ("listed", "model", "other"),
    [
        ("torchvision/efficientnet_b0", "tf_efficientnet_b0", "efficientnet_b0"),
        ("lukemelas/efficientnet-b0", "efficientnet_b0", "tf_efficientnet_b0"),
    ],
)
def test_weights_for_another_padding_are_refused_with_the_right_networks_name(
    listed: str, model: str, other: str
) -> None:
    """The shapes are the same and the results are wrong; see docs/models.md."""
    with pytest.raises(UserError, match=f"pad.* load them into {other}$"):
        loaded(model, drawn(shapes(listed)))


# Vision Transformer: each library's tensors through a forward pass of their own


def tiny(listed: dict[str, list[int]]) -> dict[str, list[int]]:
    """ViT-B's list with the dimensions of ViT-Ti: the same names, a sixteenth of the numbers."""
    sizes = {768: 192, 2304: 576, 3072: 768}
    return {
        name: [
            size if name == "conv_proj.weight" and i > 1 else sizes.get(size, size)
            for i, size in enumerate(shape)
        ]
        for name, shape in listed.items()
    }


def patches(kernel: Tensor, bias: Tensor, token: Tensor, positions: Tensor, x: Tensor) -> Tensor:
    """Tokens of a picture; the patch's linear map is applied to cut-out patches, not as a convolution."""
    side = kernel.shape[-1]
    cut = F.unfold(x, side, stride=side).transpose(1, 2)  # batch, patches, channels * side * side
    tokens = cut @ kernel.reshape(len(kernel), -1).T + bias
    return torch.cat([token.expand(len(x), -1, -1), tokens], 1) + positions


def norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight + bias


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


def torchvision_vit(t: dict[str, Tensor], x: Tensor) -> Tensor:
    """torchvision's forward, with the class of torch that torchvision uses for its attention."""
    y = patches(t["conv_proj.weight"], t["conv_proj.bias"], t["class_token"], t["encoder.pos_embedding"], x)
    for i in range(12):
        b = {k.partition(f"encoder_layer_{i}.")[2]: v for k, v in t.items() if f"encoder_layer_{i}." in k}
        attention = nn.MultiheadAttention(192, 3, batch_first=True)
        attention.load_state_dict(
            {k.partition(".")[2]: v for k, v in b.items() if k.startswith("self_attention")}
        )
        z = norm(y, b["ln_1.weight"], b["ln_1.bias"])
        y = y + attention(z, z, z, need_weights=False)[0]
        z = norm(y, b["ln_2.weight"], b["ln_2.bias"])
        z = gelu(z @ b["mlp.0.weight"].T + b["mlp.0.bias"])
        y = y + z @ b["mlp.3.weight"].T + b["mlp.3.bias"]
    y = norm(y, t["encoder.ln.weight"], t["encoder.ln.bias"])[:, 0]
    return y @ t["heads.head.weight"].T + t["heads.head.bias"]


def attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(batch, tokens, heads, head_dim) each -> the same, by Einstein's convention as Flax writes it."""
    weights = torch.einsum("bqhd,bkhd->bhqk", query, key) / query.shape[-1] ** 0.5
    return torch.einsum("bhqk,bkhd->bqhd", weights.softmax(-1), value)


def transformers_vit(t: dict[str, Tensor], x: Tensor) -> Tensor:
    e = "vit.embeddings."
    patch = (t[f"{e}patch_embeddings.projection.weight"], t[f"{e}patch_embeddings.projection.bias"])
    y = patches(*patch, t[f"{e}cls_token"], t[f"{e}position_embeddings"], x)
    for i in range(12):

        def linear(z: Tensor, name: str, b: str = f"vit.encoder.layer.{i}.") -> Tensor:
            return z @ t[f"{b}{name}.weight"].T + t[f"{b}{name}.bias"]

        b = f"vit.encoder.layer.{i}."
        z = norm(y, t[f"{b}layernorm_before.weight"], t[f"{b}layernorm_before.bias"])
        parts = [
            linear(z, f"attention.attention.{n}").unflatten(-1, (3, 64)) for n in ("query", "key", "value")
        ]
        y = y + linear(attended(*parts).flatten(2), "attention.output.dense")
        z = norm(y, t[f"{b}layernorm_after.weight"], t[f"{b}layernorm_after.bias"])
        y = y + linear(gelu(linear(z, "intermediate.dense")), "output.dense")
    y = norm(y, t["vit.layernorm.weight"], t["vit.layernorm.bias"])[:, 0]
    return y @ t["classifier.weight"].T + t["classifier.bias"]


def test_torchvisions_vit_computes_here_what_it_computes_there() -> None:
    given = drawn(tiny(shapes("torchvision/vit_b_16")))
    net, report = loaded("vit_tiny_patch16_224", given)
    assert report.layout == "torchvision's ViT"
    same(net, lambda x: torchvision_vit(torches(given), x))


def test_torchvisions_first_vit_files_have_older_names_for_the_mlp() -> None:
    """`linear_1` and `linear_2`: torchvision renames them while loading (pull request 6053)."""
    given = drawn(tiny(shapes("torchvision/vit_b_16")))
    older = {k.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): v for k, v in given.items()}
    assert len(set(older) - set(given)) == 48
    net, _ = loaded("vit_tiny_patch16_224", older)
    same(net, lambda x: torchvision_vit(torches(given), x))


def test_hugging_faces_vit_computes_here_what_it_computes_there(tmp_path: Path) -> None:
    given = drawn(shapes("transformers/vit_tiny"))
    save_file(given, tmp_path / "model.safetensors")
    net = undrawn("vit_tiny_patch16_224").eval()
    report = load_weights(net, tmp_path / "model.safetensors")
    assert report.layout == "transformers' ViT"
    joined = "vit.encoder.layer.7.attention.attention.{}.bias"
    parts = [joined.format(part) for part in ("query", "key", "value")]
    assert report.matched["blocks.7.attn.qkv.bias"] == " + ".join(parts)
    same(net, lambda x: transformers_vit(torches(given), x))


def test_a_headless_file_with_a_pooler_has_no_last_layer() -> None:
    """As the ImageNet-21k ViTs lie on the Hub: the names without `vit.`, a tanh layer behind, no classifier."""
    given = {
        name.removeprefix("vit."): array
        for name, array in drawn(shapes("transformers/vit_tiny")).items()
        if not name.startswith("classifier")
    }
    pooler = {
        "pooler.dense.weight": np.ones((192, 192), np.float32),
        "pooler.dense.bias": np.ones(192, np.float32),
    }
    with pytest.raises(
        UserError, match="has no last layer, and vit_tiny_patch16_224 needs one; ask for num_classes"
    ):
        loaded("vit_tiny_patch16_224", given | pooler)
    report = load_weights(build("vit_tiny_patch16_224", num_classes=7), given | pooler, classes=7)
    assert report.left_out == dict.fromkeys(pooler, "it belongs to the last layer of the file")


def test_hugging_faces_names_in_memory_mean_the_same_as_those_in_its_files() -> None:
    file, memory = shapes("transformers/vit_tiny"), shapes("transformers/vit_tiny/in_memory")
    renamed = {
        "vit.encoder.layer.": "vit.layers.",
        "attention.attention.query": "attention.q_proj",
        "attention.attention.key": "attention.k_proj",
        "attention.attention.value": "attention.v_proj",
        "attention.output.dense": "attention.o_proj",
        "intermediate.dense": "mlp.fc1",
        "output.dense": "mlp.fc2",
    }  # transformers 5.24, conversion_mapping.py
    given = drawn(file)
    other: Arrays = {}
    for name, array in given.items():
        for old, new in renamed.items():
            name = name.replace(old, new)
        other[name] = array
    assert set(other) == set(memory)
    one, two = loaded("vit_tiny_patch16_224", given)[0], loaded("vit_tiny_patch16_224", other)[0]
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, two.state_dict()[name]), name


# Google's files: arrays as Flax and TensorFlow lay them out, computed as Flax computes them


def google_vit(dim: int = 192, heads: int = 3, side: int = 16, prefix: str = "") -> Arrays:
    """The names and shapes of google-research/vision_transformer's checkpoints, of the size of ViT-Ti."""
    listed = {
        "cls": [1, 1, dim],
        "embedding/kernel": [side, side, 3, dim],
        "embedding/bias": [dim],
        "Transformer/posembed_input/pos_embedding": [1, 197, dim],
        "Transformer/encoder_norm/scale": [dim],
        "Transformer/encoder_norm/bias": [dim],
        "head/kernel": [dim, 1000],
        "head/bias": [1000],
    }
    for i in range(12):
        b = f"Transformer/encoderblock_{i}"
        for n in (0, 2):
            listed |= {f"{b}/LayerNorm_{n}/scale": [dim], f"{b}/LayerNorm_{n}/bias": [dim]}
        for part in ("query", "key", "value"):
            a = f"{b}/MultiHeadDotProductAttention_1/{part}"
            listed |= {f"{a}/kernel": [dim, heads, dim // heads], f"{a}/bias": [heads, dim // heads]}
        a = f"{b}/MultiHeadDotProductAttention_1/out"
        listed |= {f"{a}/kernel": [heads, dim // heads, dim], f"{a}/bias": [dim]}
        listed |= {
            f"{b}/MlpBlock_3/Dense_0/kernel": [dim, 4 * dim],
            f"{b}/MlpBlock_3/Dense_0/bias": [4 * dim],
        }
        listed |= {f"{b}/MlpBlock_3/Dense_1/kernel": [4 * dim, dim], f"{b}/MlpBlock_3/Dense_1/bias": [dim]}
    rng = np.random.default_rng(3)
    return {
        prefix + name: rng.standard_normal(shape, np.float32) * np.float32(0.1) + name.endswith("scale")
        for name, shape in listed.items()
    }


def flax_vit(t: dict[str, Tensor], x: Tensor) -> Tensor:
    pictures = x.permute(0, 2, 3, 1).unflatten(1, (14, 16)).unflatten(3, (14, 16))  # batch, 14, 16, 14, 16, 3
    y = torch.einsum("brhcwi,hwid->brcd", pictures, t["embedding/kernel"]).flatten(1, 2) + t["embedding/bias"]
    y = torch.cat([t["cls"].expand(len(x), -1, -1), y], 1) + t["Transformer/posembed_input/pos_embedding"]
    for i in range(12):
        b = {k.partition(f"encoderblock_{i}/")[2]: v for k, v in t.items() if f"encoderblock_{i}/" in k}
        a = {k.partition("Attention_1/")[2]: v for k, v in b.items()}
        z = norm(y, b["LayerNorm_0/scale"], b["LayerNorm_0/bias"])
        parts = [
            torch.einsum("btd,dhk->bthk", z, a[f"{n}/kernel"]) + a[f"{n}/bias"]
            for n in ("query", "key", "value")
        ]
        y = y + torch.einsum("bthk,hkd->btd", attended(*parts), a["out/kernel"]) + a["out/bias"]
        z = norm(y, b["LayerNorm_2/scale"], b["LayerNorm_2/bias"])
        z = gelu(z @ b["MlpBlock_3/Dense_0/kernel"] + b["MlpBlock_3/Dense_0/bias"])
        y = y + z @ b["MlpBlock_3/Dense_1/kernel"] + b["MlpBlock_3/Dense_1/bias"]
    y = norm(y, t["Transformer/encoder_norm/scale"], t["Transformer/encoder_norm/bias"])[:, 0]
    return y @ t["head/kernel"] + t["head/bias"]


@pytest.mark.parametrize("prefix", ["", "opt/target/", "params/"])
def test_googles_vit_computes_here_what_flax_computes(tmp_path: Path, prefix: str) -> None:
    np.savez(tmp_path / "ViT-Ti_16.npz", **google_vit(prefix=prefix))
    net = undrawn("vit_tiny_patch16_224").eval()
    assert load_weights(net, tmp_path / "ViT-Ti_16.npz").layout == "Google's ViT (.npz)"
    if not prefix:
        same(net, lambda x: flax_vit(torches(google_vit()), x))
    joined = net.state_dict()["blocks.3.attn.qkv.bias"].unflatten(0, (3, 3, 64))
    query = google_vit()["Transformer/encoderblock_3/MultiHeadDotProductAttention_1/query/bias"]
    np.testing.assert_array_equal(joined[0].numpy(), query)


def test_googles_old_last_layer_with_a_layer_in_front_is_not_taken_alone() -> None:
    """ImageNet-21k's first files have a tanh layer `pre_logits`; without it the last layer reads something else."""
    given = google_vit() | {"pre_logits/kernel": np.zeros((192, 192)), "pre_logits/bias": np.zeros(192)}
    with pytest.raises(
        UserError,
        match="last layer .* reads a layer pre_logits/kernel, pre_logits/bias that vit_tiny.* has not; ask for",
    ):
        loaded("vit_tiny_patch16_224", given)
    report = load_weights(build("vit_tiny_patch16_224", num_classes=7), given, classes=7)
    assert set(report.left_out) == {"pre_logits/kernel", "pre_logits/bias", "head/kernel", "head/bias"}
    assert report.fresh == ("head.weight", "head.bias")


BIT_DEPTHS = (3, 4, 6, 3)
KERNEL = "standardized_conv2d/kernel"


def google_bit() -> Arrays:
    """The names and shapes of google-research/big_transfer's R50x1."""
    listed = {f"resnet/root_block/{KERNEL}": [7, 7, 3, 64]}
    cin = 64
    for i, depth in enumerate(BIT_DEPTHS):
        cout = 256 * 2**i
        for j in range(depth):
            unit = f"resnet/block{i + 1}/unit{j + 1:02d}"
            maps = {"a": (1, cin, cout // 4), "b": (3, cout // 4, cout // 4), "c": (1, cout // 4, cout)}
            for part, (side, before, after) in maps.items():
                listed |= {f"{unit}/{part}/group_norm/{leaf}": [before] for leaf in ("gamma", "beta")}
                listed[f"{unit}/{part}/{KERNEL}"] = [side, side, before, after]
            listed |= {f"{unit}/a/proj/{KERNEL}": [1, 1, cin, cout]} if j == 0 else {}
            cin = cout
    listed |= {f"resnet/group_norm/{leaf}": [cin] for leaf in ("gamma", "beta")}
    listed |= {"resnet/head/conv2d/kernel": [1, 1, cin, 1000], "resnet/head/conv2d/bias": [1000]}
    rng = np.random.default_rng(4)
    return {
        name: rng.standard_normal(shape, np.float32) * np.float32(0.1) + name.endswith("gamma")
        for name, shape in listed.items()
    }


def standardised(t: dict[str, Tensor], name: str, x: Tensor, stride: int = 1) -> Tensor:
    """A convolution with the kernel (rows, cols, in, out) standardised over its first three axes."""
    kernel = t[f"{name}/{KERNEL}"]
    mean, var = kernel.mean((0, 1, 2)), kernel.var((0, 1, 2), unbiased=False)
    kernel = (kernel - mean) / (var + 1e-10).sqrt()
    return F.conv2d(x, kernel.permute(3, 2, 0, 1), stride=stride, padding=kernel.shape[0] // 2)


def grouped(t: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.relu(F.group_norm(x, 32, t[f"{name}/gamma"], t[f"{name}/beta"]))


def tensorflow_bit(t: dict[str, Tensor], x: Tensor) -> Tensor:
    y = F.max_pool2d(F.pad(standardised(t, "resnet/root_block", x, 2), (1, 1, 1, 1)), 3, 2)
    for i, depth in enumerate(BIT_DEPTHS):
        for j in range(depth):
            unit, stride = f"resnet/block{i + 1}/unit{j + 1:02d}", 2 if i and not j else 1
            z = grouped(t, f"{unit}/a/group_norm", y)
            around = standardised(t, f"{unit}/a/proj", z, stride) if j == 0 else y
            z = grouped(t, f"{unit}/b/group_norm", standardised(t, f"{unit}/a", z))
            z = grouped(t, f"{unit}/c/group_norm", standardised(t, f"{unit}/b", z, stride))
            y = around + standardised(t, f"{unit}/c", z)
    pooled = grouped(t, "resnet/group_norm", y).mean((2, 3))
    return pooled @ t["resnet/head/conv2d/kernel"][0, 0] + t["resnet/head/conv2d/bias"]


def test_googles_bit_computes_here_what_it_computes_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "BiT-S-R50x1.npz", **google_bit())
    net = undrawn("resnetv2_50x1_bit").eval()
    assert load_weights(net, tmp_path / "BiT-S-R50x1.npz").layout == "Google's BiT (.npz)"
    same(net, lambda x: tensorflow_bit(torches(google_bit()), x), side=64)


# ResNets


def transformers_resnet(t: dict[str, Tensor], x: Tensor) -> Tensor:
    """transformers' forward of both kinds of block; strides stand in the 3x3 convolution."""

    def conv(name: str, z: Tensor, stride: int) -> Tensor:
        kernel = t[f"{name}.convolution.weight"]
        z = F.conv2d(z, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        stored = [t[f"{name}.normalization.{n}"] for n in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(z, *stored)

    y = F.max_pool2d(conv("resnet.embedder.embedder", x, 2).relu(), 3, 2, 1)
    layer = re.compile(r"resnet\.encoder\.stages\.(\d+)\.layers\.(\d+)\.layer\.(\d+)\.convolution\.weight")
    places = sorted(tuple(map(int, match.groups())) for name in t if (match := layer.fullmatch(name)))
    for stage, block in sorted({place[:2] for place in places}):
        count = sum(place[:2] == (stage, block) for place in places)
        name, stride, z = f"resnet.encoder.stages.{stage}.layers.{block}", 2 if stage and not block else 1, y
        for i in range(count):
            z = conv(f"{name}.layer.{i}", z, stride if i == count - 2 else 1)
            z = z if i == count - 1 else z.relu()
        shortcut = f"{name}.shortcut"
        y = (z + (conv(shortcut, y, stride) if f"{shortcut}.convolution.weight" in t else y)).relu()
    return y.mean((2, 3)) @ t["classifier.1.weight"].T + t["classifier.1.bias"]


def test_hugging_faces_bottlenecks_compute_here_what_they_compute_there() -> None:
    given = drawn(shapes("transformers/resnet50"))
    net, report = loaded("resnet50", given)
    assert report.layout == "transformers' ResNet"
    same(net, lambda x: transformers_resnet(torches(given), x), side=64)


def test_hugging_faces_basic_blocks_stride_in_their_first_convolution() -> None:
    """There the stride's place is the first of two, as `count - 2` above says."""
    given = drawn(shapes("transformers/resnet18"))
    net, _ = loaded("resnet18", given)
    same(net, lambda x: transformers_resnet(torches(given), x), side=64)


def test_cifar_resnets_call_the_last_layer_linear_and_the_way_around_shortcut() -> None:
    net = build("resnet20_cifar", shortcut="B")
    ours = drawn({name: list(tensor.shape) for name, tensor in net.state_dict().items()})
    theirs = {
        n.replace("fc.", "linear.").replace("downsample", "shortcut"): array for n, array in ours.items()
    }
    assert {"linear.bias", "layer2.0.shortcut.0.weight", "layer3.0.shortcut.1.running_var"} <= set(theirs)
    report = load_weights(net, {f"module.{name}": array for name, array in theirs.items()})
    assert report.matched["fc.bias"] == "linear.bias"
    for name, tensor in net.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), ours[name], err_msg=name)


# The nets before


def test_timms_vgg_has_convolutions_where_ours_has_linear_layers() -> None:
    """Broadcast arrays: every output channel is the same, and the half gigabyte is never there."""
    rng, given = np.random.default_rng(5), {}
    for name, shape in shapes("timm/vgg11").items():
        given[name] = np.broadcast_to(rng.standard_normal([1, *shape[1:]], np.float32), shape)
    with torch.device("meta"):
        net = build("vgg11")
    arrays, report = arrange(net, given)
    assert report.ok
    assert set(report.adapted) == {"classifier.0.weight", "classifier.3.weight"}
    maps = given["pre_logits.fc1.weight"][
        0
    ]  # 512 maps of 7x7: the linear layer reads map after map, row after row
    for place, channel, row, col in ((0, 0, 0, 0), (8, 0, 1, 1), (49, 1, 0, 0), (25087, 511, 6, 6)):
        assert arrays["classifier.0.weight"][4095, place] == maps[channel, row, col]
    np.testing.assert_array_equal(
        arrays["classifier.3.weight"][0], given["pre_logits.fc2.weight"][0, :, 0, 0]
    )
    np.testing.assert_array_equal(arrays["classifier.6.weight"], given["head.fc.weight"])
    for name in ("features.0.weight", "features.18.bias"):
        np.testing.assert_array_equal(arrays[name], given[name])


def test_googlenets_auxiliary_heads_are_left_out_where_the_net_has_none() -> None:
    given = drawn(shapes("torchvision/googlenet"))
    net, report = loaded("googlenet", given)
    # each has a convolution with batch norm (6 tensors) and two linear layers (4)
    assert len(report.left_out) == 20
    assert all(name.startswith(("aux1.", "aux2.")) for name in report.left_out)
    with_heads, report = loaded("googlenet", given, aux=True)
    assert not report.left_out
    for name, array in given.items():
        np.testing.assert_array_equal(with_heads.state_dict()[name].numpy(), array)
        if not name.startswith("aux"):
            np.testing.assert_array_equal(net.state_dict()[name].numpy(), array)


# ONNX graphs, which the package onnx ships without values

onnx = pytest.importorskip("onnx")
LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


def light_graph(
    name: str, folder: Path, kept: Callable[[str], bool] = lambda weight: True
) -> tuple[Path, Arrays]:
    """The graph with random values for its weights, and these by name."""
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    sizes = {
        node.output[0]: stored[node.input[0]]
        for node in model.graph.node
        if node.op_type == "ConstantOfShape"
    }
    fed = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Reshape"}
    weights = {
        weight: list(sizes[weight]) if weight in sizes else list(stored[weight].shape)
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm", "BatchNormalization")
        for weight in (fed.get(name, name) for name in node.input[1:])
    }
    values = drawn({weight: list(map(int, shape)) for weight, shape in weights.items()}, seed=6)
    others = [node for node in model.graph.node if node.op_type != "ConstantOfShape"]
    initialisers = [tensor for tensor in model.graph.initializer if tensor.name not in values]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(others)
    model.graph.initializer.extend(initialisers)
    backwards = reversed(values.items())  # the order of the file is not that of the layers
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, weight) for weight, array in backwards)
    onnx.save(model, folder / f"{name}.onnx")
    return folder / f"{name}.onnx", values


CAFFE_NAMES = {"w_0": "weight", "b_0": "bias"}
CAFFE_NORMS = {"s_0": "weight", "b_0": "bias", "rm_0": "running_mean", "riv_0": "running_var"}


def in_googlenet(weight: str) -> str:
    layer, leaf = weight[:-4], CAFFE_NAMES[weight[-3:]]
    outside = {"conv1/7x7_s2": "conv1", "conv2/3x3_reduce": "conv2", "conv2/3x3": "conv3"}
    if layer == "loss3/classifier":
        return f"fc.{leaf}"
    if layer in outside:
        return f"{outside[layer]}.conv.{leaf}"
    module, part = layer.split("/")
    branch = {
        "1x1": 1,
        "3x3_reduce": "2.0",
        "3x3": "2.1",
        "5x5_reduce": "3.0",
        "5x5": "3.1",
        "pool_proj": "4.1",
    }
    return f"{module.replace('_', '')}.branch{branch[part]}.conv.{leaf}"


def in_resnet(weight: str) -> str:
    weight = weight.removeprefix("gpu_0/")
    if match := re.fullmatch(r"res(\d)_(\d+)_branch(1|2[abc])_(bn_)?(\w+)", weight):
        stage, block, branch, normed, leaf = match.groups()
        name = CAFFE_NORMS[leaf] if normed else CAFFE_NAMES[leaf]
        part = (
            f"downsample.{int(bool(normed))}"
            if branch == "1"
            else f"{'bn' if normed else 'conv'}{'abc'.index(branch[1]) + 1}"
        )
        return f"layer{int(stage) - 1}.{block}.{part}.{name}"
    layer, leaf = weight.removeprefix("res_conv1_").rsplit("_", 2)[0], "_".join(weight.split("_")[-2:])
    if layer == "bn":
        return f"bn1.{CAFFE_NORMS[leaf]}"
    return f"{'fc' if layer == 'pred' else layer}.{CAFFE_NAMES[leaf]}"


@pytest.mark.parametrize(
    ("graph", "model", "ours"),
    [("inception_v1", "googlenet_2014", in_googlenet), ("resnet50", "resnet50", in_resnet)],
)
def test_a_graph_of_caffe_is_told_by_the_order_of_its_layers(
    tmp_path: Path, graph: str, model: str, ours: Callable[[str], str]
) -> None:
    path, values = light_graph(graph, tmp_path)
    net = undrawn(model)
    report = load_weights(net, path)
    assert report.layout == "an ONNX graph's, by the order of its layers"
    state = net.state_dict()
    assert {ours(weight) for weight in values} == {name for name in state if "num_batches" not in name}
    for weight, array in values.items():
        np.testing.assert_array_equal(state[ours(weight)].squeeze(), array.squeeze(), err_msg=weight)


def graph_in_memory(name: str) -> Graph:
    """The graph's weights as neocog reads them from a file, each of one value, so that it takes no memory."""
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    sizes = {
        node.output[0]: stored[node.input[0]]
        for node in model.graph.node
        if node.op_type == "ConstantOfShape"
    }
    found = Graph()
    for node in model.graph.node:
        for weight in node.input[1:]:
            if node.op_type in ("Conv", "Gemm"):
                shape = tuple(sizes[weight]) if weight in sizes else stored[weight].shape
                found[weight] = np.broadcast_to(np.float32(len(found)), tuple(map(int, shape)))
    return found


def in_alexnet(weight: str) -> str:
    return f"{weight[:-4]}.{CAFFE_NAMES[weight[-3:]]}"


def in_vgg19(weight: str) -> str:
    layer, leaf = weight[:-4], CAFFE_NAMES[weight[-3:]]
    if layer.startswith("fc"):
        return f"classifier.{3 * (int(layer[2]) - 6)}.{leaf}"
    stage, place = map(int, layer.removeprefix("conv").split("_"))
    return f"features.{[0, 5, 10, 19, 28][stage - 1] + 2 * (place - 1)}.{leaf}"


@pytest.mark.parametrize(
    ("graph", "model", "ours"),
    [
        ("bvlc_alexnet", "alexnet_2012", in_alexnet),
        ("bvlc_alexnet", "caffenet", in_alexnet),
        ("vgg19", "vgg19", in_vgg19),
    ],
)
def test_the_large_graphs_are_told_by_their_order_too(
    graph: str, model: str, ours: Callable[[str], str]
) -> None:
    given = graph_in_memory(graph)
    with torch.device("meta"):
        net = build(model)
    arrays, report = arrange(net, given)
    assert report.ok, report.refusal
    assert {name: float(array.flat[0]) for name, array in arrays.items()} == {
        ours(weight): float(array.flat[0]) for weight, array in given.items()
    }


def test_a_graph_of_another_network_is_refused() -> None:
    """Facebook's zfnet512 has half of the paper's conv4 and a quarter of its fc7; what differs is named."""
    with torch.device("meta"):
        net = build("zfnet_512")
    report = check_weights(net, graph_in_memory("zfnet512"), name="zfnet_512")
    assert report.refusal.startswith(
        "the given state dict does not fit zfnet_512: 6 have another shape (conv4.weight"
    )
    assert {name.partition(".")[0] for name in report.misfits} == {"conv4", "conv5", "fc7", "fc8"}
    assert report.misfits["fc7.bias"] == "1024 in the file, 4096 in the network"


def test_a_graph_without_auxiliary_heads_lacks_these_alone() -> None:
    with torch.device("meta"):
        net = build("googlenet_2014", aux=True)
    ours = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    given = Graph(
        {f"w{i}": np.broadcast_to(0.0, s) for i, (n, s) in enumerate(ours.items()) if n[:3] != "aux"}
    )
    report = check_weights(net, given)
    assert set(report.missing) == {name for name in ours if name.startswith("aux")}
    assert not (report.misfits or report.unexpected)


def test_a_graph_with_the_projection_first_is_told_from_one_with_it_last(tmp_path: Path) -> None:
    """Caffe's own ResNets list branch1 before branch2a; in the first block both end in kernels of one shape."""
    path, values = light_graph("resnet50", tmp_path)
    given = read_graph(path)
    block = [re.sub(r"(branch)\w+", r"\1", weight) for weight in given]
    ordered = sorted(
        given,
        key=lambda weight: (block.index(re.sub(r"(branch)\w+", r"\1", weight)), "branch1" not in weight),
    )
    assert ordered != list(given)
    net = undrawn("resnet50")
    report = load_weights(net, Graph((weight, given[weight]) for weight in ordered))
    assert report.ok
    for weight, array in values.items():
        np.testing.assert_array_equal(net.state_dict()[in_resnet(weight)].numpy(), array, err_msg=weight)


def test_a_graph_that_kept_the_networks_names_is_read_by_them(tmp_path: Path) -> None:
    """As torch's exporter writes it: order is free, a linear weight may be stored as (in, out)."""
    net = build("resnet20_cifar").eval()
    ours = drawn({name: list(tensor.shape) for name, tensor in net.state_dict().items()})
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    kept = {name: array for name, array in ours.items() if "num_batches" not in name}
    stored = [numpy_helper.from_array(a.T.copy() if n == "fc.weight" else a, n) for n, a in kept.items()]
    names = list(kept)[::-1]
    convs = [
        helper.make_node("Conv", ["x", name], [f"y{i}"])
        for i, name in enumerate(names)
        if kept[name].ndim == 4
    ]
    norms = [helper.make_node("Identity", [name], [f"z{name}"]) for name in names if kept[name].ndim == 1]
    last = helper.make_node("MatMul", ["x", "fc.weight"], ["logits"])
    graph = helper.make_graph([*norms, last, *convs], "g", [], [], stored)
    onnx.save(helper.make_model(graph), tmp_path / "net.onnx")
    report = load_weights(net, tmp_path / "net.onnx")
    assert report.layout == "neocog's own"
    for name, array in kept.items():
        np.testing.assert_array_equal(net.state_dict()[name].numpy(), array, err_msg=name)
