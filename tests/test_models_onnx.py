"""Our networks with random weights beside Caffe's and Caffe2's own, as the package onnx ships them for its tests.

Its graphs hold no weights, only the networks: ours are put in, and ONNX Runtime's logits are set beside ours. Which
tensor goes where is read from the graphs' names here, not by neocog's reader of weights. Where a graph is not the
paper's network, it is mended, never our network; each mending says what the graph has instead.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.models import build

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
Array = NDArray[np.float32]


class Case(NamedTuple):
    """A network of ours and the graph that computes the same."""

    model: str
    graph: str
    ours: Callable[[str], str]
    """the layer of ours that a layer of the graph is, `conv1` for `conv1`"""
    mend: Callable[[Any], None] = lambda graph: None
    side: int = 224
    options: dict[str, Any] = {}


# The layers of the graphs and ours


def same_name(layer: str) -> str:
    return layer


def in_vgg19(layer: str) -> str:
    """`conv3_2` is the second convolution of the third stage: each is followed by ReLU, each stage by its pool."""
    if layer.startswith("fc"):
        return f"classifier.{3 * (int(layer[2]) - 6)}"  # with ReLU and dropout between them
    stage, place = map(int, layer.removeprefix("conv").split("_"))
    before = [2, 2, 4, 4, 4][: stage - 1]
    return f"features.{2 * (sum(before) + place - 1) + len(before)}"


def in_googlenet(layer: str) -> str:
    outside = {
        "conv1/7x7_s2": "conv1.conv",
        "conv2/3x3_reduce": "conv2.conv",
        "conv2/3x3": "conv3.conv",
        "loss3/classifier": "fc",
    }
    if layer in outside:
        return outside[layer]
    branches = {
        "1x1": "1",
        "3x3_reduce": "2.0",
        "3x3": "2.1",
        "5x5_reduce": "3.0",
        "5x5": "3.1",
        "pool_proj": "4.1",
    }
    module, branch = layer.split("/")
    return f"{module.replace('_', '')}.branch{branches[branch]}.conv"


def in_resnet(layer: str) -> str:
    """`res4_2_branch2b` and its `..._bn` are the 3x3 of the third block of conv4_x."""
    if not layer.startswith("res") or layer == "res_conv1_bn":
        return {"conv1": "conv1", "res_conv1_bn": "bn1", "pred": "fc"}[layer]
    stage, block, branch, *normed = layer.removeprefix("res").split("_")
    kind = "bn" if normed else "conv"
    place = f"downsample.{len(normed)}" if branch == "branch1" else f"{kind}{'abc'.index(branch[-1]) + 1}"
    return f"layer{int(stage) - 1}.{block}.{place}"


TENSORS = {
    "w": "weight",
    "b": "bias",
    "bn_s": "weight",
    "bn_b": "bias",
    "bn_rm": "running_mean",
    "bn_riv": "running_var",  # a variance, in spite of its name in Caffe2
}


def our_tensor(weight: str, ours: Callable[[str], str]) -> str:
    """The name in our state dict of a weight of the graph: `gpu_0/conv1_w_0` is `conv1.weight`."""
    words = weight.removeprefix("gpu_0/").removesuffix("_0").split("_")
    normed = words[-2] == "bn"
    layer = "_".join(words[:-1])
    return f"{ours(layer)}.{TENSORS['_'.join(words[-2:]) if normed else words[-1]]}"


# Where a graph is not the paper's network


def nodes(graph: Any, kind: str) -> list[Any]:
    return [node for node in graph.node if node.op_type == kind]


def attribute(node: Any, name: str) -> Any:
    return next(attribute for attribute in node.attribute if attribute.name == name)


def reset(node: Any, name: str, value: Any) -> None:
    attribute(node, name).CopyFrom(onnx.helper.make_attribute(name, value))


def pool_first(graph: Any) -> None:
    """Caffe's "reference CaffeNet" is its AlexNet with each pool in front of the normalisation."""
    for norm, pool in itertools.pairwise(graph.node):
        if (norm.op_type, pool.op_type) == ("LRN", "MaxPool"):
            attributes = list(norm.attribute)
            norm.op_type, pool.op_type = "MaxPool", "LRN"
            norm.ClearField("attribute")
            norm.attribute.extend(pool.attribute)
            pool.ClearField("attribute")
            pool.attribute.extend(attributes)


def round_pools_up(graph: Any) -> None:
    """A window that reaches over the end, written as bvlc_alexnet's pool5 has it: a row and a column of nothing."""
    for pool in nodes(graph, "MaxPool"):
        if list(attribute(pool, "strides").ints) == [2, 2]:
            reset(pool, "pads", [0, 0, 1, 1])


def round_conv1_up(graph: Any) -> None:
    """224 pixels give the paper's 55 positions with three more zeros at the end; the graph has 54."""
    reset(nodes(graph, "Conv")[0], "pads", [0, 0, 3, 3])


def zeiler_and_fergus(graph: Any) -> None:
    """Figure 3 of the paper. Facebook's graph normalises before it pools, with five times the alpha; pads nothing,
    so that it has 109 positions where the paper has 110; and ends in a pool of 2x2."""
    pool_first(graph)
    for norm in nodes(graph, "LRN"):
        reset(norm, "alpha", 1e-4)
    reset(nodes(graph, "Conv")[0], "pads", [1, 1, 1, 1])
    reset(nodes(graph, "MaxPool")[-1], "kernel_shape", [3, 3])
    round_pools_up(graph)


def seven_positions(graph: Any) -> None:
    """Table 1 of the paper. The graph rounds its pools down, to 6 positions, and pads the last pool for it."""
    round_pools_up(graph)
    reset(nodes(graph, "AveragePool")[0], "pads", [0, 0, 0, 0])


def stride_in_front(graph: Any) -> None:
    """The paper's ResNet-50 strides in the first 1x1 of a block; the graph in the 3x3, as the weights in use do."""
    for stage in (3, 4, 5):
        for branch, stride in (("2a", 2), ("2b", 1)):
            weight = f"gpu_0/res{stage}_0_branch{branch}_w_0"
            (conv,) = (node for node in nodes(graph, "Conv") if node.input[1] == weight)
            assert list(attribute(conv, "strides").ints) == [3 - stride] * 2
            reset(conv, "strides", [stride] * 2)


CASES = {
    "alexnet_2012": Case("alexnet_2012", "bvlc_alexnet", same_name, side=227, options={"lrn_k": 1.0}),
    "alexnet_2012 on 224": Case(
        "alexnet_2012", "bvlc_alexnet", same_name, round_conv1_up, options={"lrn_k": 1.0}
    ),
    "caffenet": Case("caffenet", "bvlc_alexnet", same_name, pool_first, side=227),
    "zfnet": Case("zfnet", "zfnet512", same_name, zeiler_and_fergus),
    "zfnet_512": Case("zfnet_512", "zfnet512", same_name, zeiler_and_fergus),
    "vgg19": Case("vgg19", "vgg19", in_vgg19),
    "googlenet_2014": Case("googlenet_2014", "inception_v1", in_googlenet, seven_positions),
    "resnet50": Case("resnet50", "resnet50", in_resnet),
    "resnet50_v1": Case("resnet50_v1", "resnet50", in_resnet, stride_in_front),
}


def coloured(side: int) -> Tensor:
    """Two pictures of large coloured patches under noise, from -128 to 127 as Caffe reads them."""
    draw = torch.Generator().manual_seed(1)
    patches = torch.rand(2, 3, 4, 4, generator=draw)
    smooth = nn.functional.interpolate(patches, size=(side, side), mode="bilinear")
    return (smooth + torch.rand(2, 3, side, side, generator=draw)) * 127.5 - 128


@torch.no_grad()
def lively(case: Case, pictures: Tensor) -> nn.Module:
    """Our network with weights that keep the scale of what they read, and logits that differ by about one."""
    draw = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        net = build(case.model, **case.options)
    net = net.to_empty(device="cpu").eval()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.weight.normal_(std=(2 / layer.weight[0].numel()) ** 0.5, generator=draw)
            if layer.bias is not None:
                layer.bias.normal_(std=1, generator=draw)
        elif isinstance(layer, nn.BatchNorm2d):
            for scale in (layer.weight, layer.running_var):
                scale.uniform_(0.25, 1, generator=draw)
            for shift in (layer.bias, layer.running_mean):
                shift.normal_(std=1, generator=draw)
    last = net.get_classifier()
    spread = net(pictures).std()
    last.weight /= spread
    last.bias /= spread
    return net


def emptied(case: Case) -> tuple[Any, list[str]]:
    """The graph for any batch and size, its weights and the picture among its inputs; their names, picture first."""
    model = onnx.load(LIGHT / f"light_{case.graph}.onnx")
    case.mend(model.graph)
    working = [node for node in model.graph.node if node.op_type != "ConstantOfShape"]
    shapes = {one.name: one for one in model.graph.initializer if one.name.startswith("OC2_DUMMY")}
    before_classifier = onnx.numpy_helper.from_array(
        np.array([0, -1]), "OC2_DUMMY_1"
    )  # any batch, any length
    shapes["OC2_DUMMY_1"].CopyFrom(before_classifier)
    read = {name for node in working for name in node.input}
    given = read - {name for node in working for name in node.output} - set(shapes)
    (picture,) = (name for name in given if name.removeprefix("gpu_0/") == "data_0")
    names = [picture, *sorted(given - {picture})]
    assert working[-1].op_type == "Softmax"
    results = [working[-1].input[0], working[-1].output[0]]
    mended = onnx.helper.make_graph(working, case.graph, floats(names), floats(results), shapes.values())
    return onnx.helper.make_model(mended, opset_imports=model.opset_import, ir_version=4), names


def floats(names: list[str]) -> list[Any]:
    """Tensors of any shape, as the inputs or outputs of a graph."""
    return [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names]


def by_onnxruntime(case: Case, net: nn.Module, pictures: Tensor) -> tuple[Array, Array]:
    """Logits and probabilities of the graph with the network's weights, each used, none left over."""
    model, (picture, *weights) = emptied(case)
    state = {name: tensor for name, tensor in net.state_dict().items() if "num_batches" not in name}
    feed = {weight: state.pop(our_tensor(weight, case.ours)).numpy() for weight in weights}
    assert not state, f"the graph has no place for {list(state)}"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # shapes that the graph leaves open
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    logits, chances = session.run(None, {picture: pictures.numpy(), **feed})
    return logits, chances


@pytest.fixture
def one_thread(two_threads: None) -> None:
    """Two threads that wait for each other after each of many small layers are slow on a machine with other work."""
    torch.set_num_threads(1)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_the_authors_graph_under_onnxruntime(name: str) -> None:
    """Both round float32: from float64 our logits, whose deviation is 1, lie up to 1e-5 away, theirs up to 3e-6."""
    case = CASES[name]
    pictures = coloured(case.side)
    net = lively(case, pictures)
    with torch.no_grad():
        ours = net(pictures)
    assert (ours[0] - ours[1]).std() > 0.02, "the pictures must be seen in the logits"
    logits, chances = by_onnxruntime(case, net, pictures)
    np.testing.assert_allclose(ours.numpy(), logits, rtol=0, atol=3e-5)
    np.testing.assert_allclose(ours.softmax(1).numpy(), chances, rtol=0, atol=5e-7)  # the largest are 0.03
