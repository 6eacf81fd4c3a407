import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.batch_norm import BatchNorm2d, precise_batch_norm
from neocog.layers.chain import chain
from neocog.layers.dropout import Dropout
from reference import loops

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(2, 3))


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(shape, dtype=torch.float64, generator=generator) + 5


def pair(
    channels: int, momentum: float | None = 0.1, eps: float = 1e-5
) -> tuple[BatchNorm2d, nn.BatchNorm2d]:
    """Ours and torch's with the same parameters and running statistics, none of them a default."""
    theirs = nn.BatchNorm2d(channels, eps, momentum).double()
    for i, tensor in enumerate(theirs.state_dict().values()):
        if tensor.is_floating_point():
            tensor.copy_(random(channels, seed=i + 10).abs())
    ours = BatchNorm2d(channels, eps, momentum).double()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


@settings(max_examples=40)
@given(SHAPES, st.sampled_from((0.0, 0.1, 0.7, 1.0)))
def test_training_is_algorithm_1(shape: tuple[int, int, int, int], momentum: float) -> None:
    layer, _ = pair(shape[1], momentum)
    x, old_mean, old_var = random(*shape), layer.running_mean.clone(), layer.running_var.clone()
    gamma, beta = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    mean, var, m = loops.batch_statistics(x.numpy())
    expected = loops.normalise(x.numpy(), mean, var, gamma, beta, 1e-5)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=0, atol=1e-11)
    moved = (1 - momentum) * old_mean.numpy() + momentum * mean
    np.testing.assert_allclose(layer.running_mean.numpy(), moved, rtol=1e-13)
    moved = (1 - momentum) * old_var.numpy() + momentum * var * m / (m - 1)
    np.testing.assert_allclose(layer.running_var.numpy(), moved, rtol=1e-13)


@settings(max_examples=20)
@given(SHAPES, st.sampled_from((1e-5, 1e-3)))
def test_evaluation_uses_the_running_statistics(shape: tuple[int, int, int, int], eps: float) -> None:
    layer, _ = pair(shape[1], eps=eps)
    state = {name: tensor.numpy().copy() for name, tensor in layer.eval().state_dict().items()}
    x = random(*shape)
    expected = loops.normalise(
        x.numpy(), state["running_mean"], state["running_var"], state["weight"], state["bias"], eps
    )
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-13, atol=1e-13)
    assert all((tensor.numpy() == state[name]).all() for name, tensor in layer.state_dict().items())


@pytest.mark.parametrize("momentum", [0.1, 1.0, None])
@pytest.mark.parametrize("train", [True, False])
def test_outputs_gradients_and_statistics_are_torchs(momentum: float | None, train: bool) -> None:
    ours, theirs = pair(3, momentum)
    for step in range(3):
        results = []
        for layer in (ours.train(train), theirs.train(train)):
            x = random(4, 3, 2, 5, seed=step).requires_grad_()
            out = layer(x)
            layer.zero_grad()
            (out * random(4, 3, 2, 5, seed=100 + step)).sum().backward()
            results.append([out, x.grad, layer.weight.grad, layer.bias.grad, *layer.state_dict().values()])
        for mine, reference in zip(*results, strict=True):
            torch.testing.assert_close(mine, reference, rtol=1e-10, atol=1e-10)


def test_the_gradient_is_that_of_finite_differences() -> None:
    layer, _ = pair(2, momentum=0.0)
    assert torch.autograd.gradcheck(lambda x: layer(x), random(2, 2, 2, 2).requires_grad_())


def test_fresh_layers_are_equal_to_torchs() -> None:
    ours, theirs = BatchNorm2d(4).state_dict(), nn.BatchNorm2d(4).state_dict()
    assert list(ours) == list(theirs)
    assert all(
        torch.equal(ours[name], theirs[name]) and ours[name].dtype == theirs[name].dtype for name in ours
    )


def test_evaluation_is_onnx_runtimes() -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    layer, _ = pair(3, eps=1e-3)
    x, layer = random(2, 3, 4, 5).float(), layer.float().eval()
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    order = ["weight", "bias", "running_mean", "running_var"]
    node = helper.make_node("BatchNormalization", ["x", *order], ["y"], epsilon=1e-3)
    ends = [helper.make_tensor_value_info(name, kind, list(x.shape)) for name in "xy"]
    numbers = [onnx.numpy_helper.from_array(layer.state_dict()[name].numpy(), name) for name in order]
    graph = helper.make_graph([node], "bn", ends[:1], ends[1:], numbers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": x.numpy()})
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-5, atol=1e-5)


def test_what_it_cannot_normalise_is_refused_in_words() -> None:
    with pytest.raises(
        UserError, match=r"reads \(batch, 3, rows, columns\), got \(2, 4, 5, 5\); num_features is"
    ):
        BatchNorm2d(3)(torch.ones(2, 4, 5, 5))
    with pytest.raises(UserError, match=r"got \(2, 3\)"):
        BatchNorm2d(3)(torch.ones(2, 3))
    layer = BatchNorm2d(3)
    with pytest.raises(
        UserError, match=r"two numbers or more .* got 1 from \(1, 3, 1, 1\); use a larger batch, or"
    ):
        layer(torch.ones(1, 3, 1, 1))
    assert torch.equal(layer.running_var, torch.ones(3))
    layer.eval()(torch.ones(1, 3, 1, 1))  # with running statistics one number is enough


def average(inputs: list[loops.Floats]) -> tuple[loops.Floats, loops.Floats]:
    """The paper's inference step, weighted by the numbers of each batch: mean and variance."""
    parts = [loops.batch_statistics(x) for x in inputs]
    total = sum(m for _, _, m in parts)
    mean = sum(m * mean for mean, _, m in parts) / total
    return mean, sum(m * (m / (m - 1)) * var for _, var, m in parts) / total


@pytest.mark.parametrize("sizes", [(4, 4, 4), (5, 3, 1)])
@pytest.mark.parametrize("kind", ["ours", "torch"])
def test_precise_statistics_are_the_papers_averages(sizes: tuple[int, ...], kind: str) -> None:
    layer = pair(2)[kind == "torch"]
    batches = [random(size, 2, 2, 3, seed=i) * (i + 1) for i, size in enumerate(sizes)]
    precise_batch_norm(layer, batches)
    mean, var = average([batch.numpy() for batch in batches])
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-12)


def test_with_equal_batches_it_is_m_over_m_minus_one_times_the_mean_variance() -> None:
    batches = [random(3, 2, 2, 2, seed=i) for i in range(5)]
    layer = BatchNorm2d(2).double()
    precise_batch_norm(layer, batches)
    biased = np.mean([batch.numpy().var(axis=(0, 2, 3)) for batch in batches], axis=0)
    np.testing.assert_allclose(layer.running_var.numpy(), 12 / 11 * biased, rtol=1e-12)


def test_the_mean_is_that_of_all_numbers_whatever_the_batches() -> None:
    x = random(7, 2, 3, 3)
    layer = BatchNorm2d(2).double()
    precise_batch_norm(layer, x.split([4, 2, 1]))
    torch.testing.assert_close(layer.running_mean, x.mean((0, 2, 3)), rtol=1e-12, atol=0)


def deep() -> nn.Sequential:
    """Torch's batch norms of one and two dimensions and ours, dropout between them, one without statistics."""
    torch.manual_seed(0)
    return chain(
        conv1=nn.Conv2d(2, 3, 3),
        bn1=nn.BatchNorm2d(3, momentum=0.3),
        drop1=Dropout(0.9),
        conv2=nn.Conv2d(3, 4, 2),
        bn2=BatchNorm2d(4, momentum=None),
        free=nn.BatchNorm2d(4, track_running_stats=False),
        flat=nn.Flatten(),
        drop2=nn.Dropout(0.9),
        bn3=nn.BatchNorm1d(4 * 3 * 3),
    ).double()


def test_deeper_layers_see_batch_statistics_and_nothing_dropped() -> None:
    net, batches = deep(), [random(6, 2, 6, 6, seed=i) for i in range(3)]
    by_hand = copy.deepcopy(net)
    xs = batches
    with torch.no_grad():
        for name, layer in by_hand.named_children():
            if name.startswith("bn"):
                mean, var = average([x.numpy() for x in xs])
                layer.running_mean.copy_(torch.from_numpy(mean))
                layer.running_var.copy_(torch.from_numpy(var))
            if not name.startswith("drop"):
                one_by_one = copy.deepcopy(layer).train()
                xs = [one_by_one(x) for x in xs]
    precise_batch_norm(net, batches)
    for name, tensor in by_hand.state_dict().items():
        torch.testing.assert_close(net.state_dict()[name], tensor, rtol=1e-10, atol=1e-10)


def test_modes_momentum_counts_and_hooks_are_left_as_found() -> None:
    net = deep()
    net.bn1.eval()  # as frozen layers are held
    net.bn2.num_batches_tracked += 7
    before = {
        name: (module.training, getattr(module, "momentum", None)) for name, module in net.named_modules()
    }
    precise_batch_norm(net, (random(4, 2, 6, 6, seed=i) for i in range(2)))
    after = {
        name: (module.training, getattr(module, "momentum", None)) for name, module in net.named_modules()
    }
    assert after == before
    assert [int(layer.num_batches_tracked) for layer in (net.bn1, net.bn2, net.bn3)] == [0, 7, 0]
    assert not any(module._forward_pre_hooks for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())


class UsedTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = pair(2)[0], pair(2)[0]

    def forward(self, x: Tensor) -> Tensor:
        return self.used(self.used(x))


def test_a_layer_used_twice_averages_both_and_one_not_used_keeps_its_own() -> None:
    net, x = UsedTwice(), random(4, 2, 2, 2)
    once = copy.deepcopy(net.used).train()(x).detach()
    unused = {name: tensor.clone() for name, tensor in net.unused.state_dict().items()}
    precise_batch_norm(net, [x])
    mean, var = average([x.numpy(), once.numpy()])
    np.testing.assert_allclose(net.used.running_mean.numpy(), mean, rtol=1e-10)
    np.testing.assert_allclose(net.used.running_var.numpy(), var, rtol=1e-10)
    assert all(torch.equal(tensor, unused[name]) for name, tensor in net.unused.state_dict().items())


def test_after_an_error_the_network_is_as_it_was() -> None:
    net = deep()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(RuntimeError):
        precise_batch_norm(net, [random(4, 2, 6, 6), random(4, 5, 6, 6)])
    with pytest.raises(UserError, match="got 1 from"):
        precise_batch_norm(net, [random(1, 2, 6, 6)])  # bn3 has one number a channel
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(module.training for module in net.modules())
    with pytest.raises(UserError, match="averages over batches, got none; give it at least one"):
        precise_batch_norm(net, [])
